"""What retries share: the ledger's answers, what waits unread, inputs read again, and sending.

Everything is read up to what was committed when it was asked for; only `Sender` writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # no __all__
from msgspec import Struct

from creditfold.broker.connection import Connection
from creditfold.broker.kafka_log import EARLIEST, SILENCE_SECONDS, KafkaLog, offsets, records
from creditfold.broker.plan import changelog
from creditfold.broker.positions import positions
from creditfold.broker.problems import BrokerProblem, explained, sentence
from creditfold.contract.decode import decode
from creditfold.contract.envelope import Envelope, Undecodable, read_record
from creditfold.contract.topics import LEDGER, RANK, event_type
from creditfold.log.records import Record

_GAP = 5_000
"""Two wanted offsets nearer than this are read in one go: skipping costs less than seeking."""


class Coordinates(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class Cause(Struct, frozen=True):
    """What an answer is about; the clock's have no coordinates."""

    source: str = ""
    id: str = ""
    type: str = ""
    content: str = ""
    topic: str = ""
    partition: int = 0
    offset: int = 0

    @property
    def fact(self) -> FactKey:
        """Which fact it is."""
        return self.source, self.id, self.content


class Answer(Struct, frozen=True):
    """What a retry needs of an outcome."""

    outcome: str = ""
    status: str = ""
    cause: Cause = Cause()
    customer: str = ""
    code: str = ""
    detail: str = ""
    recorded_at: str = ""
    sent: tuple[msgspec.Raw, ...] = ()


_answers = msgspec.json.Decoder(Answer)
_OUTCOME = ("ce_type", event_type("ledger.outcome").encode())


def answers(kafka: Connection, partition: int, since: int | None = None) -> Iterator[Answer]:
    """The ledger's outcomes of a partition, from an instant (microseconds) on."""
    start = first(kafka, LEDGER.name, partition, since)
    if start is not None:
        for record in KafkaLog(kafka, partition).read(LEDGER.name, start):
            if _OUTCOME in record.headers:
                yield _answers.decode(record.value or b"{}")


def first(kafka: Connection, topic: str, partition: int, since: int | None) -> int | None:
    """The first offset at or after an instant; None where there is nothing."""
    spec = EARLIEST if since is None else OffsetSpec.for_timestamp(since // 1_000)
    found = offsets(kafka, [TopicPartition(topic, partition)], spec)[topic, partition]
    return found if found >= 0 else None


FactKey: TypeAlias = tuple[str, str, str]
"""Source, id and content: the content covers whose fact it is, when it happened, and its data."""


def fact_key(envelope: Envelope) -> FactKey:
    """What the cause of every outcome of this fact says, whichever version of the fold wrote it."""
    return envelope.source, envelope.id, decode(envelope, 0).content.hex()


def folded(kafka: Connection, application: str, partitions: int) -> dict[int, dict[str, int]]:
    """The next offset to fold of each input, by partition.

    Ask before the ledger is read: what is folded in between then shows in one of the two.
    """
    found = positions(kafka, changelog(application), partitions, SILENCE_SECONDS)
    return {p: dict(found[p].next) if p in found else {} for p in range(partitions)}


def waiting(kafka: Connection, partition: int, nexts: dict[str, int]) -> set[FactKey]:
    """The partition's facts that no batch has taken yet."""
    found = set()
    for topic in RANK:
        log = KafkaLog(kafka, partition)
        for record in log.read(topic, max(nexts.get(topic, 0), log.bounds(topic)[0])):
            try:
                envelope = read_record(record.key, record.value, record.headers)
            except Undecodable:
                continue
            found.add(fact_key(envelope))
    return found


def fetch(kafka: Connection, wanted: Iterable[Coordinates]) -> dict[Coordinates, Record]:
    """The records at these coordinates; one that was deleted is left out."""
    places: dict[tuple[str, int], list[int]] = {}
    for topic, partition, offset in wanted:
        places.setdefault((topic, partition), []).append(offset)
    found: dict[Coordinates, Record] = {}
    for (topic, partition), at in places.items():
        low, end = KafkaLog(kafka, partition).bounds(topic)
        there = sorted({offset for offset in at if low <= offset < end})
        for run in _runs(there):
            chosen = set(run)
            for record in records(kafka, topic, partition, run[0], run[-1] + 1, SILENCE_SECONDS):
                if record.offset in chosen:
                    found[Coordinates(topic, partition, record.offset)] = record
    return found


def _runs(offsets_: list[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for offset in offsets_:
        if run and offset - run[-1] > _GAP:
            yield run
            run = []
        run.append(offset)
    if run:
        yield run


class Sender:
    """Sends records as they are, each acknowledged by all replicas; `flush` counts them."""

    def __init__(self, kafka: Connection) -> None:
        self._at = kafka.bootstrap
        self._producer = kafka.producer()
        self._error: KafkaError | None = None
        self.sent = 0

    def send(self, record: Record, topic: str, partition: int, key: bytes | None) -> None:
        """Put the record's value and headers on the topic; its record time is now."""
        while True:
            try:
                self._producer.produce(
                    topic,
                    record.value,
                    key,
                    partition,
                    on_delivery=self._done,
                    headers=list(record.headers),
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as problem:
                raise explained("sending again", self._at, problem) from problem
            else:
                self._producer.poll(0)
                return

    def flush(self) -> int:
        """How many are on the log; BrokerProblem where one is not, and then the rest may be."""
        left = self._producer.flush(SILENCE_SECONDS)
        if left or self._error is not None:
            why = sentence("sending again", self._at, self._error) if self._error else "no answer"
            raise BrokerProblem(
                f"{self.sent} were sent again, the others not: {why}; run the same command again, "
                "it skips those that were sent"
            )
        return self.sent

    def _done(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.sent += 1
        else:
            self._error = self._error or error
