"""The state of the embedded runtime: kept in its database, with an index of what falls due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec

from creditfold.core.state import Key
from creditfold.local.database import Database
from creditfold.partition.stored import StoredState

_STATE = b"s/"
_DUE = b"d/"

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
"""What decoding raises on bytes that are no record."""


class LocalStore(StoredState):
    """A store whose changes the runtime writes in one step with the log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        try:
            super().__init__(_Committed(database), _due(database))
        except UNREADABLE as error:
            raise database.damaged(f"what falls due: {error}") from error

    def get(self, key: Key, /) -> Any:  # noqa: ANN401  # the kind in the key says which record
        """The record under the key, or None."""
        try:
            return super().get(key)
        except UNREADABLE as error:
            raise self._database.damaged(f"the state of {key}: {error}") from error

    def scan(self, customer: str, kind: str, start: str = "", /) -> Iterator[tuple[str, Any]]:
        """The records of one kind of a customer from an id on, by the UTF-8 bytes of their ids."""
        try:
            yield from super().scan(customer, kind, start)
        except UNREADABLE as error:
            raise self._database.damaged(f"the {kind} of {customer!r}: {error}") from error

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

    def scan(self, prefix: bytes, start: bytes = b"", /) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with the prefix, from `prefix + start` on, and their values, in order."""
        for rest, value in self._database.scan(_STATE + prefix, start):
            yield prefix + rest, value


def _due_key(instant: int, customer: str) -> bytes:
    return _DUE + instant.to_bytes(8, "big") + customer.encode()


def _due(database: Database) -> Iterator[tuple[int, str]]:
    with closing(database.scan(_DUE)) as found:  # an open cursor would keep the directory locked
        for key, _ in found:
            yield int.from_bytes(key[:8], "big"), key[8:].decode()
