"""A trial of transactions and of the clock, on a topic of its own that is gone afterwards.

Business topics keep their records for ever, so nothing is tried on them. The trial topic stamps
records with the broker's clock, which is how that is read; the transactional id is a fixed one, so
that trials leave a single entry in the broker's memory of transactions.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    NewTopic,
)
from msgspec import Struct

from creditfold.broker.connection import Connection
from creditfold.broker.kafka_log import LATEST, offsets, records
from creditfold.broker.problems import BrokerProblem, explained

TRIAL_ID: Final = "creditfold-doctor"


class Trial(Struct, frozen=True):
    """What was seen, in milliseconds: a committed record was sent, appended and acknowledged."""

    sent: int
    appended: int
    received: int
    seen: tuple[bytes, ...]

    @property
    def off(self) -> int:
        """How far the broker's clock is ahead of this host's for certain; 0 where it may agree."""
        if self.appended < self.sent:
            return self.appended - self.sent
        return max(self.appended - self.received, 0)


def trial(to: Connection, brokers: int, clock: Callable[[], int], seconds: float) -> Trial:
    """Abort one record and commit another; `seen` must be the committed one alone."""
    deadline = time.monotonic() + seconds
    with _topic(to, brokers, seconds) as topic:
        producer = to.producer(
            transactional_id=TRIAL_ID,
            transaction_timeout_ms=round(seconds * 1_000),
            message_timeout_ms=round(seconds * 1_000),
            linger_ms=0,
        )
        try:
            producer.init_transactions(seconds)
            _transaction(producer, topic, b"aborted", clock, deadline, commit=False)
            sent, appended, received = _transaction(
                producer, topic, b"committed", clock, deadline, commit=True
            )
        except KafkaException as problem:
            raise explained("a transaction", to.bootstrap, problem) from problem
        left = max(deadline - time.monotonic(), 1.0)
        end = offsets(to, [_first(topic)], LATEST, left)[topic, 0]
        seen = tuple(record.value or b"" for record in records(to, topic, 0, 0, end, left))
    return Trial(sent, appended, received, seen)


def _transaction(
    producer: Producer,
    topic: str,
    value: bytes,
    clock: Callable[[], int],
    deadline: float,
    *,
    commit: bool,
) -> tuple[int, int, int]:
    stamps: list[tuple[int, int]] = []

    def done(error: KafkaError | None, message: Message) -> None:
        if error is None:
            stamps.append((message.timestamp()[1], clock()))

    producer.begin_transaction()
    sent = clock()
    producer.produce(topic, value, partition=0, on_delivery=done)
    while not stamps and time.monotonic() < deadline:
        producer.poll(0.05)
    left = max(deadline - time.monotonic(), 1.0)
    if commit:
        producer.commit_transaction(left)
    else:
        producer.abort_transaction(left)
    if not stamps:
        raise BrokerProblem("the trial record was not acknowledged; look at the brokers' logs")
    appended, received = stamps[0]
    return sent, appended, received


@contextlib.contextmanager
def _topic(to: Connection, brokers: int, seconds: float) -> Iterator[str]:
    name = f"creditfold-doctor-{os.getpid()}-{time.time_ns()}"
    admin: AdminClient = to.admin()
    new = NewTopic(
        name,
        num_partitions=1,
        replication_factor=min(brokers, 3),
        config={"message.timestamp.type": "LogAppendTime", "retention.ms": "3600000"},
    )
    try:
        admin.create_topics([new], request_timeout=seconds)[name].result()
    except KafkaException as problem:
        raise explained("creating a trial topic", to.bootstrap, problem) from problem
    try:
        yield name
    finally:
        with contextlib.suppress(KafkaException):  # it deletes its own records in an hour
            admin.delete_topics([name], request_timeout=seconds)[name].result()


def _first(topic: str) -> TopicPartition:
    return TopicPartition(topic, 0)
