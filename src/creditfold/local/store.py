"""The state of the embedded runtime: kept in its database, with an index of what falls due."""

from __future__ import annotations

from collections.abc import Iterator

from creditfold.local.database import Database
from creditfold.partition.stored import StoredState

_STATE = b"s/"
_DUE = b"d/"


class LocalStore(StoredState):
    """A store whose changes the runtime writes in one step with the log."""

    def __init__(self, database: Database) -> None:
        super().__init__(_Committed(database), (_due_of(key) for key, _ in database.scan(_DUE)))

    def writes(self) -> dict[bytes, bytes | None]:
        """What has changed since the last `written`, as keys and values of the database."""
        writes = {_STATE + key: value for key, value in self.changes().items()}
        for customer, before, after in self.due_changes():
            if before is not None:
                writes[_due_key(before, customer)] = None
            if after is not None:
                writes[_due_key(after, customer)] = b""
        return writes


class _Committed:
    """The state keys of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: bytes, /) -> bytes | None:
        """The value under the key."""
        return self._database.get(_STATE + key)

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with the prefix, and their values, in order."""
        for rest, value in self._database.scan(_STATE + prefix):
            yield prefix + rest, value


def _due_key(instant: int, customer: str) -> bytes:
    return _DUE + instant.to_bytes(8, "big") + customer.encode()


def _due_of(key: bytes) -> tuple[int, str]:
    return int.from_bytes(key[:8], "big"), key[8:].decode()
