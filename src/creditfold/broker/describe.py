"""What the topics are, against what they have to be; each finding says what to do."""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    ClusterMetadata,
)
from msgspec import Struct

from creditfold.broker.connection import Connection, Where, connection
from creditfold.broker.kafka_log import EARLIEST, LATEST, offsets, records
from creditfold.broker.plan import (
    APPLICATION,
    changelog,
    listed,
    partition_counts,
    plan,
    settings_of,
)
from creditfold.broker.positions import positions
from creditfold.broker.problems import explained
from creditfold.broker.settings import Finding, settings_findings
from creditfold.contract.topics import INPUTS


class TopicState(Struct, frozen=True):
    """A topic as it is; no partitions where it is missing."""

    name: str
    partitions: int
    replication: int
    topic_id: str
    settings: dict[str, str]


class Description(Struct, frozen=True):
    """All topics, and what is wrong with them."""

    topics: tuple[TopicState, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a worker may run."""
        return not any(finding.grave for finding in self.findings)


def describe(
    kafka: Where,
    *,
    application: str = APPLICATION,
    partitions: int | None = None,
    seconds: float = 15.0,
) -> Description:
    """Compare what is with what should be, and change nothing.

    Without `partitions` the counts only have to be equal.
    """
    to = connection(kafka)
    admin = to.admin()
    plans = plan(application)
    names = [each.name for each in plans]
    known = to.metadata(seconds, admin)
    counts = partition_counts(known, names)
    there = [name for name, count in counts.items() if count is not None]
    ids = _topic_ids(admin, to, there, seconds)
    settings = settings_of(admin, to, there, seconds)
    states = tuple(_state(known, name, ids.get(name, ""), settings.get(name, {})) for name in names)
    findings = [
        *_missing(counts, changelog(application)),
        *_counts({name: counts[name] or 0 for name in there}, partitions),
        *settings_findings([each for each in plans if each.name in settings], settings),
        *_beginnings(to, {name: counts[name] or 0 for name in there}, application, seconds),
        *_made_anew(to, counts, ids, application, seconds),
    ]
    return Description(states, tuple(findings))


def _state(known: ClusterMetadata, name: str, id_: str, settings: dict[str, str]) -> TopicState:
    if name not in known.topics:
        return TopicState(name, 0, 0, "", {})
    found = known.topics[name].partitions
    copies = min((len(each.replicas) for each in found.values()), default=0)
    return TopicState(name, len(found), copies, id_, settings)


def _missing(counts: dict[str, int | None], changelog_name: str) -> list[Finding]:
    return [
        Finding(
            name,
            "the topic is missing",
            "a worker makes it when it starts; or create the topics"
            if name == changelog_name
            else "create the topics",
            grave=name != changelog_name,
        )
        for name, count in counts.items()
        if count is None
    ]


_MOVES = (
    "adding partitions is no repair: customers would move to others than their history is in; "
    "make the topics anew with one number and import the history"
)


def _counts(counts: dict[str, int], wanted: int | None) -> list[Finding]:
    findings = []
    if len(set(counts.values())) > 1:
        findings.append(
            Finding("", f"the topics differ in their partitions: {listed(counts)}", _MOVES)
        )
    if wanted is not None:
        findings += [
            Finding(
                name,
                f"it has {count} partitions, and {wanted} are configured",
                f"configure {count} if all topics have as many; {_MOVES}",
            )
            for name, count in counts.items()
            if count != wanted
        ]
    return findings


def _beginnings(
    to: Connection, counts: dict[str, int], application: str, seconds: float
) -> list[Finding]:
    """Topics that should keep everything and no longer hold their first record."""
    asked = [
        TopicPartition(name, partition)
        for name, count in counts.items()
        if name != changelog(application)
        for partition in range(count)
    ]
    if not asked:
        return []
    lost: dict[str, list[int]] = {}
    for (name, partition), low in offsets(to, asked, EARLIEST, seconds).items():
        if low > 0:
            lost.setdefault(name, []).append(partition)
    return [
        Finding(
            name,
            f"partitions {', '.join(map(str, sorted(gone)))} no longer hold their first records",
            "a replay from the beginning needs the archive; see that retention is -1",
            grave=False,
        )
        for name, gone in sorted(lost.items())
    ]


def _made_anew(
    to: Connection,
    counts: dict[str, int | None],
    ids: dict[str, str],
    application: str,
    seconds: float,
) -> list[Finding]:
    """Topics whose id is not the one that the workers' positions are about."""
    name = changelog(application)
    count = counts[name]
    if count is None:
        return []
    known: dict[str, set[str]] = {}
    for position in positions(to, name, count, seconds).values():
        for topic, id_ in position.ids.items():
            known.setdefault(topic, set()).add(id_)
    return [
        Finding(
            topic,
            "it was deleted and made anew since the workers read it",
            "they read it from its start; if that was no intention, bring the old records back "
            "before a worker runs, and clear the outputs and the changelog with them",
        )
        for topic, seen in sorted(known.items())
        if topic in ids and ids[topic] not in seen
    ]


def _topic_ids(
    admin: AdminClient, to: Connection, names: list[str], seconds: float
) -> dict[str, str]:
    if not names:
        return {}
    try:
        answers = admin.describe_topics(TopicCollection(names), request_timeout=seconds)
        return {name: str(future.result().topic_id) for name, future in answers.items()}
    except KafkaException as problem:
        raise explained("describing the topics", to.bootstrap, problem) from problem


def in_use(kafka: Connection, count: int, seconds: float) -> list[str]:
    """The input topics that hold, or held, any committed record."""
    asked = [TopicPartition(topic.name, p) for topic in INPUTS for p in range(count)]
    lows = offsets(kafka, asked, EARLIEST, seconds)
    used = set()
    for place, end in offsets(kafka, asked, LATEST, seconds).items():
        # an end above 0 may be that of aborted records
        if end > 0 and (lows[place] > 0 or any(records(kafka, *place, 0, end, seconds))):
            used.add(place[0])
    return sorted(used)
