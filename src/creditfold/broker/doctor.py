"""Why a worker would not run here: ordered checks, each with what to do about it.

It ends in time whatever the brokers do, and changes nothing but a trial topic of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    ClusterMetadata,
    ConfigResource,
    ResourceType,
)
from msgspec import Struct

from creditfold.broker.connection import Connection, Where, connection, wall_ms
from creditfold.broker.credentials import refusal, settings_fault
from creditfold.broker.describe import describe
from creditfold.broker.plan import APPLICATION
from creditfold.broker.probes import NEWER, addresses, api_versions, fault, too_old
from creditfold.broker.problems import BrokerProblem
from creditfold.broker.trial import trial

SKEW_MS_MAX: Final = 5_000
_PROBE_SECONDS: Final = 3.0
_FETCH: Final = 1
_FETCH_SINCE_4: Final = 4  # 4.0 took the versions below away


class Check(Struct, frozen=True):
    """What was looked at; `ok` is None where it cannot be known or was not looked at."""

    name: str
    ok: bool | None
    detail: str
    advice: str = ""


class Diagnosis(Struct, frozen=True):
    """All checks in their order."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong that could be looked at."""
        return all(check.ok is not False for check in self.checks)


def examine(
    kafka: Where,
    *,
    application: str = APPLICATION,
    partitions: int | None = None,
    clock: Callable[[], int] = wall_ms,
    seconds: float = 60.0,
) -> Diagnosis:
    """Look at everything, in order; what needs something that failed is not looked at.

    `clock` is this host's, in milliseconds.
    """
    doctor = _Doctor(connection(kafka), application, partitions, clock, seconds)
    return Diagnosis(tuple(doctor.checks()))


class _Doctor:
    def __init__(
        self,
        to: Connection,
        application: str,
        partitions: int | None,
        clock: Callable[[], int],
        seconds: float,
    ) -> None:
        self._to = to
        self._application = application
        self._partitions = partitions
        self._clock = clock
        self._deadline = time.monotonic() + seconds
        self._known: ClusterMetadata | None = None

    def checks(self) -> Iterator[Check]:
        for look in (self._settings, self._address, self._answers, self._advertised):
            failed = False
            for check in look():
                yield check
                failed = failed or check.ok is False
            if failed:
                return
        yield from self._version()
        yield from self._topics()
        yield from self._trial()
        yield Check(
            "disk",
            None,
            "Kafka does not tell this client how much room its disks have",
            "watch it where the brokers run: a full disk stops every writer",
        )

    def _left(self, at_most: float) -> float:
        return max(min(at_most, self._deadline - time.monotonic()), 0.5)

    def _settings(self) -> Iterator[Check]:
        try:
            count = len(addresses(self._to.bootstrap))
        except ValueError as entry:
            yield Check(
                "settings",
                False,
                f"'{entry}' is no address of a broker",
                "write host:port, several separated by commas",
            )
            return
        wrong = settings_fault(self._to.options)
        if wrong is None:
            yield Check("settings", True, f"{count} address{'es' if count > 1 else ''}")
        else:
            yield Check("settings", False, *wrong)

    def _address(self) -> Iterator[Check]:
        places = addresses(self._to.bootstrap)
        faults = {}
        for host, port in places:
            why = fault(host, port, self._left(_PROBE_SECONDS))
            if why is not None:
                faults[f"{host}:{port}"] = why
        told = "; ".join(f"{place}: {why}" for place, why in faults.items())
        if len(faults) == len(places):
            yield Check(
                "address", False, told, "start the broker, or correct the address or the firewall"
            )
        else:
            reached = len(places) - len(faults)
            yield Check("address", True, f"{reached} of {len(places)} reached; {told}".strip("; "))

    def _answers(self) -> Iterator[Check]:
        heard: list[KafkaError] = []
        client = self._to.admin(error_cb=heard.append)
        try:
            self._known = client.list_topics(timeout=self._left(10.0))
        except KafkaException as problem:
            client.poll(0.2)
            yield from refusal(self._to, [*heard, problem.args[0]], Check)
            return
        named = self._to.options.get("security.protocol", "PLAINTEXT")
        yield Check("credentials", True, f"accepted over {named}")
        brokers = len(self._known.brokers)
        yield Check("metadata", True, f"{brokers} broker{'s' if brokers > 1 else ''} answer")

    def _advertised(self) -> Iterator[Check]:
        faults, reached = [], []
        for number, host, port in self._brokers():
            why = fault(host, port, self._left(_PROBE_SECONDS))
            reached.append(f"{host}:{port}")
            if why is not None:
                faults.append(f"broker {number} advertises {host}:{port}: {why}")
        if faults:
            yield Check(
                "advertised addresses",
                False,
                "; ".join(faults),
                f"clients come in at {self._to.bootstrap} and are then sent to these: set "
                "advertised.listeners on the broker to addresses that this host reaches",
            )
        else:
            yield Check("advertised addresses", True, f"reached {', '.join(reached)}")

    def _brokers(self) -> list[tuple[int, str, int]]:
        """Number, host and port of each broker, as it is advertised."""
        assert self._known is not None
        found = [(each.id, str(each.host), each.port) for each in self._known.brokers.values()]
        return sorted(found)

    def _version(self) -> Iterator[Check]:
        old, generations = [], set()
        for number, host, port in self._brokers():
            try:
                spoken = api_versions(host, port, self._to.options, self._left(_PROBE_SECONDS))
            except OSError as error:
                yield Check("version", None, f"broker {number} does not tell: {error}")
                return
            if too_old(spoken):
                old.append(f"broker {number}")
            oldest, _ = spoken.get(_FETCH, (0, 0))
            generations.add("4" if oldest >= _FETCH_SINCE_4 else "3")
        if old:
            told = f"{', '.join(old)} run Kafka 2 or older"
            yield Check("version", False, told, NEWER)
        else:
            told = " and ".join(sorted(generations))
            yield Check("version", True, f"Kafka {told}, with the transactions that are needed")

    def _topics(self) -> Iterator[Check]:
        try:
            found = describe(
                self._to,
                application=self._application,
                partitions=self._partitions,
                seconds=self._left(10.0),
            )
        except BrokerProblem as problem:
            yield Check("topics", False, str(problem), "correct that, and examine again")
            return
        if not found.findings:
            counts = {topic.partitions for topic in found.topics}
            yield Check("topics", True, f"{len(found.topics)} with {counts.pop()} partitions each")
        for finding in found.findings:
            where = f"{finding.topic}: " if finding.topic else ""
            ok = False if finding.grave else None
            yield Check("topics", ok, f"{where}{finding.what}", finding.advice)

    def _trial(self) -> Iterator[Check]:
        brokers = len(self._brokers())
        try:
            seen = trial(self._to, brokers, self._clock, self._left(20.0))
        except BrokerProblem as problem:
            yield Check("clock", None, "not looked at: it is read from a transaction")
            yield Check("transactions", False, str(problem), self._transaction_advice(brokers))
            return
        off = f"{abs(seen.off) / 1_000:.1f} s {'ahead of' if seen.off > 0 else 'behind'} this host"
        if abs(seen.off) > SKEW_MS_MAX:
            yield Check("clock", False, f"the broker is {off}", "synchronise both clocks by NTP")
        else:
            yield Check("clock", True, f"in step within {seen.received - seen.sent} ms")
        works = seen.seen == (b"committed",)
        yield Check(
            "transactions",
            works,
            "what is committed is read, what is aborted is not"
            if works
            else f"a reader of committed records saw {seen.seen!r}",
            "" if works else "this is no Apache Kafka that money can be put on; use one that is",
        )

    def _transaction_advice(self, brokers: int) -> str:
        """What the brokers are set to, where they say it."""
        names = ("transaction.state.log.replication.factor", "transaction.state.log.min.isr")
        resource = ConfigResource(ResourceType.BROKER, str(self._brokers()[0][0]))
        try:
            answers = self._to.admin().describe_configs([resource], request_timeout=self._left(5.0))
            settings = answers[resource].result()
            told = " and ".join(f"{name}={settings[name].value}" for name in names)
        except (KafkaException, KeyError):
            told = " and ".join(names)
        return f"the cluster has {brokers} brokers and {told}: neither may be above the brokers"
