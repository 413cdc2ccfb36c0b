"""The fold of a partition's records one by one, and the header that seals them into a batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

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
    notice_record,
    outcome_record,
    posting_record,
    raw_content,
    sealed,
    transfer_record,
)
from creditfold.contract.envelope import Undecodable, read_record
from creditfold.contract.outputs import Version
from creditfold.contract.partitions import Home
from creditfold.core.bodies import Fact
from creditfold.core.catalog import Catalog
from creditfold.core.entries import Cause, Outcome, Status, identity
from creditfold.core.fold import BEHAVIOUR, Step, fold, fold_due
from creditfold.core.programs import look
from creditfold.core.state import ACCOUNT, Account
from creditfold.core.times import rfc3339
from creditfold.log.records import Output, Range, Record
from creditfold.partition.rounds import LOOKS_MAX, ROUND, Round
from creditfold.partition.store import Store
from creditfold.partition.zones import zone

CODE = Version(behaviour=BEHAVIOUR, tz=tzdata.IANA_VERSION)
"""What this process folds by; a header says it, so that a replay can ask for the same."""

READ_AHEAD = 64
"""Records that are read one after the other, then folded: the code of both does not fit into the
nearest cache of a processor, and to change between them at each record costs a tenth of a fact."""

LOOK_EVERY = 16
"""Due items between two looks at whether the batch has taken its time; so many it always folds."""


class Sealed(Struct, frozen=True):
    """What a batch sends, its header first; `out` is the digest that the next header names."""

    outputs: tuple[Output, ...]
    outcomes: tuple[Outcome, ...]
    out: str


class Taken(NamedTuple):
    """What a record led to: how many bytes it sends, and whether it is a dead letter."""

    size: int
    dead_letter: bool


class PartitionFold:
    """Takes records in their order, then seals a batch. Where it is cut changes no entry.

    Changes are applied to the store as they are made; whoever owns it writes them with what the
    batch sends, or forgets both.
    """

    def __init__(self, store: Store, home: Home, out: str) -> None:
        self._store = store
        self._home = home
        self._catalog = Catalog(store, zone)
        self._out = out
        self._outputs: list[Output] = []
        self._outcomes: list[Outcome] = []
        self._sent: list[Output] = []

    @property
    def catalog(self) -> Catalog:
        """The catalog as the last record left it."""
        return self._catalog

    def read(
        self, records: Iterable[tuple[Record, int]]
    ) -> Iterator[tuple[Record, int, Fact | Exception]]:
        """Each record at the log's time, and what it says; nothing that is folded changes that.

        An error is raised by `take`, when it is the record's turn.
        """
        coming = iter(records)
        while said := [(*each, self._said(*each)) for each in itertools.islice(coming, READ_AHEAD)]:
            yield from said

    def _said(self, record: Record, now: int) -> Fact | Exception:
        try:
            envelope = read_record(record.key, record.value, record.headers)
            self._home.check(envelope.subject)
            return decode(envelope, now, record.topic)
        except Exception as error:
            return error

    def take(self, record: Record, now: int, said: Fact | Exception) -> Taken:
        """Fold what a record said at the log's time `now`."""
        begun = len(self._outputs)
        letter = isinstance(said, Undecodable)
        if isinstance(said, Fact):
            self._fact(said, record, now)
        elif isinstance(said, Undecodable):
            self._dead_letter(record, said, now)
        else:
            raise said
        return Taken(sum([len(output.value) for output in self._outputs[begun:]]), letter)

    def seal(
        self,
        batch: int,
        now: int,
        taken: Sequence[Range],
        due_max: int,
        *,
        spent: Callable[[], bool] = lambda: False,
        code: Version = CODE,
    ) -> Sealed:
        """Fold at most `due_max` items that are due by `now`, and put the header before it all.

        It ends earlier where `spent` says that the batch has taken its time. The header counts
        what was folded, so a replay needs no clock to stop at the same place.
        """
        self._look_around(now)
        due = self._sweep(now, due_max, spent)
        header = sealed(
            outputs.Batch(
                batch=batch,
                now=rfc3339(now),
                code=code,
                in_=tuple(taken),
                due=due,
                prev=self._out,
            ),
            self._outputs,
        )
        self._out = header.out
        sent = (batch_record(header, self._home.partition), *self._outputs, *self._sent)
        outcomes = tuple(self._outcomes)
        self._outputs, self._outcomes, self._sent = [], [], []
        return Sealed(sent, outcomes, header.out)

    def _fact(self, fact: Fact, record: Record, now: int) -> None:
        while (step := self._due(fact.customer, now, now)) is not None:
            self._add(step, None, now)
        step = fold(self._store, self._catalog, fact)
        self._store.apply(step.changes)
        if step.catalog_changed:
            self._catalog = Catalog(self._store, zone)
        self._add(step, record, now)

    def next_due(self) -> int | None:
        """When the clock next has something to do."""
        told: Round = self._store.get(("", ROUND, "")) or Round()
        if told.done < len(self._catalog.rounds):
            return self._catalog.rounds[told.done][0]
        first = self._store.next_due()
        return None if first is None else first[0]

    def _look_around(self, now: int) -> None:
        """Tell the next portion of customers what programs were published, one round at a time."""
        told: Round = self._store.get(("", ROUND, "")) or Round()
        if told.done == len(self._catalog.rounds):
            return
        if told.done == told.target:
            told = replace(told, target=len(self._catalog.rounds))
        portion = list(itertools.islice(self._store.accounts(told.cursor), LOOKS_MAX))
        for customer in portion:
            self._tell(customer, told.target, now)
        if len(portion) == LOOKS_MAX:
            told = replace(told, cursor=portion[-1])
        else:
            told = Round(done=told.target, target=told.target)
        self._store.apply({("", ROUND, ""): told})

    def _tell(self, customer: str, rounds: int, now: int) -> None:
        """Let a customer know of so many publications; what was due before them comes first."""
        published = self._catalog.rounds[rounds - 1][0]
        while self._store.get((customer, ACCOUNT, "")).looked < rounds:
            step = self._due(customer, published, now)
            if step is not None:
                self._add(step, None, now)

    def _sweep(self, now: int, due_max: int, spent: Callable[[], bool]) -> int:
        """Fold what is due by `now`, by instant and customer; how many items that were."""
        due = looked = 0
        while due < due_max and (first := self._store.next_due()) is not None:
            instant, customer = first
            if instant > now or (looked and looked % LOOK_EVERY == 0 and spent()):
                break
            looked += 1
            step = self._due(customer, instant, now)
            if step is not None:  # what was due is not where a program has changed meanwhile
                self._add(step, None, now)
                due += 1
        return due

    def _due(self, customer: str, until: int, now: int) -> Step | None:
        account: Account | None = self._store.get((customer, ACCOUNT, ""))
        if account is None or (
            account.looked == len(self._catalog.rounds)
            and (account.next_due is None or account.next_due > until)
        ):
            return None
        while changes := look(self._store, self._catalog, customer, until):
            self._store.apply(changes)
        step = fold_due(self._store, self._catalog, customer, until, now)
        if step is not None:
            self._store.apply(step.changes)
        return step

    def _add(self, step: Step, record: Record | None, now: int) -> None:
        """Send an outcome, told where its cause lies and when it was recorded, and its lines."""
        outcome = step.outcome
        outcome.recorded_at = rfc3339(now)
        if record is not None:
            cause = outcome.cause
            cause.topic, cause.partition = record.topic, record.partition
            cause.offset = record.offset
        self._outcomes.append(outcome)
        self._outputs.append(outcome_record(outcome))
        effective_at = outcome.effective_at or outcome.recorded_at
        lines = iter(step.lines)
        for posting in step.postings:
            self._outputs.append(posting_record(posting, effective_at, next(lines)))
        for notice in step.notices:
            self._outputs.append(notice_record(notice, next(lines)))
        # The outcome holds the same content, so the header's digest covers what goes elsewhere.
        for sent in outcome.sent:
            self._sent.append(transfer_record(sent, now))

    def _dead_letter(self, record: Record, error: Undecodable, now: int) -> None:
        """Send the outcome that points to a record that cannot be read, and the letter."""
        where = coordinates(record.topic, record.partition, record.offset)
        answer = Outcome(
            outcome=identity("dead_letter", where),
            status=Status.DEAD_LETTER,
            cause=Cause(content=raw_content(record.key, record.value, record.headers)),
            code=error.code,
            detail=error.detail,
        )
        self._add(Step(answer), record, now)
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
        self._outputs.append(dead_letter_record(letter, record.key))
