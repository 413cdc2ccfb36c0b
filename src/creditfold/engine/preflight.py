"""What the cluster must be like before a worker joins: reachable, all topics there, equal counts.

A worker started too early waits and says what for. A contradiction, such as another number of
partitions, is refused, because Faust would split the ownership of what belongs together.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from creditfold.engine.config import EngineConfig
from creditfold.engine.errors import RefusedToStart

log = structlog.get_logger(__name__)

_TIMEOUT = 10.0
_PATIENCE = 3.0  # so that a worker without a broker soon says what it waits for


@dataclass(frozen=True, slots=True)
class Cluster:
    """What start-up has learned."""

    topic_ids: Mapping[str, str]
    delete_retention_ms: int


def wait_for_cluster(config: EngineConfig, pause: float = 1.0) -> Cluster:
    """Return when the broker answers and the topics are as they must be."""
    admin = AdminClient({"bootstrap.servers": config.brokers, "log_level": 0})
    said = ""
    while True:
        try:
            missing = _missing(admin, config)
            if not missing:
                break
            waiting = f"waiting for topics: {', '.join(missing)}"
        except KafkaException as error:
            waiting = f"waiting for the broker at {config.brokers}: {error.args[0].str()}"
        if waiting != said:
            log.warning(waiting)
            said = waiting
        time.sleep(pause)
    _declare_changelog(admin, config)
    return Cluster(_topic_ids(admin, config), _delete_retention(admin, config.changelog))


def _missing(admin: AdminClient, config: EngineConfig) -> list[str]:
    topics = admin.list_topics(timeout=_PATIENCE).topics
    for name in (*config.inputs, config.changelog):
        count = len(topics[name].partitions) if name in topics else None
        if count is not None and count != config.partitions:
            raise RefusedToStart(
                f"topic {name} has {count} partitions, the application {config.partitions}; "
                "inputs and changelog need the same number"
            )
    return [name for name in config.inputs if name not in topics]


def _declare_changelog(admin: AdminClient, config: EngineConfig) -> None:
    topic = NewTopic(
        config.changelog,
        num_partitions=config.partitions,
        replication_factor=config.replication,
        config={
            "cleanup.policy": "compact",
            # the broker's clock is read from the append times of our own commits
            "message.timestamp.type": "LogAppendTime",
        },
    )
    try:
        admin.create_topics([topic], request_timeout=_TIMEOUT)[config.changelog].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    else:
        log.info("changelog created", topic=config.changelog, partitions=config.partitions)


def _topic_ids(admin: AdminClient, config: EngineConfig) -> dict[str, str]:
    names = [*config.inputs, config.changelog]
    deadline = time.monotonic() + _TIMEOUT
    while True:
        described = admin.describe_topics(TopicCollection(names), request_timeout=_TIMEOUT)
        try:
            return {name: str(future.result().topic_id) for name, future in described.items()}
        except KafkaException:  # a topic that was just created is not known everywhere at once
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _delete_retention(admin: AdminClient, topic: str) -> int:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found = admin.describe_configs([resource], request_timeout=_TIMEOUT)[resource].result()
    return int(found["delete.retention.ms"].value)
