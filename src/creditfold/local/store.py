"""The state on disk with what the current step has changed on top of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from creditfold.core.state import ACCOUNT, Account, Key
from creditfold.local.database import Database
from creditfold.partition.codec import decode_key, decode_record, encode_key, encode_record
from creditfold.partition.store import DueQueue

_STATE = b"s/"
_DUE = b"d/"
_CACHED_MAX = 200_000


class LocalStore:
    """A store over RocksDB. Changes are visible at once and durable with the caller's write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[Key, Any] = {}
        self._cache: dict[Key, Any] = {}
        self._due = DueQueue(self, (_due_of(key) for key, _ in database.scan(_DUE)))

    def get(self, key: Key, /) -> Any:  # noqa: ANN401  # the kind in the key says which record
        """The record under the key, or None."""
        if key in self._pending:
            return self._pending[key]
        if key in self._cache:
            return self._cache[key]
        data = self._database.get(_STATE + encode_key(key))
        record = None if data is None else decode_record(key[1], data)
        self._cache[key] = record
        return record

    def scan(self, customer: str, kind: str, /) -> Iterator[tuple[str, Any]]:
        """All records of one kind of a customer, by the UTF-8 bytes of their ids."""
        found = {
            decode_key(key)[2]: decode_record(kind, data)
            for key, data in self._scan_keys(customer, kind)
        }
        for key, record in self._pending.items():
            if key[:2] == (customer, kind):
                found[key[2]] = record
        return iter(sorted((id_, record) for id_, record in found.items() if record is not None))

    def _scan_keys(self, customer: str, kind: str) -> Iterator[tuple[bytes, bytes]]:
        prefix = encode_key((customer, kind, ""))
        for rest, data in self._database.scan(_STATE + prefix):
            yield prefix + rest, data

    def apply(self, changes: Mapping[Key, Any], /) -> None:
        """Set records; None deletes."""
        for key, record in changes.items():
            if key[1] == ACCOUNT:
                known: Account | None = self.get(key)
                if known is None or known.next_due != record.next_due:
                    self._due.note(key[0], record)
        self._pending.update(changes)

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (instant, customer) that falls due."""
        return self._due.first()

    def accounts(self) -> Iterator[str]:
        """All customers, in the order of their UTF-8 bytes."""
        prefix = f"{ACCOUNT}\0".encode()
        customers = {key.decode().rstrip("\0") for key, _ in self._database.scan(_STATE + prefix)}
        customers.update(customer for customer, kind, _ in self._pending if kind == ACCOUNT)
        return iter(sorted(customers))

    def writes(self) -> dict[bytes, bytes | None]:
        """What has changed since the last call to `written`, as bytes on disk."""
        writes: dict[bytes, bytes | None] = {}
        for key, record in self._pending.items():
            path = _STATE + encode_key(key)
            writes[path] = None if record is None else encode_record(record)
            if key[1] == ACCOUNT:
                writes |= self._due_writes(key, record)
        return writes

    def _due_writes(self, key: Key, account: Account) -> dict[bytes, bytes | None]:
        data = self._database.get(_STATE + encode_key(key))
        before: Account | None = None if data is None else decode_record(ACCOUNT, data)
        writes: dict[bytes, bytes | None] = {}
        if before is not None and before.next_due is not None:
            writes[_due_key(before.next_due, key[0])] = None
        if account.next_due is not None:
            writes[_due_key(account.next_due, key[0])] = b""
        return writes

    def written(self) -> None:
        """The changes are on disk."""
        if len(self._cache) > _CACHED_MAX:
            self._cache.clear()
        self._cache.update(self._pending)
        self._pending = {}


def _due_key(instant: int, customer: str) -> bytes:
    return _DUE + instant.to_bytes(8, "big") + customer.encode()


def _due_of(key: bytes) -> tuple[int, str]:
    return int.from_bytes(key[:8], "big"), key[8:].decode()
