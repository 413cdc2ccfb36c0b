"""The state of a partition between batches: records by key, and when customers next fall due."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from creditfold.core.state import ACCOUNT, SEEN, Account, Key, State


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


class Ids:
    """The ids of records by customer and kind, sorted once they are asked for."""

    def __init__(self) -> None:
        self._sorted: dict[tuple[str, str], list[str]] = {}
        self._unsorted: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, key: Key) -> None:
        """A record is there that was not."""
        customer, kind, id_ = key
        ids = self._sorted.get((customer, kind))
        if ids is None:
            self._unsorted[customer, kind].append(id_)
        else:
            bisect.insort(ids, id_)

    def remove(self, key: Key) -> None:
        """A record that was there is gone."""
        ids = self._of(key[0], key[1])
        del ids[bisect.bisect_left(ids, key[2])]

    def since(self, customer: str, kind: str, start: str) -> Iterator[str]:
        """Those from an id on, by their UTF-8 bytes; it costs by how many are taken."""
        ids = self._of(customer, kind)
        for place in range(bisect.bisect_left(ids, start), len(ids)):
            yield ids[place]

    def _of(self, customer: str, kind: str) -> list[str]:
        ids = self._sorted.get((customer, kind))
        if ids is None:
            ids = self._sorted[customer, kind] = sorted(self._unsorted.pop((customer, kind), ()))
        return ids


class MemoryStore:
    """A store in memory, for simulation and replay."""

    def __init__(self) -> None:
        self._records: dict[Key, Any] = {}
        self.get: Callable[[Key], Any] = self._records.get
        """The record under the key, or None."""
        self._ids = Ids()
        self._customers: list[str] = []
        self._due = DueQueue(self)

    def scan(self, customer: str, kind: str, start: str = "", /) -> Iterator[tuple[str, Any]]:
        """The records of one kind of a customer from an id on, by the UTF-8 bytes of their ids."""
        assert kind != SEEN, "the ids of facts are asked for one by one"
        for id_ in self._ids.since(customer, kind, start):
            yield id_, self._records[customer, kind, id_]

    def items(self) -> Iterator[tuple[Key, Any]]:
        """All records."""
        return iter(self._records.items())

    def apply(self, changes: Mapping[Key, Any], /) -> None:
        """Set records; None deletes."""
        records = self._records
        for key, record in changes.items():
            known = records.get(key)
            if record is not None:
                records[key] = record
            elif known is not None:
                del records[key]
            kind = key[1]
            if kind == ACCOUNT:
                if known is None:
                    bisect.insort(self._customers, key[0])
                if known is None or known.next_due != record.next_due:
                    self._due.note(key[0], record)
            elif known is None:
                if record is not None and kind != SEEN:
                    self._ids.add(key)
            elif record is None and kind != SEEN:
                self._ids.remove(key)

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (instant, customer) that falls due."""
        return self._due.first()

    def accounts(self, after: str = "", /) -> Iterator[str]:
        """The customers after one (all, where it is empty), in the order of their UTF-8 bytes."""
        first = bisect.bisect(self._customers, after)
        return itertools.islice(self._customers, first, None)
