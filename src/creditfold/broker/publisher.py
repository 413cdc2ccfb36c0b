"""Facts about customers, put on their topics: each once, in order, acknowledged by all replicas."""

from __future__ import annotations

import functools
import time
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaError, KafkaException, Message

from creditfold.broker.connection import CODECS, Where, connection
from creditfold.broker.plan import INPUT_BYTES_MAX, count_of
from creditfold.broker.problems import BrokerProblem, NotDelivered, explained, sentence
from creditfold.broker.stamps import in_milliseconds
from creditfold.contract.envelope import EVENT_BYTES_MAX, Envelope, Headers, write_binary
from creditfold.contract.topics import CATALOG_TYPES, CUSTOMER_TYPES, TRANSFERS, topic_of

LOST_NAMED_MAX: Final = 1_000
"""How many facts that were not delivered are named; all of them are counted."""


def record_ms(envelope: Envelope) -> int:
    """The record's time in milliseconds: `recordedtime`, else now; what is finer is rounded up."""
    now = time.time_ns() // 1_000
    return in_milliseconds(now if envelope.recordedtime is None else envelope.recordedtime)


def written(envelope: Envelope) -> tuple[bytes | None, bytes, Headers]:
    """(key, value, headers) of the event; BrokerProblem where it is larger than an event may be."""
    key, value, headers = write_binary(envelope)
    if len(value) > EVENT_BYTES_MAX:
        raise BrokerProblem(
            f"{envelope.source} {envelope.id} has {len(value)} bytes of data; an event has at most "
            f"{EVENT_BYTES_MAX}, so leave out what no rule needs"
        )
    return key, value, headers


class Publisher:
    """Publishes customer facts in the background; `flush` says whether all are on the log.

    A customer's fact for another topic waits until those before it are on the log, so that no
    usage overtakes the customer.created that it needs. A record's time is the event's
    `recordedtime`, else now, in whole milliseconds. What waits is bounded: `publish` blocks while
    it is full, at most `seconds`, which is also how long a fact is tried. The producer repeats
    what the network loses and doubles nothing while it lives; after a crash publish the same
    events again, since duplicates are answered by their ids.
    """

    def __init__(
        self,
        kafka: Where,
        *,
        compression: str = "lz4",
        linger_ms: int = 5,
        waiting_max: int = 100_000,
        waiting_kib: int = 128 * 1024,
        seconds: float = 60.0,
    ) -> None:
        if compression not in CODECS:
            raise BrokerProblem(f"{compression} is no codec; use one of {', '.join(CODECS)}")
        to = connection(kafka)
        self._at = to.bootstrap
        self._seconds = seconds
        self._producer = to.producer(
            compression_type=compression,
            linger_ms=linger_ms,
            queue_buffering_max_messages=waiting_max,
            queue_buffering_max_kbytes=waiting_kib,
            message_timeout_ms=round(seconds * 1_000),
            message_max_bytes=INPUT_BYTES_MAX,
        )
        count_of(to.metadata(min(seconds, 10.0), self._producer), self._at)
        self.delivered = 0
        self.failed = 0
        self._lost: list[tuple[str, str]] = []
        self._why: KafkaError | None = None
        self._on_way: dict[str | None, tuple[str, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.flush()

    @property
    def waiting(self) -> int:
        """How many facts are neither delivered nor given up."""
        return len(self._producer)

    def publish(self, envelope: Envelope) -> None:
        """Take the fact for delivery; BrokerProblem where it cannot be taken."""
        _refuse_stranger(envelope)
        key, value, headers = written(envelope)
        customer, topic = envelope.subject, topic_of(envelope.type).name
        self._keep_order(customer, topic)
        done = functools.partial(self._done, (envelope.source, envelope.id), customer)
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    on_delivery=done,
                    timestamp=record_ms(envelope),
                    headers=list(headers),
                )
            except BufferError:
                self._producer.poll(0.1)
                if self.failed or time.monotonic() > deadline:
                    raise BrokerProblem(
                        f"{self._at} takes nothing: {self.failed} facts were given up, and "
                        f"{len(self._producer)} wait; see whether its brokers are up, and call "
                        "flush to know what to publish again"
                    ) from None
            except KafkaException as problem:
                raise explained(f"publishing {envelope.id}", self._at, problem) from problem
            else:
                _, ahead = self._on_way.get(customer, (topic, 0))
                self._on_way[customer] = topic, ahead + 1
                self._producer.poll(0)
                return

    def _keep_order(self, customer: str | None, topic: str) -> None:
        if self._on_way.get(customer, (topic, 0))[0] == topic:
            return
        self._producer.flush(self._seconds)
        if customer in self._on_way:
            raise BrokerProblem(
                f"{self._at} has not acknowledged what stands before it: see whether its brokers "
                "are up, and call flush to know what to publish again"
            )

    def flush(self) -> None:
        """Return when every fact is on the log; NotDelivered names those that are not.

        It takes no longer than a fact is tried. What it raised about is forgotten after it.
        """
        left = self._producer.flush(self._seconds + 5.0)
        count, lost, why = self.failed + left, tuple(self._lost), self._why
        self.failed, self._lost, self._why = 0, [], None
        if not count:
            return
        named = ", ".join(f"{source} {id_}" for source, id_ in lost[:3])
        reason = sentence("delivery", self._at, why) if why else f"{self._at} does not answer"
        raise NotDelivered(
            f"{count} facts were not delivered (first {named or 'unnamed'}): {reason}; "
            "publish the same events again, duplicates are answered",
            count,
            lost,
        )

    def _done(
        self, fact: tuple[str, str], customer: str | None, error: KafkaError | None, _: Message
    ) -> None:
        topic, waiting = self._on_way.pop(customer)
        if waiting > 1:
            self._on_way[customer] = topic, waiting - 1
        if error is None:
            self.delivered += 1
            return
        self.failed += 1
        self._why = self._why or error
        if len(self._lost) < LOST_NAMED_MAX:
            self._lost.append(fact)


def _refuse_stranger(envelope: Envelope) -> None:
    if envelope.type in CATALOG_TYPES:
        raise BrokerProblem(
            f"{envelope.type} is about no customer; send it with CatalogPublisher, which writes it "
            "to every partition"
        )
    if envelope.type in TRANSFERS.types:
        raise BrokerProblem(
            f"{envelope.type} is what partitions tell each other; send credit.transferred"
        )
    if envelope.type not in CUSTOMER_TYPES:
        raise BrokerProblem(f"no topic takes {envelope.type}; correct the type of {envelope.id}")
    if envelope.subject is None:
        raise BrokerProblem(f"{envelope.id} has no subject; set it to the customer id")
