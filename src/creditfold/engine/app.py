"""Assembly: a Faust app whose data path is this engine, and the process around it."""

import asyncio
import fcntl
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import faust
import structlog
from faust.worker import Worker
from mode import loop
from rocksdict import Cache

from creditfold.engine import private, transport
from creditfold.engine.changelog import ChangelogReader
from creditfold.engine.clock import Clock
from creditfold.engine.config import EngineConfig
from creditfold.engine.errors import EngineError, Fenced, RefusedToStart
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.metrics import Metrics
from creditfold.engine.ownership import Ownership
from creditfold.engine.preflight import Cluster, wait_for_cluster
from creditfold.engine.quiet import RateLimit
from creditfold.engine.reading import record
from creditfold.engine.seam import Folding
from creditfold.engine.security import aiokafka, credentials
from creditfold.engine.transaction import Transactions

log = structlog.get_logger(__name__)

EXIT_CRASHED = 70
_STUCK_SECONDS = 20.0

# With more small batches at a time each commit takes longer, and none is sooner done: who waits for
# a turn gathers records, and pays for one transaction instead of two.
_SMALL_BATCHES_AT_ONCE = 4


class Engine:
    """What the services of one worker share."""

    def __init__(self, config: EngineConfig, folding: Folding, cluster: Cluster) -> None:
        self.config = config
        self.folding = folding
        self.cluster = cluster
        self.metrics = Metrics()
        self.clock = Clock(config.clock_skew_seconds)
        self.block_cache = Cache(config.block_cache_bytes)
        self.mailboxes: dict[int, Mailbox] = {}
        self.reading = asyncio.Lock()
        self.turns = asyncio.Semaphore(_SMALL_BATCHES_AT_ONCE)
        self.feeding = asyncio.Event()
        self.assignments = 0  # goes up when an assignment ends
        self.failure: BaseException | None = None
        self.app: EngineApp
        self.credentials = credentials(config.security)
        self._kafka = aiokafka(config.brokers, self.credentials)

    @property
    def changelog_id(self) -> str:
        """Return the id of the changelog topic that local state has to follow."""
        return self.cluster.topic_ids[self.config.changelog]

    def topic(self, name: str) -> Any:
        """Return the channel by which Faust subscribes `name`; nothing travels through it."""
        return self.app.topic(name, key_type=bytes, value_type=bytes, acks=False)

    def transactions(self, partition: int) -> Transactions:
        """Return the partition's producer, not yet open."""
        return Transactions(
            self._kafka,
            self.config.transactional_id(partition),
            self.config.transaction_seconds,
            self.config.limits.record_batch_bytes,
        )

    def changelog_reader(self) -> ChangelogReader:
        """Return a reader of the changelog, not yet open."""
        return ChangelogReader(self._kafka, self.config.changelog, self.folding.due_of)

    async def fail(self, error: BaseException) -> None:
        """End the process: only the first failure counts, and stopping may not take for ever."""
        if self.failure is not None:
            return
        self.failure = error
        watchdog = threading.Timer(_STUCK_SECONDS, _give_up, [error])
        watchdog.daemon = True
        watchdog.start()
        await self.app.crash(error)


class EngineApp(faust.App):
    """Faust app that carries an engine; Faust knows its parts by class, they find it here."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        self.engine = engine
        engine.app = self
        super().__init__(engine.config.application, **options)


def build(config: EngineConfig, folding: Folding, cluster: Cluster, **options: Any) -> EngineApp:
    """Return the app; `options` are further Faust settings, such as a web server's."""
    private.check()
    private.adapt(record)
    transport.register()
    asyncio.set_event_loop(asyncio.new_event_loop())
    engine = Engine(config, folding, cluster)
    servers = config.brokers.split(",")
    session = config.session_seconds
    settings: dict[str, Any] = {
        "broker": ";".join(f"kafka://{server}" for server in servers),
        "broker_consumer": ";".join(f"{transport.SCHEME}://{server}" for server in servers),
        "broker_credentials": engine.credentials,
        "broker_session_timeout": session,
        "broker_heartbeat_interval": session / 5,
        "broker_request_timeout": max(40.0, session * 2),
        "broker_rebalance_timeout": max(30.0, session * 2),
        "datadir": str(config.state),
        "TableManager": Ownership,
        "table_standby_replicas": config.standbys,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "stream_wait_empty": False,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }
    app = EngineApp(engine, **(settings | options))
    app.finalize()
    # the assignor keeps actives and standbys apart by the changelogs of declared tables
    app.Table(
        "state", key_type=bytes, value_type=bytes, partitions=config.partitions,
        changelog_topic=engine.topic(config.changelog),
    )  # fmt: skip
    return app


def run(
    config: EngineConfig,
    folding: Folding,
    attach: Callable[[EngineApp], None] | None = None,
    **options: Any,
) -> NoReturn:
    """Be a worker until told to stop; the last line on stderr says why it ended, if it failed.

    `attach` gets the app before it starts: to add a web server or services, and to keep
    `app.engine.metrics` for whoever asks. `options` are further Faust settings.
    """
    failure: BaseException | None = None
    try:
        config.state.mkdir(parents=True, exist_ok=True)
        lock = _lock(config)
        # half the latency of asyncio's own loop at some hundred records a second
        loop.use("uvloop")
        cluster = wait_for_cluster(config)
        app = build(config, folding, cluster, **options)
        if attach is not None:
            attach(app)
        failure = _work(app)
        os.close(lock)
    except EngineError as error:
        failure = error
    if failure is None:
        sys.exit(0)
    if isinstance(failure, Fenced):
        time.sleep(config.fence_backoff_seconds)  # or two workers would fence each other in turns
    _give_up(failure)


def _work(app: EngineApp) -> BaseException | None:
    RateLimit.install("aiokafka")
    worker = Worker(app, loop=app.loop, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    _settle_interpreter()
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return app.engine.failure or (EngineError(f"exit {ended.code}") if ended.code else None)
    except Exception as error:
        return app.engine.failure or error


def _settle_interpreter() -> None:
    """Set Python up for two threads that move many short-lived objects; see `bench/engine.py`."""
    # what a batch makes has no cycles and lives until its commit; with the defaults the collector
    # walks all that waits at every 700 new objects
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # each piece of a fetch and each heartbeat is one turn of the consumer's thread, and waits for
    # the fold to give way: by default 5 ms
    sys.setswitchinterval(0.0005)


def _lock(config: EngineConfig) -> int:
    handle = os.open(config.state / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RefusedToStart(
            f"another worker uses the state directory {config.state}; each needs its own"
        ) from error
    return handle


def _give_up(error: BaseException) -> NoReturn:
    logging.shutdown()
    sys.stderr.write(f"creditfold: worker stopped: {type(error).__name__}: {error}\n")
    sys.stderr.flush()
    # no clean-up by the interpreter: what the libraries still have to say would come after
    os._exit(EXIT_CRASHED)
