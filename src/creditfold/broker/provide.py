"""Where a broker comes from, in this order: a named one, Docker, Kafka's jars, none."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from creditfold.broker.jars import BrokerUnavailable, JarBroker

VARIABLE = "CREDITFOLD_KAFKA"
_IMAGE = "confluentinc/cp-kafka:8.1.0"


class Broker(NamedTuple):
    """A running broker; `node` is there if it is ours to kill and restart."""

    bootstrap: str
    source: str
    node: JarBroker | None = None


@contextlib.contextmanager
def broker(data: Path, only: str | None = None) -> Iterator[Broker]:
    """Yield a broker and stop it afterwards if it was started here.

    `only` names one source (`named`, `docker`, `jars`). Raises `BrokerUnavailable` with the reason
    of each source that was tried.
    """
    reasons = []
    for source, provider in (("named", _named), ("docker", _docker), ("jars", _jars)):
        if only not in {None, source}:
            continue
        with contextlib.ExitStack() as stack:
            try:
                found = stack.enter_context(provider(data))
            except BrokerUnavailable as reason:
                reasons.append(f"{source}: {reason}")
                continue
            yield found
            return
    raise BrokerUnavailable("; ".join(reasons))


@contextlib.contextmanager
def _named(data: Path) -> Iterator[Broker]:  # noqa: ARG001  # one signature for all providers
    address = os.environ.get(VARIABLE)
    if not address:
        raise BrokerUnavailable(f"{VARIABLE} is not set")
    yield Broker(address, f"{VARIABLE}={address}")


@contextlib.contextmanager
def _docker(data: Path) -> Iterator[Broker]:  # noqa: ARG001  # the same
    container: Any
    try:
        from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415  # optional

        container = (
            KafkaContainer(_IMAGE)
            .with_kraft()
            # transactions need these two on a single node; without them initialising times out
            .with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
            .with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        )
        container.start()
    except Exception as error:  # whatever Docker lacks, the next source may have
        raise BrokerUnavailable(
            str(error).splitlines()[0] if str(error) else repr(error)
        ) from error
    try:
        yield Broker(container.get_bootstrap_server(), f"Docker, {_IMAGE}")
    finally:
        container.stop()


@contextlib.contextmanager
def _jars(data: Path) -> Iterator[Broker]:
    node = JarBroker(data)
    node.start()
    try:
        yield Broker(node.bootstrap, "Apache Kafka from its jars", node)
    finally:
        node.stop()
