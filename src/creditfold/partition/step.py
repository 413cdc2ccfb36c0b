"""One batch: the ordered records, then what the clock has made due, under one header."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tzdata  # type: ignore[import-untyped]  # it has no stubs, and one constant is read
from msgspec import Struct
from msgspec.structs import replace

from creditfold.contract import outputs
from creditfold.contract.dead_letters import dead_letter
from creditfold.contract.decode import decode
from creditfold.contract.encode import (
    batch_record,
    coordinates,
    dead_letter_record,
    digest,
    notice_record,
    outcome_record,
    posting_record,
)
from creditfold.contract.envelope import Undecodable, read_record
from creditfold.contract.outputs import Version
from creditfold.core.catalog import Catalog
from creditfold.core.entries import Cause, Outcome, Status, identity
from creditfold.core.fold import BEHAVIOUR, Step, fold, fold_due
from creditfold.core.times import rfc3339
from creditfold.log.order import ranges
from creditfold.log.records import Output, Record
from creditfold.partition.position import Position
from creditfold.partition.store import Store

CODE = Version(behaviour=BEHAVIOUR, tz=tzdata.IANA_VERSION)
"""What this process folds by; a header says it, so that a replay can ask for the same."""


class Batch(Struct, frozen=True):
    """What a batch wrote, the header first, and where the partition stands after it."""

    outputs: tuple[Output, ...]
    outcomes: tuple[Outcome, ...]
    position: Position


class Partition:
    """The fold of one partition. All that a batch gives is a function of its records and times.

    A replay calls it with a header's ranges and `now` and gets the same bytes.
    """

    def __init__(self, store: Store, number: int, position: Position) -> None:
        self._store = store
        self._number = number
        self._catalog = Catalog(store)
        self.position = position

    @property
    def catalog(self) -> Catalog:
        """The catalog as the last batch left it."""
        return self._catalog

    def due(self, until: int) -> bool:
        """Whether the clock would fold anything at this time."""
        first = self._store.next_due()
        limit = self.position.now if self._catalog.held else until
        return first is not None and first[0] <= limit

    def fold(
        self,
        records: Sequence[tuple[Record, int]],
        ceiling: int,
        *,
        caught_up: bool,
        due_max: int,
    ) -> Batch:
        """Fold the records in their order, each at its log time, then at most `due_max` due items.

        The log's time after the batch is that of the last record, or `ceiling` where the
        partition has read all there is and no import holds the clock.
        """
        work = _Work(self._number)
        now = self.position.now
        for record, now in records:
            self._fold_record(work, record, now)
        if caught_up and not self._catalog.held:
            now = ceiling
        due = self._sweep(work, now, due_max)
        return self._close(work, [record for record, _ in records], now, due, CODE)

    def refold(
        self, records: Sequence[tuple[Record, int]], now: int, due: int, code: Version = CODE
    ) -> Batch:
        """The same batch again, as its header tells it."""
        work = _Work(self._number)
        for record, time in records:
            self._fold_record(work, record, time)
        folded = self._sweep(work, now, due)
        return self._close(work, [record for record, _ in records], now, folded, code)

    def _fold_record(self, work: _Work, record: Record, now: int) -> None:
        try:
            envelope = read_record(record.key, record.value, record.headers)
        except Undecodable as error:
            work.dead_letter(record, error, now)
            return
        fact = decode(envelope, now, record.topic)
        while (step := self._fold_due(fact.customer, now, now)) is not None:
            work.add(step, None, now)
        step = fold(self._store, self._catalog, fact)
        self._store.apply(step.changes)
        if step.catalog_changed:
            self._catalog = Catalog(self._store)
        work.add(step, record, now)

    def _sweep(self, work: _Work, now: int, due_max: int) -> int:
        """Fold what is due by `now`, by instant and customer; how many items that were."""
        due = 0
        while due < due_max and (first := self._store.next_due()) is not None:
            instant, customer = first
            if instant > now:
                break
            step = self._fold_due(customer, instant, now)
            assert step is not None, f"{customer} was due at {instant}, and nothing was"
            work.add(step, None, now)
            due += 1
        return due

    def _fold_due(self, customer: str, until: int, now: int) -> Step | None:
        step = fold_due(self._store, self._catalog, customer, until, now)
        if step is not None:
            self._store.apply(step.changes)
        return step

    def _close(
        self, work: _Work, records: Iterable[Record], now: int, due: int, code: Version
    ) -> Batch:
        before = self.position
        taken = ranges(records, before.offsets)
        header = outputs.Batch(
            batch=before.batch + 1,
            now=rfc3339(now),
            code=code,
            in_=taken,
            due=due,
            prev=before.out,
            out=digest(before.out, work.outputs),
        )
        self.position = Position(
            batch=header.batch,
            now=now,
            offsets={**before.offsets, **{each.topic: each.end for each in taken}},
            out=header.out,
        )
        first = batch_record(header, self._number)
        return Batch((first, *work.outputs), tuple(work.outcomes), self.position)


class _Work:
    """The outputs of a batch as they grow."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.outputs: list[Output] = []
        self.outcomes: list[Outcome] = []

    def add(self, step: Step, record: Record | None, now: int) -> None:
        """An outcome, told where its cause lies and when it was recorded, and all that it sends."""
        outcome = step.outcome
        outcome.recorded_at = rfc3339(now)
        if record is not None:
            outcome.cause = replace(
                outcome.cause,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
            )
        self.outcomes.append(outcome)
        self.outputs.append(outcome_record(outcome))
        effective_at = outcome.effective_at or outcome.recorded_at
        self.outputs.extend(posting_record(posting, effective_at) for posting in step.postings)
        self.outputs.extend(map(notice_record, step.notices))

    def dead_letter(self, record: Record, error: Undecodable, now: int) -> None:
        """A record that cannot be read: the outcome that points to it, and the letter."""
        where = coordinates(record.topic, record.partition, record.offset)
        answer = Outcome(
            outcome=identity("dead_letter", where),
            status=Status.DEAD_LETTER,
            cause=Cause(),
            code=error.code,
            detail=error.detail,
        )
        self.add(Step(answer), record, now)
        letter = dead_letter(
            error,
            record.topic,
            record.partition,
            record.offset,
            now,
            record.key,
            record.value,
            record.headers,
        )
        self.outputs.append(dead_letter_record(letter, record.key))
