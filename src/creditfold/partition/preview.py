"""What a rule would grant before it is published: the log folded in memory with the rule in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from creditfold.contract.decode import decode
from creditfold.contract.envelope import Envelope, read_event
from creditfold.contract.partitions import Home, partition_of
from creditfold.contract.topics import NOTICES, TRANSFERS, event_type
from creditfold.core.entries import Place, Status
from creditfold.core.facts import Malformed
from creditfold.core.program_facts import ProgramPublished
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import TERMS, Terms
from creditfold.core.times import rfc3339
from creditfold.log.records import Output, Record
from creditfold.partition.position import Position
from creditfold.partition.simulation import record_of
from creditfold.partition.step import Batch, Partition
from creditfold.partition.store import MemoryStore

_NO_LIMIT = 2**62
_ID = "preview"


class Grant(Struct, frozen=True):
    """A block that the rule would make; its quantity in ledger steps."""

    customer: str
    block: str
    at: int
    quantity: int
    exponent: int
    unit: str
    expires_at: int | None


class Refused(Struct, frozen=True):
    """A grant that the rule asks for and that could not be made."""

    customer: str
    block: str
    at: str
    code: str
    detail: str


class Rule:
    """The data of a `program.published` fact, read as the fold would read it."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._envelope = read_event(
            {
                "specversion": "1.0",
                "id": _ID,
                "source": _ID,
                "type": event_type("program.published"),
                "time": rfc3339(0),
                "data": data,
            }
        )
        body = decode(self._envelope, 0).body
        self.fault = Rejection(body.code, body.detail) if isinstance(body, Malformed) else None
        self._body = body

    @property
    def published(self) -> ProgramPublished:
        """What it says, where it has no fault."""
        assert isinstance(self._body, ProgramPublished)
        return self._body

    def at(self, time: int) -> Envelope:
        """The fact, as if it had been published then."""
        return replace(self._envelope, time=time, recordedtime=time)


class Preview:
    """A log of one or several partitions folded again with a rule that it does not hold.

    In each the rule is published just before its `effective_from`, or when the log begins or ends;
    what it lacks by then, such as a unit, is waited for. `refusal` says why one did not publish it.
    """

    def __init__(self, rule: Rule, partitions: int = 1) -> None:
        self._parts = [_Part(rule, Home(number, partitions)) for number in range(partitions)]

    @property
    def now(self) -> int:
        """The log's time, in microseconds."""
        return max(part.now for part in self._parts)

    @property
    def published_at(self) -> int | None:
        """From when all partitions have the rule."""
        found = [part.published_at for part in self._parts if part.published_at is not None]
        return max(found) if len(found) == len(self._parts) else None

    @property
    def refusal(self) -> Rejection | None:
        """Why the rule was not published."""
        return next((part.refusal for part in self._parts if part.refusal is not None), None)

    @property
    def grants(self) -> list[Grant]:
        """The blocks that it made, in the order of their time."""
        found = (each for part in self._parts for each in part.grants)
        return sorted(found, key=lambda each: (each.at, each.customer, each.block))

    @property
    def refused(self) -> list[Refused]:
        """The grants that it could not make, in the order of their time."""
        found = (each for part in self._parts for each in part.refused)
        return sorted(found, key=lambda each: (each.at, each.customer, each.block))

    @property
    def customers(self) -> int:
        """How many customers the log knows."""
        return sum(1 for part in self._parts for _ in part.accounts())

    def knows(self, customer: str) -> bool:
        """Whether the log has heard of the customer."""
        return any(customer in part.accounts() for part in self._parts)

    def take(self, record: Record, now: int) -> None:
        """Fold a record of its partition at the log's time, which never goes back.

        What customers told each other is not read: with the rule it may be something else.
        """
        if record.topic != TRANSFERS.name:
            self._tell(self._parts[record.partition].take(record, now), now)

    def finish(self, until: int) -> None:
        """The log ends here, and its clock goes on."""
        for part in self._parts:
            part.finish(until)

    def _tell(self, outputs: Iterable[Output], now: int) -> None:
        """Let customers hear at once what others have told them."""
        for output in outputs:
            if output.topic == TRANSFERS.name:
                assert output.key is not None, "what is told to nobody"
                home = partition_of(output.key, len(self._parts))
                told = Record(output.topic, home, 0, now, output.key, output.value, output.headers)
                self._tell(self._parts[home].take(told, now), now)


class _Part:
    """One partition of it."""

    def __init__(self, rule: Rule, home: Home) -> None:
        self._rule = rule
        self._store = MemoryStore()
        self._partition = Partition(self._store, home, Position())
        self.published_at: int | None = None
        self.refusal: Rejection | None = None
        self.grants: list[Grant] = []
        self.refused: list[Refused] = []

    @property
    def now(self) -> int:
        return self._partition.position.now

    def accounts(self) -> Iterator[str]:
        return self._store.accounts()

    def take(self, record: Record, now: int) -> tuple[Output, ...]:
        if self._untried and now >= self._date:
            self._publish(max(self.now, self._date))
        batch = self._fold([record], now)
        changed = any(each.customer is None for each in batch.outcomes)
        if self.refusal is not None and changed:
            self._publish(now)
        return batch.outputs

    def finish(self, until: int) -> None:
        if self.published_at is None:
            self._publish(max(self.now, min(until, self._date)))
        until = max(until, self.now)
        self._fold([], until)
        while (due := self._partition.next_due()) is not None and due <= until:
            self._fold([], until)

    @property
    def _date(self) -> int:
        """What falls due at its instant is the rule's, so it is published before that."""
        return max(0, self._rule.published.effective_from - 1)

    @property
    def _untried(self) -> bool:
        return self.published_at is None and self.refusal is None

    def _publish(self, at: int) -> None:
        batch = self._fold([record_of(self._rule.at(at), 0)], at, ours=True)
        answer = next(each for each in batch.outcomes if each.cause.source == _ID)
        if answer.status is Status.APPLIED:
            self.published_at, self.refusal = at, None
            self._see(batch)
        else:
            assert answer.code is not None
            self.refusal = Rejection(Code(answer.code), answer.detail or "")

    def _fold(self, records: Sequence[Record], now: int, *, ours: bool = False) -> Batch:
        batch = self._partition.refold([(record, now) for record in records], now, _NO_LIMIT)
        if self.published_at is not None and not ours:
            self._see(batch)
        return batch

    def _see(self, batch: Batch) -> None:
        program = self._rule.published.program
        for outcome in batch.outcomes:
            for entry in outcome.entries:
                if entry.from_ is not Place.ORIGIN:
                    continue
                terms: Terms = self._store.get((outcome.customer or "", TERMS, entry.block))
                by = (terms.enrolment or "").partition(":")[0]
                if by == program and terms.rolled_from is None:
                    self.grants.append(_grant(outcome.customer or "", entry.block, terms))
        for output in batch.outputs:
            if output.topic == NOTICES.name:
                notice = msgspec.json.decode(output.value or b"")
                if notice["what"] == "grant_refused" and notice["program"] == program:
                    fields = ("customer", "block", "effective_at", "code", "detail")
                    self.refused.append(Refused(*(notice[field] for field in fields)))


def _grant(customer: str, block: str, terms: Terms) -> Grant:
    return Grant(
        customer,
        block,
        terms.granted_at,
        terms.quantity,
        terms.exponent,
        terms.unit,
        terms.expires_at,
    )
