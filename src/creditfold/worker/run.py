"""A worker process: settings, log, HTTP, start-up checks, and the engine with the fold of credit.

It ends with 0 when it was told to stop. Else it ends with 70, and the last line on stderr says why.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import structlog
from confluent_kafka import KafkaException, TopicPartition

from creditfold.broker.connection import Connection
from creditfold.broker.kafka_log import LATEST, SILENCE_SECONDS, KafkaLog, offsets
from creditfold.broker.plan import changelog, listed, partition_counts
from creditfold.broker.probes import NEWER, api_versions, too_old
from creditfold.broker.problems import BrokerProblem, explained
from creditfold.contract.topics import LEDGER, TOPICS
from creditfold.engine import app as engine
from creditfold.engine.errors import RefusedToStart
from creditfold.worker import logs
from creditfold.worker.folder import CreditFolding
from creditfold.worker.http import HttpServer, api
from creditfold.worker.settings import WorkerSettings
from creditfold.worker.vitals import Vitals

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0
_PROBE_SECONDS = 3.0


def run(settings: WorkerSettings) -> NoReturn:
    """Be a worker until told to stop."""
    logs.configure(settings.log_format, settings.log_level)
    signal.signal(signal.SIGTERM, _leave)  # while it waits for Kafka; later the loop has its own
    signal.signal(signal.SIGINT, _leave)
    folding = CreditFolding(settings.partitions, settings.dead_letters_max)
    vitals = Vitals(folding, settings.stalled_seconds)

    def attach(app: engine.EngineApp) -> None:
        check_brokers(settings)
        check_outputs(settings)
        check_state(settings)
        vitals.attach(app)

    try:
        with HttpServer(api(vitals), settings.http_host, settings.http_port) as server:
            url = settings.advertised(server.port)
            log.info("worker_starting", application=settings.application, url=url)
            # Faust's assignor tells every worker the canonical URL of each partition's owner
            engine.run(settings.engine(), folding, attach, canonical_url=url)
    except KafkaException as problem:
        refuse(str(explained("starting the worker", settings.kafka, problem)))
    except (BrokerProblem, OSError) as problem:
        refuse(f"{problem}")


def check_brokers(settings: WorkerSettings) -> None:
    """Refuse brokers that are too old; one that does not say how old it is gets a chance."""
    to = settings.connection()
    for number, broker in sorted(to.metadata().brokers.items()):
        with suppress(OSError):
            spoken = api_versions(str(broker.host), broker.port, to.options, _PROBE_SECONDS)
            if too_old(spoken):
                raise RefusedToStart(f"broker {number} runs Kafka 2 or older; {NEWER}")


def check_outputs(settings: WorkerSettings) -> None:
    """Wait for the topics that are written to; refuse another number of partitions.

    The engine looks at its inputs. An output that is missing would fail the first batch, and one
    with fewer partitions the first batch of the highest partition.
    """
    to = settings.connection()
    said: list[str] = []
    while True:
        counts = partition_counts(to.metadata(), [topic.name for topic in TOPICS])
        there = {name: count for name, count in counts.items() if count is not None}
        differing = {name: n for name, n in there.items() if n != settings.partitions}
        if differing:
            raise RefusedToStart(
                f"{listed(differing)} partitions, the settings say {settings.partitions}; all "
                "topics need the same number, since a customer is in one partition of each"
            )
        missing = [name for name in counts if name not in there]
        if not missing:
            return
        if missing != said:
            log.warning("waiting_for_topics", missing=missing)
            said = missing
        time.sleep(_PAUSE_SECONDS)


def check_state(settings: WorkerSettings) -> None:
    """Refuse a ledger without the state that it goes with: folding again would double it."""
    to, state = settings.connection(), changelog(settings.application)
    numbers = range(settings.partitions)
    asked = [TopicPartition(name, p) for name in (state, LEDGER.name) for p in numbers]
    ends = offsets(to, asked, LATEST)
    lost = [p for p in numbers if not ends[state, p] and ends[LEDGER.name, p]]
    lost = [p for p in lost if _is_lost(to, state, p)]
    if lost:
        raise RefusedToStart(
            f"{LEDGER.name} holds outcomes of the partitions {', '.join(map(str, lost))}, and "
            f"{state} has no state of them: to fold their inputs again would double them. Name "
            "the application that wrote them, or restore its changelog; to fold all anew, make "
            "all topics but the inputs anew"
        )


def _is_lost(to: Connection, state: str, partition: int) -> bool:
    """Whether the ledger has committed outcomes, and the state never had as much as an open one.

    A first batch may just now show on the ledger before it shows on the changelog: its records
    lie there all the same, so they are looked for and not what is stable.
    """
    if not any(KafkaLog(to, partition).read(LEDGER.name)):
        return False
    with to.consumer(isolation_level="read_uncommitted") as reader:
        place = TopicPartition(state, partition)
        found = reader.get_watermark_offsets(place, timeout=SILENCE_SECONDS)
    if found is None:  # the client's way to say that the time is over: nobody is accused
        return False
    return found[1] == 0


def refuse(reason: str) -> NoReturn:
    """End the process; `reason` is the last line on stderr."""
    sys.stderr.write(f"creditfold: worker stopped: {reason}\n")
    sys.exit(engine.EXIT_CRASHED)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    log.info("stopped_while_waiting", signal=number)
    sys.exit(0)
