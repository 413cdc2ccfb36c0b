"""A broker, its topics and a worker on one machine, and the order in which they end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import IO, NoReturn, Self
from urllib.request import ProxyHandler, build_opener

from creditfold.broker.connection import connection
from creditfold.broker.history import of_envelopes
from creditfold.broker.jars import BrokerUnavailable, free_port
from creditfold.broker.provide import broker
from creditfold.broker.topics import create
from creditfold.broker.transfer import import_history
from creditfold.cli import screen
from creditfold.cli.cluster import Cluster
from creditfold.cli.errors import CommandError, Exit
from creditfold.contract.envelope import Envelope, read_event
from creditfold.contract.exact_json import dump, parse
from creditfold.worker.resend import answers, folded, waiting
from creditfold.worker.settings import WorkerSettings

READY_SECONDS = 120.0
STOP_SECONDS = 40.0
PAUSE = 0.5


def run_machine(run: Cluster, named: str | None, *, demo: bool, rows: int | None) -> None:
    """Run it all until a signal; everything that was started here has ended when this returns."""
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        try:
            _run(run, named, stack, demo=demo, rows=rows)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping is under way
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _say("stopping")
    _say("stopped")


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _run(
    run: Cluster, named: str | None, stack: ExitStack, *, demo: bool, rows: int | None
) -> None:
    place = Path(
        stack.enter_context(TemporaryDirectory(prefix="creditfold-", ignore_cleanup_errors=True))
    )
    if named is not None:
        at, source = named, "named"
    elif run.settings.security_protocol != "PLAINTEXT":
        raise CommandError("TLS or SASL is set, and no cluster: name yours by --kafka HOST:PORT")
    else:
        at, source = stack.enter_context(_broker(place))
        run.at, run.kafka = at, connection(at)
    name, count = run.settings.application, run.settings.partitions
    _say(f"broker at {at} ({source})")
    made = create(run.kafka, application=name, partitions=count)
    _say(f"{len(made)} topics made, {count} partitions each")
    done = None
    if demo:  # before the worker: history is not put under one that reads it
        done = import_history(run.kafka, of_envelopes(_facts(rows)), name="demo", application=name)
        _say(f"{done.done:,} facts of the demo are on the log")
    port = run.settings.http_port or free_port()
    worker = stack.enter_context(_Worker(at, run.settings, place / "state", port))
    worker.wait_ready()
    if done is not None:
        tally = _folded(run, worker)
        if run.json:
            screen.emit({"demo": done.done, "counts": tally})
        else:
            _show(run, tally)
    if run.json:
        screen.emit({"ready": True, "kafka": at, "source": source, "worker": worker.url})
    else:
        _show_ready(run, worker, "c-000" if demo else "CUSTOMER")
    sys.stdout.flush()
    worker.wait()


@contextmanager
def _broker(place: Path) -> Iterator[tuple[str, str]]:
    _say("looking for a broker")
    with ExitStack() as stack:
        try:
            found = stack.enter_context(broker(place / "kafka"))
        except BrokerUnavailable as reason:
            raise CommandError(
                f"no broker can be had here ({reason}): name one by --kafka HOST:PORT, or install "
                "Docker, or Java 17 and Maven",
                Exit.STORAGE,
            ) from None
        yield found.bootstrap, found.source


def _facts(rows: int | None) -> Iterator[Envelope]:
    from creditfold.demo.scenario import facts  # noqa: PLC0415  # only for the demo
    from creditfold.demo.trace import bundled  # noqa: PLC0415  # the same

    for event in facts(bundled(rows)):
        yield read_event(parse(dump(event)))


def _folded(run: Cluster, worker: _Worker) -> dict[str, int]:
    """What became of all facts, once every one has an answer."""
    name, partitions = run.settings.application, range(run.settings.partitions)
    while True:
        worker.check()
        nexts = folded(run.kafka, name, len(partitions))
        if not any(waiting(run.kafka, p, nexts[p]) for p in partitions):
            break
        time.sleep(PAUSE)
    tally: Counter[str] = Counter()
    for partition in partitions:
        for answer in answers(run.kafka, partition):
            if not answer.cause.topic:
                tally["due"] += 1
            elif answer.status == "applied" and not answer.customer:
                tally["catalog"] += 1
            else:
                tally[answer.status] += 1
    return dict(tally)


SAYS = {
    "applied": "entered the ledger",
    "duplicate": "were taken before; nothing changed",
    "rejected": "refused by the fold",
    "dead_letter": "could not be read",
    "catalog": "facts for all, once on each partition",
    "due": "clock steps: what fell due meanwhile",
}


def _show(run: Cluster, tally: dict[str, int]) -> None:
    out = screen.console()
    screen.heading(out, "Demo", f"on {run.at}, {run.settings.partitions} partitions")
    rows = [(name, tally.get(name, 0), what) for name, what in SAYS.items()]
    out.print(screen.counted("outcome", rows))


def _show_ready(run: Cluster, worker: _Worker, customer: str) -> None:
    out = screen.console()
    screen.heading(out, "Up", f"Kafka at {run.at}, a worker at {worker.url}; Ctrl-C stops it")
    screen.next_steps(
        out,
        (run.command("publish FILE"), "send facts"),
        (run.command(f"customer show {customer} --worker {worker.url}"), "ask the worker"),
        (run.command("replay --verify"), "fold all again and compare every byte"),
    )


def _say(text: str) -> None:
    sys.stderr.write(f"up     │ {text}\n")
    sys.stderr.flush()


class _Worker:
    """`creditfold worker` as a child, its lines prefixed; told to stop when this is left."""

    def __init__(self, at: str, settings: WorkerSettings, state: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        flags: dict[str, object] = {
            "kafka": at,
            "application": settings.application,
            "state-dir": state,
            "partitions": settings.partitions,
            "standbys": 0,
            "http-host": "127.0.0.1",
            "http-port": port,
            "advertised-url": self.url,
            "log-format": "console",
        }
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        self._command = [sys.executable, "-m", "creditfold", "worker", *words]
        self._last = ""

    def __enter__(self) -> Self:
        # a group of its own: Ctrl-C is ours to pass on
        self._process = subprocess.Popen(  # noqa: S603  # our own command
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._echo = threading.Thread(
            target=self._repeat, args=(self._process.stdout,), daemon=True
        )
        self._echo.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._echo.join(STOP_SECONDS)

    def _repeat(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            text = screen.clean(line.decode(errors="replace").rstrip())
            self._last = text or self._last
            sys.stderr.write(f"worker │ {text}\n")
            sys.stderr.flush()

    def wait_ready(self) -> None:
        """Return when it folds."""
        opener = build_opener(ProxyHandler({}))
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self.check()
            try:
                with opener.open(f"{self.url}/readyz", timeout=5):
                    return
            except (OSError, HTTPException):  # not listening yet, or 503
                if time.monotonic() > deadline:
                    raise CommandError(
                        f"the worker is not ready after {READY_SECONDS:.0f} s: its lines above "
                        "say why",
                        Exit.STORAGE,
                    ) from None
            time.sleep(PAUSE)

    def check(self) -> None:
        """Refuse to go on without it."""
        code = self._process.poll()
        if code is not None:
            self._echo.join(5.0)
            raise CommandError(
                f"the worker ended with code {code} ({self._last}): correct that, and run this "
                "again",
                Exit.STORAGE,
            )

    def wait(self) -> None:
        """Until it ends, which it should not."""
        while True:
            self.check()
            time.sleep(PAUSE)
