"""The state over bytes that are committed elsewhere, with what has changed since on top of it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from creditfold.core.state import ACCOUNT, SEEN, Account, Key
from creditfold.partition.codec import decode_key, decode_record, encode_key, encode_record
from creditfold.partition.store import DueQueue, Ids

_KNOWN_MAX = 200_000
_UNKNOWN: Any = object()


class Reader(Protocol):
    """Committed state as ordered bytes."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value under the key."""

    def scan(self, prefix: bytes, start: bytes = b"", /) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with the prefix, from `prefix + start` on, and their values, in order."""


class DueChange(NamedTuple):
    """When a customer next falls due, before and after; None: never."""

    customer: str
    before: int | None
    after: int | None


class StoredState:
    """A store whose changes are visible at once, and durable once their owner has written them.

    What was read or written last is kept in memory, but for the remembered ids of facts: one is
    asked for once, and again only by a duplicate.
    """

    def __init__(self, reader: Reader, due: Iterable[tuple[int, str]]) -> None:
        self._reader = reader
        self._pending: dict[Key, Any] = {}
        self._sealed: dict[Key, Any] = {}  # the batch before: the reader may not have it yet
        self._pending_ids, self._sealed_ids = Ids(), Ids()  # of what is new in both, but for SEEN
        self._known: dict[Key, Any] = {}  # what is pending, and what was read or written last
        self._due_before: dict[str, int | None] = {}
        self._due = DueQueue(self, due)

    def get(self, key: Key, /) -> Any:  # noqa: ANN401  # the kind in the key says which record
        """The record under the key, or None."""
        record = self._known.get(key, _UNKNOWN)
        if record is _UNKNOWN:
            data = self._reader.get(encode_key(key))
            record = None if data is None else decode_record(key[1], data)
            if key[1] != SEEN:
                self._known[key] = record
        return record

    def scan(self, customer: str, kind: str, start: str = "", /) -> Iterator[tuple[str, Any]]:
        """The records of one kind of a customer from an id on, by the UTF-8 bytes of their ids."""
        assert kind != SEEN, "the ids of facts are asked for one by one"
        found = self._reader.scan(encode_key((customer, kind, "")), start.encode())
        stored = ((decode_key(key)[2], data) for key, data in found)
        changed = (
            ((id_, b"") for id_ in ids.since(customer, kind, start))
            for ids in (self._sealed_ids, self._pending_ids)
        )
        last = None
        for id_, data in heapq.merge(stored, *changed, key=itemgetter(0)):
            if id_ == last:
                continue
            last = id_
            record = self._known.get((customer, kind, id_), _UNKNOWN)
            if record is _UNKNOWN:  # so it is not among what has changed
                record = decode_record(kind, data)
            if record is not None:
                yield id_, record

    def apply(self, changes: Mapping[Key, Any], /) -> None:
        """Set records; None deletes."""
        for key, record in changes.items():
            if key[1] == ACCOUNT:
                known: Account | None = self.get(key)
                before = None if known is None else known.next_due
                if before != record.next_due:
                    self._due_before.setdefault(key[0], before)
                    self._due.note(key[0], record)
            if key[1] != SEEN and self._known.get(key) is None:  # else the reader lists it
                self._pending_ids.add(key)
        self._pending.update(changes)
        self._known.update(changes)

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (instant, customer) that falls due."""
        return self._due.first()

    def accounts(self, after: str = "", /) -> Iterator[str]:
        """The customers after one (all, where it is empty), in the order of their UTF-8 bytes."""
        # The key of an account ends in the NUL before its empty id.
        start = f"{after}\0\0".encode() if after else b""
        stored = self._reader.scan(f"{ACCOUNT}\0".encode(), start)
        recent = chain(self._sealed, self._pending)
        changed = {customer for customer, kind, _ in recent if kind == ACCOUNT}
        others = (each for key, _ in stored if (each := decode_key(key)[0]) not in changed)
        return heapq.merge(others, sorted(each for each in changed if each > after))

    def changes(self) -> dict[bytes, bytes | None]:
        """What has changed since the last `written`, as bytes; None deletes."""
        return {
            encode_key(key): None if record is None else encode_record(record)
            for key, record in self._pending.items()
        }

    def due_changes(self) -> list[DueChange]:
        """Which customers' next due instants have changed since then."""
        return [
            DueChange(customer, before, self.get((customer, ACCOUNT, "")).next_due)
            for customer, before in self._due_before.items()
        ]

    def written(self) -> None:
        """The changes are the reader's from here on, or will be before the next is made."""
        if len(self._known) > _KNOWN_MAX:
            self._known = dict(self._pending)
        for key in self._pending:
            if key[1] == SEEN:
                self._known.pop(key, None)
        self._sealed, self._pending = self._pending, {}
        self._sealed_ids, self._pending_ids = self._pending_ids, Ids()
        self._due_before = {}
