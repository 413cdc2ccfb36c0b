"""What a log on Kafka must show after whatever happened to it. Imports nothing of creditfold.

Each input record has exactly one outcome, and the one that is due to it; the ranges of the batch
headers join and hold as many records as they say; and an independent recount of the facts, in the
order in which they were answered, gives the balances that the workers tell and the revenue that
was posted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from recount import Recount, stated

INPUTS = [f"creditfold.{name}.v1" for name in ("commands", "transfers", "invoices", "usage")]
LEDGER = "creditfold.ledger.v1"
TOLD = ["creditfold.revenue.v1", "creditfold.notices.v1"]
_SNAPSHOT = "creditfold.balance.snapshot.v1"
_SHOWN_MAX = 5

Row = dict[str, Any]
Place = tuple[str, int]


class Record(NamedTuple):
    """A committed record of a partition."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


@dataclass
class Verdict:
    """Counts; all but the first three have to be 0."""

    facts: int = 0
    duplicates: int = 0
    outcomes: int = 0
    lost: int = 0  # facts that were acknowledged and are on no input topic
    missing: int = 0  # input records without an outcome
    doubled: int = 0  # outcomes of input records that have one already, or that are not there
    gaps: int = 0  # headers whose ranges do not join, or do not hold what they say
    unexpected: int = 0  # outcomes with another status than the fact deserves
    differing: int = 0  # customers of whom the recount comes to something else
    examples: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, int]:
        """What is not as it has to be."""
        counts = asdict(self)
        right = {"facts", "duplicates", "outcomes", "examples"}
        return {name: n for name, n in counts.items() if name not in right and n}

    def fault(self, name: str, example: object) -> None:
        """Count a fault; the first few are kept as they are."""
        setattr(self, name, getattr(self, name) + 1)
        if len(self.examples) < _SHOWN_MAX:
            self.examples.append(f"{name}: {example}")


class Judge:
    """Reads one partition after another, then compares all customers."""

    def __init__(self, strangers: set[str]) -> None:
        self.verdict = Verdict()
        self.told: list[Row] = []  # postings and notices
        self._strangers = strangers
        self._recount = Recount()
        self._applied: dict[tuple[str, str], bool] = {}

    def partition(
        self, inputs: Iterable[Record], ledger: Iterable[Record], told: Iterable[Record]
    ) -> None:
        """Take in all of a partition."""
        waiting = {(each.topic, each.offset): event_of(each) for each in inputs}
        partition = _Partition(self.verdict, waiting)
        for event, outcome in partition.answers(ledger):
            self.answered(event, outcome)
            self._judge(event, outcome)
        for place in waiting.keys() - partition.answered:
            self.verdict.fault("missing", place)
        self.told += map(event_of, told)

    def answered(self, event: Row, outcome: Row) -> None:
        """Count what a fact does, in the order of the answers."""
        try:
            self._recount.read(event)
        except KeyError as unknown:
            self.verdict.fault("missing", f"{event['id']} stands on {unknown}, never answered")

    def _judge(self, event: Row, outcome: Row) -> None:
        customer, meter = event.get("subject"), event["data"].get("meter")
        fact = (customer or "", event["id"])
        applied = self._applied.get(fact)
        self.verdict.facts += applied is None
        status = outcome["status"]
        self._applied[fact] = bool(applied) or status == "applied"
        deserved = "applied"
        if customer in self._strangers or (customer and meter in self._strangers):
            deserved = "rejected"
        elif applied and customer:  # each partition has its own copy of the catalog
            deserved = "duplicate"
            self.verdict.duplicates += 1
        elif self.may_refuse(event, outcome):
            deserved = status
        if status != deserved:
            why = f"{status} {outcome.get('code', '')} {outcome.get('detail', '')}".rstrip()
            self.verdict.fault(
                "unexpected", f"{event['type']} {event['id']} of {customer}: {why}, not {deserved}"
            )

    def may_refuse(self, event: Row, outcome: Row) -> bool:
        """Whether a refusal depends on what else has happened; of this traffic's facts, none."""
        return False

    def sent(self, facts: Iterable[tuple[str, str]]) -> None:
        """Compare what was acknowledged with what was found."""
        for fact in facts:
            if fact not in self._applied:
                self.verdict.fault("lost", fact)

    def customers(self, snapshots: Mapping[str, Row], now: datetime) -> None:
        """Compare each customer as of an instant."""
        self._recount.now = now
        told = [
            {"type": _SNAPSHOT, "subject": who, "data": data} for who, data in snapshots.items()
        ]
        theirs = {row["customer"]: row for row in stated([*self.told, *told])}
        mine = {who: self._recount.row(who) for who in self._recount.customers}
        for who in mine.keys() | theirs.keys():
            if mine.get(who) != theirs.get(who):
                self.verdict.fault("differing", (mine.get(who), theirs.get(who)))


class _Partition:
    """Follows the headers of a partition's ledger."""

    def __init__(self, verdict: Verdict, inputs: Mapping[Place, Row]) -> None:
        self.answered: set[Place] = set()
        self._verdict = verdict
        self._inputs = inputs
        self._ends: dict[str, int] = defaultdict(int)
        self._open: set[Place] = set()

    def answers(self, ledger: Iterable[Record]) -> Iterator[tuple[Row, Row]]:
        for record in ledger:
            data = json.loads(record.value or b"")
            if "batch" in data:
                self._close()
                self._header(data)
                continue
            self._verdict.outcomes += 1
            cause = data["cause"]
            if "topic" not in cause:
                continue  # the clock has no record
            place = cause["topic"], cause["offset"]
            if place in self.answered or place not in self._inputs:
                self._verdict.fault("doubled", place)
                continue
            if place not in self._open:
                self._verdict.fault("gaps", f"{place} is answered outside of its batch")
            self._open.discard(place)
            self.answered.add(place)
            yield self._inputs[place], data
        self._close()

    def _header(self, data: Row) -> None:
        for topic, start, end, count in data["in"]:
            if start != self._ends[topic]:
                self._verdict.fault("gaps", f"{topic} {self._ends[topic]} → {start}")
            self._ends[topic] = end
            held = {(topic, at) for at in range(start, end) if (topic, at) in self._inputs}
            if len(held) != count:
                self._verdict.fault("gaps", f"{topic} [{start}, {end}) holds {len(held)}")
            self._open |= held

    def _close(self) -> None:
        """Every record of a batch is answered in it."""
        for place in self._open - self.answered:
            self._verdict.fault("gaps", f"{place} is not answered in its batch")
        self._open.clear()


def event_of(record: Record) -> Row:
    """The record as a CloudEvent."""
    told = {name.removeprefix("ce_"): value.decode() for name, value in record.headers.items()}
    return told | {"data": json.loads(record.value or b"")}


def utc(microseconds: int) -> datetime:
    """The instant as the recount counts time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
