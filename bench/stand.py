"""The test stand of the worker's benches: a broker, the processes under test, what they wrote."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewTopic

import creditfold
from creditfold.broker.connection import Connection
from creditfold.broker.plan import changelog
from creditfold.broker.provide import Broker, broker
from creditfold.broker.topics import create
from creditfold.contract.topics import INPUTS, LEDGER, OUTPUTS

SOURCE = Path(creditfold.__file__).parents[1]
_CONTENDERS = Path(__file__).with_name("contenders.py")
_PATIENCE_SECONDS = 240.0


class Process:
    """A process under test; CPU and memory are read from Linux's /proc."""

    def __init__(
        self,
        name: str,
        log: Path,
        command: list[str],
        settings: dict[str, str],
        source: Path = SOURCE,
    ) -> None:
        self.name, self._log = name, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONPATH": str(source)} | settings,
            )

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1_000

    def lines(self) -> Iterator[dict]:
        for text in self._log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(text)

    def expect(self, condition: bool, what: str) -> None:
        """End the bench with the process's last words unless it runs and `condition` holds."""
        if not condition or self._process.poll() is not None:
            raise SystemExit(
                f"{self.name}: {what}\n{self._log.read_text(errors='replace')[-3000:]}"
            )

    def stop(self) -> None:
        """End in order, as an operator would."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Worker(Process):
    """`creditfold worker` with its defaults, but for a port and a state directory of its own."""

    def get(self, path: str) -> str:
        """What the worker's HTTP answers; empty while it does not or says no."""
        started = (line for line in self.lines() if line.get("event") == "worker_starting")
        url = next(started, {}).get("url")
        try:
            with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:
                return answer.read().decode()
        except (ValueError, OSError):
            return ""

    def wait_ready(self, partitions: int) -> None:
        """Wait until the worker folds so many partitions."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        owned = "creditfold_partition_records_total"
        while not self.get("/readyz") or len(self.metric(owned)) != partitions:
            self.expect(time.monotonic() < deadline, "was not ready in time")
            time.sleep(0.05)

    def metric(self, name: str) -> list[float]:
        """The values of a metric, one for each of its label sets."""
        lines = self.get("/metrics").splitlines()
        return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)]


class _Cause(msgspec.Struct):
    id: str | None = None


class Outcome(msgspec.Struct):
    """What a bench reads of an outcome."""

    cause: _Cause
    hash: str | None = None


read_outcome = msgspec.json.Decoder(Outcome).decode


class Watcher:
    """Counts the committed outcomes of facts that a contender writes from now on.

    What falls due has outcomes too, which no fact is counted for.
    """

    def __init__(self, stand: "Stand", rival: str | None = None) -> None:
        self.consumer = stand.connection.consumer("bench-watcher", fetch_wait_max_ms=50)
        topic = LEDGER.name if rival is None else f"{rival}.{LEDGER.name}"
        starts = [TopicPartition(topic, p, 0) for p in range(stand.partitions)]
        for start in starts if rival is None else ():  # a rival's topics are new
            start.offset = self.consumer.get_watermark_offsets(start, timeout=10)[1]
        self.consumer.assign(starts)
        self.outcomes = 0
        self._last: dict[bytes, bytes] = {}

    def look(self, seconds: float) -> None:
        for message in self.consumer.consume(10_000, seconds):
            if message.error() is None and message.key() is not None:  # headers have no key
                self.outcomes += read_outcome(message.value()).cause.id is not None
                self._last[message.key()] = message.value()

    def heads(self) -> dict[bytes, str | None]:
        """The head of each customer's chain: equal heads are equal outcomes."""
        return {key: read_outcome(value).hash for key, value in self._last.items()}


class Rate(NamedTuple):
    """Events a second, CPU microseconds an event and the greatest resident memory in MB."""

    events: float
    cpu: float
    peak: float


def _watch(processes: list[Process], watcher: Watcher, count: int, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while watcher.outcomes < count and time.monotonic() < ends:
        watcher.look(0.05)
        for each in processes:
            each.expect(True, "ended early")


def drain(processes: list[Process], watcher: Watcher, count: int) -> None:
    """Return once so many outcomes can be read."""
    _watch(processes, watcher, count, _PATIENCE_SECONDS)
    for each in processes:
        each.expect(watcher.outcomes >= count, f"{watcher.outcomes} of {count} outcomes")


def measure(
    processes: list[Process],
    watcher: Watcher,
    first: int,
    last: int,
    window: float = _PATIENCE_SECONDS,
) -> Rate:
    """The rate from the `first` outcome to the `last`, or to as many as `window` seconds give."""
    drain(processes, watcher, first)
    start, cpu = time.monotonic(), sum(each.cpu_seconds() for each in processes)
    begun = watcher.outcomes
    _watch(processes, watcher, last, window)
    seconds, events = time.monotonic() - start, watcher.outcomes - begun
    for each in processes:
        each.expect(events > 0, f"all {begun} outcomes came at once: give it more events")
    used = sum(each.cpu_seconds() for each in processes) - cpu
    return Rate(events / seconds, used / events * 1e6, max(each.peak_mb() for each in processes))


class Stand:
    """One broker with the contract's topics, and a directory for all else."""

    def __init__(self, found: Broker, data: Path, directory: Path, partitions: int) -> None:
        self.bootstrap, self.directory, self.partitions = found.bootstrap, directory, partitions
        self._logs = data / "logs"
        self.connection = Connection(found.bootstrap)
        self._admin = self.connection.admin()
        create(found.bootstrap, partitions=partitions)
        self.processes: list[Process] = []

    def worker(
        self,
        application: str,
        state: str = "",
        profile: Path | None = None,
        source: Path = SOURCE,
    ) -> Worker:
        """Start `creditfold worker`, by another checkout's `source` if one is given.

        With `profile` it runs under a profiler that writes there.
        """
        create(self.bootstrap, application=application, partitions=self.partitions)
        settings = {
            "KAFKA": self.bootstrap,
            "APPLICATION": application,
            "STATE_DIR": str(self.state(state or application)),
            "PARTITIONS": str(self.partitions),
            "HTTP_PORT": "0",
            "LOG_FORMAT": "json",
        }
        command = [sys.executable, "-m", "creditfold", "worker"]
        if profile is not None:
            command = [sys.executable, str(_CONTENDERS), "profiled", str(profile)]
        name = state or application
        log = self.directory / f"{name}-{len(self.processes)}.log"
        named = {f"CREDITFOLD_{key}": value for key, value in settings.items()}
        self.processes.append(worker := Worker(name, log, command, named, source))
        return worker

    def state(self, name: str) -> Path:
        """The state directory of a worker."""
        return self.directory / f"state-{name}"

    def log_bytes(self, topic: str) -> int:
        """What the topic's records take on the broker's disk, without its indexes."""
        logs = self._logs.glob(f"{topic}-*/*.log")
        return sum(each.stat().st_size for each in logs)

    def rival(self, kind: str, name: str, at: int, customers: int) -> Process:
        """Start the bare loop or the Faust idiom; its outputs go to topics of its own."""
        topics = [f"{name}.{topic.name}" for topic in OUTPUTS]
        made = self._admin.create_topics([NewTopic(each, self.partitions, 1) for each in topics])
        for future in made.values():
            future.result()
        options = {
            "bootstrap": self.bootstrap,
            "name": name,
            "partitions": self.partitions,
            "customers": customers,
            "at": at,
            "directory": str(self.directory / name),
        }
        command = [sys.executable, str(_CONTENDERS), kind, json.dumps(options)]
        self.processes.append(made := Process(name, self.directory / f"{name}.log", command, {}))
        return made

    def forget(self, kind: str, name: str, *, facts: bool = False) -> None:
        """Delete what this contender wrote, so that rounds are alike; `facts` that it read too."""
        mine = {f"{name}.{topic.name}" for topic in OUTPUTS}
        if kind == "worker":  # no worker starts on a ledger without the state that goes with it
            mine = {changelog(name), *(topic.name for topic in OUTPUTS)}
        if facts:
            mine |= {topic.name for topic in INPUTS}
        for future in self._admin.delete_topics(sorted(mine)).values():
            future.result()
        while mine & self._admin.list_topics(timeout=10).topics.keys():
            time.sleep(0.1)
        create(self.bootstrap, partitions=self.partitions)


def bytes_below(directory: Path) -> int:
    return sum(each.stat().st_size for each in directory.rglob("*") if each.is_file())


@contextlib.contextmanager
def stand(partitions: int) -> Iterator[Stand]:
    """A stand on a broker of its own from Kafka's jars; what still runs is killed at the end."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        data = directory / "kafka"
        with broker(data, "jars") as found:
            made = Stand(found, data, directory, partitions)
            try:
                yield made
            finally:
                for process in made.processes:
                    process.kill()
