"""Catalog facts, to every partition of the commands topic: in one transaction, by one publisher.

Two publishers at once would put their facts in different orders on different partitions, so all of
them have one transactional id, and the one that started last fences the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from confluent_kafka import KafkaException, Producer, TopicPartition

from creditfold.broker.connection import Where, connection
from creditfold.broker.plan import INPUT_BYTES_MAX, count_of
from creditfold.broker.problems import (
    BrokerProblem,
    Fenced,
    error_of,
    explained,
    is_fenced,
    patiently,
)
from creditfold.broker.publisher import record_ms, written
from creditfold.contract.envelope import Envelope
from creditfold.contract.topics import CATALOG_TYPES, COMMANDS
from creditfold.log.records import Headers

CATALOG_ID: Final = "creditfold-catalog"
"""The transactional id of whoever writes catalog facts."""


_FENCED: Final = (
    "another catalog publisher or import has started since, and only one may write; nothing of "
    "this was published, so run it again when the other is done"
)


class Placed(NamedTuple):
    """A record with its place and its time in milliseconds."""

    topic: str
    partition: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class CatalogWriter:
    """Transactions under the catalog's id: whole on all partitions, or not at all."""

    def __init__(self, kafka: Where, *, compression: str = "lz4", seconds: float = 30.0) -> None:
        self._kafka = connection(kafka)
        self._seconds = seconds
        self._fenced = False
        self._at = self._kafka.bootstrap
        self._producer: Producer = self._kafka.producer(
            transactional_id=CATALOG_ID,
            transaction_timeout_ms=round(seconds * 1_000),
            compression_type=compression,
            linger_ms=5,
            message_max_bytes=INPUT_BYTES_MAX,
            queue_buffering_max_messages=100_000,
        )
        self.partitions = self.count()  # asked first: the answer to a wrong address is a sentence
        try:
            self._producer.init_transactions(seconds)
        except KafkaException as problem:
            raise self._problem("opening transactions", problem) from problem

    def count(self) -> int:
        """How many partitions all topics have, asked anew; WrongTopics where they differ."""
        return count_of(self._kafka.metadata(min(self._seconds, 10.0), self._producer), self._at)

    def write(
        self, records: Iterable[Placed], offsets: Sequence[TopicPartition] = (), group: str = ""
    ) -> None:
        """Put all records, and the offsets of a group, on the log in one transaction."""
        if self._fenced:
            raise Fenced(_FENCED)
        try:
            self._producer.begin_transaction()
            for record in records:
                self._produce(record)
            if offsets:
                with self._kafka.consumer(group) as member:
                    whose = member.consumer_group_metadata()
                    patiently(
                        lambda: self._producer.send_offsets_to_transaction(
                            list(offsets), whose, self._seconds
                        ),
                        self._seconds,
                    )
            self._commit()
        except KafkaException as problem:
            self._abort()
            raise self._problem("the transaction", problem) from problem
        except BaseException:
            self._abort()
            raise

    def _produce(self, record: Placed) -> None:
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    record.partition,
                    timestamp=record.timestamp,
                    headers=list(record.headers),
                )
            except BufferError:
                self._producer.poll(0.1)
                if time.monotonic() > deadline:
                    raise BrokerProblem(
                        f"{self._at} takes nothing for {self._seconds:.0f} s; see whether its "
                        "brokers are up, then run this again"
                    ) from None
            else:
                self._producer.poll(0)
                return

    def _commit(self) -> None:
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                self._producer.commit_transaction(max(deadline - time.monotonic(), 0.1))
            except KafkaException as problem:
                if not error_of(problem).retriable() or time.monotonic() > deadline:
                    raise
            else:
                return

    def _abort(self) -> None:
        """Leave nothing; where the abort itself fails, the broker aborts after the time-out."""
        try:
            self._producer.abort_transaction(self._seconds)
        except KafkaException:
            return

    def _problem(self, doing: str, problem: KafkaException) -> BrokerProblem:
        if is_fenced(error_of(problem)):
            self._fenced = True
            return Fenced(_FENCED)
        return explained(doing, self._at, problem)


class CatalogPublisher:
    """Publishes catalog facts to every partition under one id; a second publisher fences it."""

    def __init__(self, kafka: Where, *, compression: str = "lz4", seconds: float = 30.0) -> None:
        self._writer = CatalogWriter(kafka, compression=compression, seconds=seconds)

    def publish(self, *envelopes: Envelope) -> None:
        """Put the facts on every partition, in their order: all of them, or BrokerProblem."""
        count = self._writer.count()
        records = [
            record for envelope in envelopes for record in on_every_partition(envelope, count)
        ]
        self._writer.write(records)


def on_every_partition(envelope: Envelope, count: int) -> list[Placed]:
    """The catalog fact once for each partition, all at one time."""
    if envelope.type not in CATALOG_TYPES:
        raise BrokerProblem(f"{envelope.type} is no catalog fact; send it with Publisher")
    key, value, headers = written(envelope)
    stamp = record_ms(envelope)
    return [Placed(COMMANDS.name, p, stamp, key, value, headers) for p in range(count)]
