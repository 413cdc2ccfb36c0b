"""How to reach a cluster, and the clients that every file of this room makes the same way."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    ClusterMetadata,
)

from creditfold.broker.problems import (
    BrokerProblem,
    error_of,
    is_refused,
    is_unreachable,
    sentence,
)

PARTITIONER: Final = "murmur2_random"
"""Kafka's own: librdkafka's default sends a customer to another partition than the worker reads."""

_silent = logging.getLogger("creditfold.broker.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False

_LOGIN_SECONDS: Final = 3.0

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")


class Connection(NamedTuple):
    """Addresses (`host:port`, several by commas) and librdkafka's settings for TLS and SASL."""

    bootstrap: str
    options: Mapping[str, str] = {}

    def settings(self, **more: object) -> dict[str, Any]:
        """A client's settings; underscores in names stand for dots, callbacks keep theirs."""
        named = {
            name if name.endswith("_cb") else name.replace("_", "."): value
            for name, value in more.items()
        }
        return {
            "logger": _silent,  # what it would log, the errors we raise say in a sentence
            "socket.connection.setup.timeout.ms": 5_000,
            **self.options,
            "bootstrap.servers": self.bootstrap,
            **named,
        }

    def admin(self, **more: object) -> AdminClient:
        """A client that asks and changes what the cluster is."""
        return AdminClient(self.settings(**more))

    def producer(self, **more: object) -> Producer:
        """A producer that is acknowledged by all replicas, doubles nothing, and keeps the order."""
        return Producer(
            self.settings(partitioner=PARTITIONER, enable_idempotence=True, acks="all", **more)
        )

    def consumer(self, group: str = "creditfold-reader", **more: object) -> Consumer:
        """A reader of what is committed; it joins no group and stores no position."""
        reading: dict[str, object] = {
            "group_id": group,
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "enable_auto_offset_store": False,
            "auto_offset_reset": "error",
        }
        return Consumer(self.settings(**(reading | more)))

    def metadata(
        self, seconds: float = 10.0, client: AdminClient | Producer | Consumer | None = None
    ) -> ClusterMetadata:
        """Brokers and topics as the cluster tells them, to this client or to one of its own."""
        asking = self.admin() if client is None else client
        try:
            found: ClusterMetadata = asking.list_topics(timeout=seconds)
        except KafkaException as problem:
            error = self._refusal(error_of(problem))
            doing = "asking for the cluster's metadata"
            raise BrokerProblem(sentence(doing, self.bootstrap, error)) from problem
        return found

    def _refusal(self, error: KafkaError) -> KafkaError:
        """Why nobody answers: a client hears of a refused login beside what it calls."""
        if not is_unreachable(error) or "security.protocol" not in self.options:
            return error
        heard: list[KafkaError] = []
        client = self.admin(error_cb=heard.append)
        with suppress(KafkaException):
            client.list_topics(timeout=_LOGIN_SECONDS)
        client.poll(0.2)
        return next(filter(is_refused, heard), error)


Where: TypeAlias = Connection | str


def connection(where: Where) -> Connection:
    """A plain address is a connection without TLS and SASL."""
    return Connection(where) if isinstance(where, str) else where


def wall_ms() -> int:
    """The host's clock in milliseconds, as Kafka counts."""
    return time.time_ns() // 1_000_000
