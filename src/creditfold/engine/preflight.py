"""What the cluster must be like before a worker joins: reachable, all topics there, equal counts.

A worker started too early waits and says what for. A contradiction, such as another number of
partitions, is refused, because Faust would split the ownership of what belongs together.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
from creditfold.engine.security import librdkafka

log = structlog.get_logger(__name__)

_TIMEOUT = 10.0
_NO_WAITING = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL}
)
_NOT_TOLD = frozenset(
    {KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED}
)
_PATIENCE = 3.0  # so that a worker without a broker soon says what it waits for


@dataclass(frozen=True, slots=True)
class Cluster:
    """What start-up has learned."""

    topic_ids: Mapping[str, str]
    delete_retention_ms: int


def wait_for_cluster(config: EngineConfig, pause: float = 1.0) -> Cluster:
    """Return when the broker answers and the topics are as they must be."""
    heard: list[KafkaError] = []
    settings: dict[str, Any] = {"log_level": 0, "error_cb": heard.append}
    admin = AdminClient(settings | librdkafka(config.brokers, config.security))
    said: Mapping[str, object] = {}
    while True:
        try:
            missing = _missing(admin, config)
            if not missing:
                break
            waiting: dict[str, object] = {"event": "waiting for topics", "missing": missing}
        except KafkaException as error:
            admin.poll(0.1)  # what it has heard meanwhile may say that waiting is in vain
            _refuse_login(heard)
            reason = error.args[0].str()
            waiting = {"event": "waiting for the broker", "at": config.brokers, "reason": reason}
        if waiting != said:
            log.warning(**waiting)
            said = waiting
        time.sleep(pause)
    _check_timeouts(admin, config)
    _declare_changelog(admin, config)
    return Cluster(_topic_ids(admin, config), _delete_retention(admin, config.changelog))


def _refuse_login(heard: list[KafkaError]) -> None:
    """Refuse the start where waiting would not help: the brokers or their certificate said no."""
    for error in heard:
        # what the broker's side of TLS refuses comes as an error of transport
        if error.code() in _NO_WAITING or "tls alert" in error.str():
            raise RefusedToStart(
                f"the brokers refuse the login, or TLS fails: {error.str()}. Correct protocol, "
                "mechanism, user name, password and certificates."
            )


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


def _check_timeouts(admin: AdminClient, config: EngineConfig) -> None:
    """Refuse time-outs that the brokers will not grant; a member would be turned away for ever."""
    broker = next(iter(admin.list_topics(timeout=_PATIENCE).brokers))
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    try:
        told = admin.describe_configs([resource], request_timeout=_TIMEOUT)[resource].result()
    except KafkaException as error:
        if error.args[0].code() in _NOT_TOLD:
            return
        raise
    shortest, longest, batch = (
        int(told[name].value) / 1_000
        for name in (
            "group.min.session.timeout.ms",
            "group.max.session.timeout.ms",
            "transaction.max.timeout.ms",
        )
    )
    if not shortest <= config.session_seconds <= longest:
        raise RefusedToStart(
            f"the brokers allow sessions of {shortest:g} to {longest:g} s, and the setting "
            f"session_seconds is {config.session_seconds:g}; set it within"
        )
    if config.transaction_seconds > batch:
        raise RefusedToStart(
            f"the brokers allow transactions of up to {batch:g} s, and the setting "
            f"transaction_seconds is {config.transaction_seconds:g}; set it to that or less"
        )


def _declare_changelog(admin: AdminClient, config: EngineConfig) -> None:
    topic = NewTopic(
        config.changelog,
        num_partitions=config.partitions,
        replication_factor=config.replication,
        config={
            **config.changelog_settings,
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
