"""A partition of a log on Kafka, read as the embedded log is read.

Only what is committed is read, up to the last stable offset at the time of the call. Markers of
transactions leave holes in the offsets. Kafka keeps record times in milliseconds: a record's time
is its timestamp x 1000 microseconds, and whoever writes one rounds up what is finer. So a fact has
the same record time here and in an embedded log if that is a whole number of milliseconds.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Final, Self, cast

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # no __all__

from creditfold.broker.connection import Connection, Where, connection
from creditfold.broker.plan import equal_count
from creditfold.broker.problems import BrokerProblem, explained, patiently, sentence
from creditfold.log.records import Headers, Record

EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # it has no types
LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the same
SILENCE_SECONDS: Final = 30.0
_FETCHED_KIB_MAX: Final = 8 * 1024
_CONSUMED_MAX: Final = 500
_PATIENCE: Final = 0.05  # seconds; the client waits for all that many, or so long


class KafkaLog:
    """One partition of each topic, as `audit.replay.verify` and `audit.chain.check` read it.

    `seconds` is how long the broker may be silent while there is something to read.
    """

    def __init__(
        self, kafka: Where, partition: int = 0, *, seconds: float = SILENCE_SECONDS
    ) -> None:
        self._kafka = connection(kafka)
        self._seconds = seconds
        self._asking: Consumer = self._kafka.consumer()  # connects when it is first asked
        self.partition = partition

    @functools.cached_property
    def partitions(self) -> int:
        """How many partitions each topic has; WrongTopics where they differ."""
        return equal_count(self._kafka, self._seconds)

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The topic's committed records from an offset on, up to what was stable at this call.

        An offset that is no longer there is refused: what was deleted cannot be read past.
        """
        low, end = self.bounds(topic)
        if start < low:
            raise BrokerProblem(
                f"{topic}-{self.partition} begins at {low}, and {start} was asked for; its "
                "beginning was deleted, so read the archive of it, and set retention.ms to -1"
            )
        if start >= end:
            return iter(())
        return records(self._kafka, topic, self.partition, start, end, self._seconds)

    def bounds(self, topic: str) -> tuple[int, int]:
        """The topic's first offset, and its last stable one: below it, nothing is open any more."""
        return self._bounds(self._asking, topic)

    def _bounds(self, asking: Consumer, topic: str) -> tuple[int, int]:
        place = TopicPartition(topic, self.partition)
        try:
            found = patiently(
                lambda: asking.get_watermark_offsets(place, timeout=self._seconds), self._seconds
            )
        except KafkaException as problem:
            doing = f"asking how far {topic}-{self.partition} reaches"
            raise explained(doing, self._kafka.bootstrap, problem) from problem
        if found is None:  # the client's way to say that the time is over
            raise BrokerProblem(
                f"{self._kafka.bootstrap} did not say how far {topic} reaches; see whether its "
                "brokers are up, and read again"
            )
        return found


class LiveLog(KafkaLog):
    """A partition that a worker may be writing to: see `audit.following`.

    A transaction is committed before each of its topics shows it, so a read that begins where the
    log ends waits for the transaction that is open there, if there is one, to end.
    """

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """As of any log, and what was under way at its end."""
        deadline = time.monotonic() + self._seconds
        while self.bounds(topic)[1] <= start < self._written(topic):
            if time.monotonic() > deadline:
                break
            time.sleep(_PATIENCE)
        return super().read(topic, start)

    @functools.cached_property
    def _uncommitted(self) -> Consumer:
        return self._kafka.consumer(isolation_level="read_uncommitted")

    def _written(self, topic: str) -> int:
        """The topic's end, whether stable or not."""
        return self._bounds(self._uncommitted, topic)[1]


def offsets(
    kafka: Connection,
    partitions: list[TopicPartition],
    spec: OffsetSpec,
    seconds: float = SILENCE_SECONDS,
) -> dict[tuple[str, int], int]:
    """First or last stable offsets, by topic and partition."""
    admin = kafka.admin()  # held until all is answered: an answer dies with its client

    def asked() -> dict[tuple[str, int], int]:
        answers = admin.list_offsets(
            dict.fromkeys(partitions, spec),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=seconds,
        )
        return {(p.topic, p.partition): future.result().offset for p, future in answers.items()}

    try:
        return patiently(asked, seconds)
    except KafkaException as problem:
        named = sorted({partition.topic for partition in partitions})
        doing = f"asking how far {', '.join(named)} reaches"
        raise explained(doing, kafka.bootstrap, problem) from problem


def records(
    kafka: Connection, topic: str, partition: int, start: int, end: int, seconds: float
) -> Iterator[Record]:
    """The committed records with offsets in [start, end)."""
    with _Reader(kafka, topic, partition, start, seconds) as reader:
        for message in reader.messages(end):
            yield record_of(message)


def record_of(message: Message) -> Record:
    """A message as a record of the log."""
    kind, milliseconds = message.timestamp()
    offset, partition, topic = message.offset(), message.partition(), message.topic()
    assert offset is not None
    assert partition is not None
    assert topic is not None
    # a header without a value stays None: contract.envelope knows that it may be
    headers = cast("Headers", tuple(message.headers() or ()))
    known = 0 if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds * 1_000
    return Record(topic, partition, offset, known, message.key(), message.value(), headers)


class _Reader:
    """A consumer on one partition, closed with the loop that reads it."""

    def __init__(
        self, kafka: Connection, topic: str, partition: int, start: int, seconds: float
    ) -> None:
        self._at = kafka.bootstrap
        self._name = f"{topic}-{partition}"
        self._seconds = seconds
        self._start = TopicPartition(topic, partition, start)
        self._consumer: Consumer = kafka.consumer(
            enable_partition_eof=True,
            queued_max_messages_kbytes=_FETCHED_KIB_MAX,  # a replay has eight readers open
            fetch_wait_max_ms=100,
        )

    def __enter__(self) -> Self:
        self._consumer.assign([self._start])
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def messages(self, end: int) -> Iterator[Message]:
        heard = time.monotonic()
        while True:
            fetched = self._consumer.consume(_CONSUMED_MAX, _PATIENCE)
            for message in fetched:
                offset = self._offset(message)
                if message.error() is None and offset < end:
                    yield message
                # all below `end` is stable: something at or behind it shows that it is reached
                if (offset if message.error() else offset + 1) >= end:
                    return
            if fetched:
                heard = time.monotonic()
            elif time.monotonic() - heard > self._seconds:
                raise BrokerProblem(
                    f"{self._name} gave nothing for {self._seconds:.0f} s before its end at {end}; "
                    f"see whether the brokers at {self._at} are up, and read again"
                )

    def _offset(self, message: Message) -> int:
        """Where the message is, or where the end of the partition was met."""
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.fatal() or not error.retriable():
                raise BrokerProblem(sentence(f"reading {self._name}", self._at, error))
            return -1
        offset = message.offset()
        assert offset is not None
        return offset
