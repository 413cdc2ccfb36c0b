"""A worker process: settings, log, HTTP, start-up checks, and the engine with the fold of credit.

It ends with 0 when it was told to stop. Else it ends with 70, and the last line on stderr says why.
"""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import NoReturn

import structlog
from confluent_kafka import KafkaException

from creditfold.broker.connection import connection
from creditfold.broker.plan import listed, partition_counts
from creditfold.broker.problems import BrokerProblem, explained
from creditfold.contract.topics import TOPICS
from creditfold.engine import app as engine
from creditfold.engine.errors import RefusedToStart
from creditfold.worker import logs
from creditfold.worker.folder import CreditFolding
from creditfold.worker.http import HttpServer, api
from creditfold.worker.settings import WorkerSettings
from creditfold.worker.vitals import Vitals

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0


def run(settings: WorkerSettings) -> NoReturn:
    """Be a worker until told to stop."""
    logs.configure(settings.log_format, settings.log_level)
    signal.signal(signal.SIGTERM, _leave)  # while it waits for Kafka; later the loop has its own
    signal.signal(signal.SIGINT, _leave)
    folding = CreditFolding(settings.dead_letters_max, settings.partitions)
    vitals = Vitals(folding, settings.stalled_seconds)

    def attach(app: engine.EngineApp) -> None:
        check_outputs(settings)
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


def check_outputs(settings: WorkerSettings) -> None:
    """Wait for the topics that are written to; refuse another number of partitions.

    The engine looks at its inputs. An output that is missing would fail the first batch, and one
    with fewer partitions the first batch of the highest partition.
    """
    to = connection(settings.kafka)
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


def refuse(reason: str) -> NoReturn:
    """End the process; `reason` is the last line on stderr."""
    sys.stderr.write(f"creditfold: worker stopped: {reason}\n")
    sys.exit(engine.EXIT_CRASHED)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    log.info("stopped_while_waiting", signal=number)
    sys.exit(0)
