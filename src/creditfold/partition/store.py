"""The state of a partition between batches: records by key, and when customers next fall due."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from creditfold.core.state import ACCOUNT, Account, Key, State


class Store(State, Protocol):
    """The state that a partition folds into."""

    def apply(self, changes: Mapping[Key, Any], /) -> None:
        """Set records; None deletes."""

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (instant, customer) that falls due."""

    def accounts(self, after: str = "", /) -> Iterator[str]:
        """The customers after one (all, where it is empty), in the order of their UTF-8 bytes."""


class DueQueue:
    """Which customer falls due first. It follows the accounts' `next_due`."""

    def __init__(self, state: State, due: Iterable[tuple[int, str]] = ()) -> None:
        self._state = state
        self._heap = list(due)
        heapq.heapify(self._heap)

    def note(self, customer: str, account: Account) -> None:
        """An account was set."""
        if account.next_due is not None:
            heapq.heappush(self._heap, (account.next_due, customer))

    def first(self) -> tuple[int, str] | None:
        """The earliest (instant, customer) that still holds."""
        while self._heap:
            instant, customer = self._heap[0]
            account: Account | None = self._state.get((customer, ACCOUNT, ""))
            if account is not None and account.next_due == instant:
                return self._heap[0]
            heapq.heappop(self._heap)  # the account has moved on since
        return None


class MemoryStore:
    """A store in memory, for simulation and replay."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], dict[str, Any]] = {}
        self._ids: dict[tuple[str, str], list[str]] = {}  # in order, of what was scanned before
        self._customers: list[str] = []
        self._due = DueQueue(self)

    def get(self, key: Key, /) -> Any:  # noqa: ANN401  # the kind in the key says which record
        """The record under the key, or None."""
        customer, kind, id_ = key
        records = self._records.get((customer, kind))
        return None if records is None else records.get(id_)

    def scan(self, customer: str, kind: str, start: str = "", /) -> Iterator[tuple[str, Any]]:
        """The records of one kind of a customer from an id on, by the UTF-8 bytes of their ids."""
        records = self._records.get((customer, kind), {})
        ids = self._ids.get((customer, kind))
        if ids is None:
            ids = self._ids[customer, kind] = sorted(records)
        return ((id_, records[id_]) for id_ in ids[bisect.bisect_left(ids, start) :])

    def items(self) -> Iterator[tuple[Key, Any]]:
        """All records."""
        for (customer, kind), records in self._records.items():
            for id_, record in records.items():
                yield (customer, kind, id_), record

    def apply(self, changes: Mapping[Key, Any], /) -> None:
        """Set records; None deletes."""
        for (customer, kind, id_), record in changes.items():
            records = self._records.setdefault((customer, kind), {})
            known, ids = records.get(id_), self._ids.get((customer, kind))
            if ids is not None and (known is None) != (record is None):
                place = bisect.bisect_left(ids, id_)
                ids[place : place + (record is None)] = [] if record is None else [id_]
            if record is None:
                records.pop(id_, None)
                continue
            records[id_] = record
            if kind == ACCOUNT and known is None:
                bisect.insort(self._customers, customer)
            if kind == ACCOUNT and (known is None or known.next_due != record.next_due):
                self._due.note(customer, record)

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (instant, customer) that falls due."""
        return self._due.first()

    def accounts(self, after: str = "", /) -> Iterator[str]:
        """The customers after one (all, where it is empty), in the order of their UTF-8 bytes."""
        first = bisect.bisect(self._customers, after)
        return itertools.islice(self._customers, first, None)
