"""Topics are made and set right on request; partitions are never added, nothing is deleted."""

from __future__ import annotations

import time
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from creditfold.broker.connection import Connection, Where, connection
from creditfold.broker.plan import (
    APPLICATION,
    Plan,
    listed,
    partition_counts,
    plan,
    settings_of,
)
from creditfold.broker.problems import BrokerProblem, WrongTopics, error_of, explained, sentence
from creditfold.contract.partitions import PARTITIONS

REPLICATION_MAX: Final = 3


def create(
    kafka: Where,
    *,
    application: str = APPLICATION,
    partitions: int = PARTITIONS,
    replication: int | None = None,
    min_isr: int | None = None,
    seconds: float = 30.0,
) -> tuple[str, ...]:
    """Make the topics that are missing; which those were. What is there is left as it is.

    Without `replication` it is the number of brokers, at most 3; without `min_isr` it is one less,
    at least 1. Topics that are there with another number of partitions are refused before
    anything is made.
    """
    to = connection(kafka)
    admin = to.admin()
    deadline = time.monotonic() + seconds
    known = to.metadata(seconds, admin)
    copies = min(len(known.brokers), REPLICATION_MAX) if replication is None else replication
    in_sync = max(copies - 1, 1) if min_isr is None else min_isr
    _check_request(partitions, copies, in_sync)
    plans = plan(application, in_sync)
    counts = partition_counts(known, [each.name for each in plans])
    differing = {name: count for name, count in counts.items() if count not in {None, partitions}}
    if differing:
        raise WrongTopics(
            f"{listed(differing)} there already, and {partitions} were asked for; ask for as "
            "many as there are, since partitions that are added later would move customers"
        )
    missing = [each for each in plans if counts[each.name] is None]
    _make(admin, to, missing, partitions, copies, deadline)
    _wait(admin, to, [each.name for each in missing], deadline)
    return tuple(each.name for each in missing)


def repair(
    kafka: Where,
    *,
    application: str = APPLICATION,
    min_isr: int | None = None,
    seconds: float = 30.0,
) -> tuple[str, ...]:
    """Give the topics the settings that they have to have; the names of those that got some.

    `min.insync.replicas` is left as it is unless a number is given.
    """
    to = connection(kafka)
    admin = to.admin()
    plans = plan(application, min_isr or 1)
    known = to.metadata(seconds, admin)
    there = [each for each in plans if each.name in known.topics]
    actual = settings_of(admin, to, [each.name for each in there], seconds)
    resources = []
    for each in there:
        wanted = {
            name: value
            for name, value in each.settings.items()
            if actual[each.name].get(name) != value
            and (min_isr is not None or name != "min.insync.replicas")
        }
        if wanted:
            entries = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in wanted.items()
            ]
            resources.append(
                ConfigResource(ResourceType.TOPIC, each.name, incremental_configs=entries)
            )
    if resources:
        try:
            for future in admin.incremental_alter_configs(
                resources, request_timeout=seconds
            ).values():
                future.result()
        except KafkaException as problem:
            raise explained("setting the topics", to.bootstrap, problem) from problem
    return tuple(resource.name for resource in resources)


def _check_request(partitions: int, copies: int, in_sync: int) -> None:
    if partitions < 1:
        raise BrokerProblem(f"{partitions} partitions cannot be; ask for at least 1")
    if copies < 1:
        raise BrokerProblem(f"{copies} replicas cannot be; ask for at least 1")
    if not 1 <= in_sync <= copies:
        raise BrokerProblem(
            f"a minimum of {in_sync} replicas in sync does not fit {copies} replicas; nothing "
            "could ever be written, so ask for 1 to as many as there are replicas"
        )


def _make(
    admin: AdminClient,
    to: Connection,
    plans: list[Plan],
    partitions: int,
    copies: int,
    deadline: float,
) -> None:
    if not plans:
        return
    new = [
        NewTopic(
            each.name, num_partitions=partitions, replication_factor=copies, config=each.settings
        )
        for each in plans
    ]
    seconds = max(deadline - time.monotonic(), 1.0)
    for name, future in admin.create_topics(new, request_timeout=seconds).items():
        try:
            future.result()
        except KafkaException as problem:
            error = error_of(problem)
            if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else was faster
                raise BrokerProblem(sentence(f"creating {name}", to.bootstrap, error)) from problem


def _wait(admin: AdminClient, to: Connection, names: list[str], deadline: float) -> None:
    """Return when each partition of the topics has a leader."""
    while True:
        known = to.metadata(max(deadline - time.monotonic(), 1.0), admin).topics
        waiting = [
            name
            for name in names
            if name not in known or any(p.leader < 0 for p in known[name].partitions.values())
        ]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise BrokerProblem(
                f"{waiting[0]} was created and has no leader yet; look at the brokers' logs, "
                "then run this again"
            )
        time.sleep(0.1)
