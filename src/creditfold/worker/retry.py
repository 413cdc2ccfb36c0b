"""Rejected facts, and sending them again once what they lacked is there.

A rejected id is not used up, so the same bytes are sent to the partition they came from, and the
ledger then has their second answer. What has been applied since, and what waits unread already, is
left out: running a retry twice sends nothing twice. Between two retries that run at the same time
nothing stands but the fold, which answers the second as a duplicate or rejects it again.

A fact is judged by its own time and sent with a new record time, so `too_late` stays too late.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from creditfold.broker.connection import Connection, Where, connection
from creditfold.broker.plan import APPLICATION, equal_count
from creditfold.contract.decode import INPUTS
from creditfold.contract.envelope import Undecodable, read_record
from creditfold.contract.instants import parse_instant
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import topic_of
from creditfold.core.entries import Status
from creditfold.core.rejections import Code
from creditfold.log.records import Record
from creditfold.worker.resend import (
    Answer,
    Coordinates,
    FactKey,
    Sender,
    answers,
    fact_key,
    fetch,
    folded,
    waiting,
)


class Selection(Struct, frozen=True):
    """Which rejections or letters: all that is given has to fit; times are microseconds."""

    code: str | None = None
    customer: str | None = None
    since: int | None = None
    until: int | None = None

    def takes(self, code: str, recorded_at: int) -> bool:
        """Whether one with this code, recorded then, is meant."""
        return (
            (self.code is None or code == self.code)
            and (self.since is None or recorded_at >= self.since)
            and (self.until is None or recorded_at < self.until)
        )


ALL = Selection()


class Rejected(Struct, frozen=True):
    """A fact whose last answer is a rejection, and where it lies."""

    outcome: str
    code: str
    detail: str
    customer: str
    source: str
    id: str
    type: str
    content: str
    topic: str
    partition: int
    offset: int
    recorded_at: str


class Fate(StrEnum):
    """What a retry did with a rejected fact."""

    SENT = "sent"
    WAITING = "waiting"
    ID_TAKEN = "id_taken"
    GONE = "gone"


class Retry(Struct, frozen=True):
    """What a retry did, or with `dry_run` would do; `facts` says it of each."""

    dry_run: bool
    counts: dict[str, int]
    facts: tuple[tuple[Rejected, Fate], ...]


def rejected(kafka: Where, selection: Selection = ALL) -> list[Rejected]:
    """The facts that stand rejected, each once, by its last rejection.

    The ledger is read from `since` to its end, since what was applied later is not rejected any
    more. It holds as many in memory as stand rejected.
    """
    to = connection(kafka)
    count = equal_count(to)
    customer = selection.customer
    chosen = range(count) if customer is None else [partition_of(customer.encode(), count)]
    return [each for partition in chosen for each in _of_partition(to, partition, selection)]


def _of_partition(kafka: Connection, partition: int, selection: Selection) -> list[Rejected]:
    standing: dict[FactKey, Answer] = {}
    for answer in answers(kafka, partition, selection.since):
        if selection.customer is not None and answer.customer != selection.customer:
            continue
        standing.pop(answer.cause.fact, None)
        # An offer that was sent back is settled: taken now, its credit would be there twice. One
        # that could not be read, by a worker of an earlier release, was not.
        if answer.status == Status.REJECTED and not answer.sent:
            standing[answer.cause.fact] = answer
    return [
        _plain(answer)
        for answer in standing.values()
        if selection.takes(answer.code, parse_instant(answer.recorded_at))
    ]


def _plain(answer: Answer) -> Rejected:
    cause = answer.cause
    return Rejected(
        outcome=answer.outcome,
        code=answer.code,
        detail=answer.detail,
        customer=answer.customer,
        source=cause.source,
        id=cause.id,
        type=cause.type,
        content=cause.content,
        topic=cause.topic,
        partition=cause.partition,
        offset=cause.offset,
        recorded_at=answer.recorded_at,
    )


def retry(
    kafka: Where,
    selection: Selection = ALL,
    *,
    application: str = APPLICATION,
    dry_run: bool = False,
) -> Retry:
    """Send the selected rejected facts again, unchanged, in the order in which they were rejected.

    To the topic and partition they were read from; a fact of a type that another topic carries
    goes to that one.
    """
    to = connection(kafka)
    nexts = folded(to, application, equal_count(to))
    found = rejected(to, selection)
    unread = {p: waiting(to, p, nexts[p]) for p in {each.partition for each in found}}
    inputs = fetch(to, (_where(each) for each in found if each.code != Code.ID_REUSED))
    fates: list[tuple[Rejected, Fate]] = []
    sender = Sender(to)
    for each in found:
        fate = _fate(each, unread[each.partition], inputs.get(_where(each)))
        fates.append((each, fate))
        if fate is Fate.SENT and not dry_run:
            record = inputs[_where(each)]
            home = topic_of(each.type).name if each.type in INPUTS else each.topic
            sender.send(record, home, each.partition, record.key)
    sender.flush()
    counts = {fate.value: sum(each is fate for _, each in fates) for fate in Fate}
    return Retry(dry_run, counts, tuple(fates))


def _where(each: Rejected) -> Coordinates:
    return Coordinates(each.topic, each.partition, each.offset)


def _fate(each: Rejected, unread: set[FactKey], record: Record | None) -> Fate:
    if each.code == Code.ID_REUSED:
        return Fate.ID_TAKEN  # another fact was applied under its id: only a new id helps
    if (each.source, each.id, each.content) in unread:
        return Fate.WAITING
    if record is None:
        return Fate.GONE
    try:
        envelope = read_record(record.key, record.value, record.headers)
    except Undecodable:
        return Fate.GONE  # the topic was made anew: something else lies there
    same = fact_key(envelope) == (each.source, each.id, each.content)
    return Fate.SENT if same else Fate.GONE
