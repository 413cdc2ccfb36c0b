"""The topics as they have to be, and what a cluster says they are.

Eight topics of the contract and the engine's changelog, all with the same number of partitions.
"""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    ResourceType,
)
from msgspec import Struct

from creditfold.broker.connection import Connection, Where, connection
from creditfold.broker.problems import WrongTopics, explained
from creditfold.contract.envelope import EVENT_BYTES_MAX
from creditfold.contract.topics import TOPICS, Direction

APPLICATION: Final = "creditfold"
INPUT_BYTES_MAX: Final = EVENT_BYTES_MAX + 128 * 1024
"""Room for an event of the greatest size with its key, its headers and the batch's frame."""

OUTPUT_BYTES_MAX: Final = 2 * 1024 * 1024
"""Above the inputs': a dead letter that does not fit would halt the worker over and over."""


class Plan(Struct, frozen=True):
    """A topic as it has to be; settings are by Kafka's names."""

    name: str
    settings: dict[str, str]


def changelog(application: str = APPLICATION) -> str:
    """The name of the engine's changelog: its state, compacted to the last value of each key."""
    return f"{application}.changelog"


def plan(application: str = APPLICATION, min_isr: int = 1) -> tuple[Plan, ...]:
    """All topics, the changelog last. Compression is the producers' affair."""
    common = {"compression.type": "producer", "min.insync.replicas": str(min_isr)}
    plans = [
        Plan(
            topic.name,
            common
            | {
                "cleanup.policy": topic.cleanup_policy,
                "retention.ms": str(topic.retention_ms),
                "retention.bytes": "-1",
                "message.timestamp.type": "CreateTime",
                "max.message.bytes": str(
                    INPUT_BYTES_MAX if topic.direction is Direction.INPUT else OUTPUT_BYTES_MAX
                ),
            },
        )
        for topic in TOPICS
    ]
    compacted = {
        "cleanup.policy": "compact",
        # the engine reads the broker's clock from the append times of its own commits
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(OUTPUT_BYTES_MAX),
    }
    return (*plans, Plan(changelog(application), common | compacted))


def partition_counts(known: ClusterMetadata, names: list[str]) -> dict[str, int | None]:
    """How many partitions each topic has; None for one that is not there."""
    return {
        name: len(known.topics[name].partitions) if name in known.topics else None for name in names
    }


def equal_count(kafka: Where, seconds: float = 10.0) -> int:
    """The number of partitions that all eight topics have; WrongTopics where they have not."""
    to = connection(kafka)
    return count_of(to.metadata(seconds), to.bootstrap)


def count_of(known: ClusterMetadata, at: str) -> int:
    """The number of partitions that all eight topics have, by this metadata."""
    counts = partition_counts(known, [topic.name for topic in TOPICS])
    missing = [name for name, count in counts.items() if count is None]
    if missing:
        raise WrongTopics(
            f"{at} lacks {', '.join(missing)}; create the topics, or correct the address"
        )
    there = {name: count for name, count in counts.items() if count is not None}
    if len(set(there.values())) > 1:
        raise WrongTopics(
            f"the topics differ in their partitions: {listed(there)}; make them anew with one "
            "number and import the history, since a customer has to be in one partition of each"
        )
    return next(iter(there.values()))


def settings_of(
    admin: AdminClient, to: Connection, names: list[str], seconds: float
) -> dict[str, dict[str, str]]:
    """The settings of the topics as the cluster has them."""
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    try:
        return {
            resource.name: {entry.name: entry.value for entry in future.result().values()}
            for resource, future in admin.describe_configs(
                resources, request_timeout=seconds
            ).items()
        }
    except KafkaException as problem:
        raise explained("reading the topics' settings", to.bootstrap, problem) from problem


def listed(counts: dict[str, int | None] | dict[str, int]) -> str:
    """The counts as a sentence lists them."""
    return ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
