"""The state of a partition between batches: records by key, and when customers next fall due."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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


class MemoryStore:
    """A store in memory, for simulation and replay."""

    def __init__(self) -> None:
        self._records: dict[Key, Any] = {}
        self._ids: dict[tuple[str, str], list[str]] = {}  # in order, of what was scanned before
        self._new: dict[tuple[str, str], set[str]] = defaultdict(set)  # of what was not
        self._customers: list[str] = []
        self._due = DueQueue(self)

    def get(self, key: Key, /) -> Any:  # noqa: ANN401  # the kind in the key says which record
        """The record under the key, or None."""
        return self._records.get(key)

    def scan(self, customer: str, kind: str, start: str = "", /) -> Iterator[tuple[str, Any]]:
        """The records of one kind of a customer from an id on, by the UTF-8 bytes of their ids."""
        assert kind != SEEN, "the ids of facts are asked for one by one"
        ids = self._ids.get((customer, kind))
        if ids is None:
            ids = self._ids[customer, kind] = sorted(self._new.pop((customer, kind), ()))
        for place in range(bisect.bisect_left(ids, start), len(ids)):
            yield ids[place], self._records[customer, kind, ids[place]]

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
            if key[1] == ACCOUNT:
                if known is None:
                    bisect.insort(self._customers, key[0])
                if known is None or known.next_due != record.next_due:
                    self._due.note(key[0], record)
            elif (known is None) != (record is None) and key[1] != SEEN:
                self._list(key, there=record is not None)

    def _list(self, key: Key, *, there: bool) -> None:
        """Note that a record is there now, or that it is not any more."""
        customer, kind, id_ = key
        ids = self._ids.get((customer, kind))
        if ids is None:
            if there:
                self._new[customer, kind].add(id_)
            else:
                self._new[customer, kind].discard(id_)
            return
        place = bisect.bisect_left(ids, id_)
        ids[place : place + (not there)] = [id_] if there else []

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (instant, customer) that falls due."""
        return self._due.first()

    def accounts(self, after: str = "", /) -> Iterator[str]:
        """The customers after one (all, where it is empty), in the order of their UTF-8 bytes."""
        first = bisect.bisect(self._customers, after)
        return itertools.islice(self._customers, first, None)
