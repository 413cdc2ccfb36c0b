"""Apache Kafka from its published jars, with a local Java: one KRaft node, up in seconds.

Maven fetches the jars once into the user's cache directory; the data lives where the caller says.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

KAFKA_VERSION = "4.1.1"
_JAVA_MIN = 17
_PORTS = range(10_000, 32_768)
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>creditfold</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>{KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>2.0.17</version></dependency>
  </dependencies>
</project>
"""


class BrokerUnavailable(Exception):  # noqa: N818  # says what is the case, and is handled
    """No broker can be had this way; the message says why."""


def cache_directory() -> Path:
    """Return where jars are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "creditfold" / f"kafka-{KAFKA_VERSION}"


def jars() -> Path:
    """Return the directory of Kafka's jars, fetching them with Maven the first time."""
    cache = cache_directory()
    libs = cache / "libs"
    if (cache / "complete").exists():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable("Maven (mvn) is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    pom = cache / "pom.xml"
    pom.write_text(_POM)
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    done = subprocess.run(  # noqa: S603  # a fixed command line
        [*command, f"-DoutputDirectory={libs}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BrokerUnavailable(f"Maven could not fetch Kafka: {done.stdout[-500:]}")
    (cache / "complete").touch()
    return libs


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise BrokerUnavailable("Java is not installed")
    answer = subprocess.run(  # noqa: S603  # a fixed command line
        [java, "-version"], capture_output=True, text=True, check=False
    ).stderr
    version = answer.partition('"')[2].partition(".")[0].partition('"')[0]
    if not version.isdecimal() or int(version) < _JAVA_MIN:
        raise BrokerUnavailable(f"Java {_JAVA_MIN} or newer is needed: {answer.strip()}")
    return java


def free_port() -> int:
    """Return a TCP port that nobody has, below those that the system gives to clients.

    From among those, a client that looks for a broker that is down is at some time given the
    broker's own port, meets itself there, and the broker cannot come back.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class JarBroker:
    """One Kafka node as a child process; it can be killed and started again on its data."""

    def __init__(self, data: Path, heap: str = "512m") -> None:
        self._data = data
        self._java = _java()
        self._libs = jars()
        self._heap = heap
        self._port = free_port()
        self._controller = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Return host and port for clients."""
        return f"127.0.0.1:{self._port}"

    def start(self, seconds: float = 60.0) -> None:
        """Start the node and wait until it answers."""
        self._data.mkdir(parents=True, exist_ok=True)
        properties = self._data / "server.properties"
        if not properties.exists():
            properties.write_text(self._properties())
            # an id that begins with "-" would be taken for an option
            self._tool("kafka.tools.StorageTool", "format", "-t", "creditfoldcreditfoldcr",
                       "-c", str(properties))  # fmt: skip
        with (self._data / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # a fixed command line
                [*self._command(), "kafka.Kafka", str(properties)],
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self._wait(seconds)

    def stop(self) -> None:
        """Shut the node down in order."""
        self.signal(signal.SIGTERM)
        self._reap()

    def kill(self) -> None:
        """Kill the node as a power cut would, but for what the system had buffered."""
        self.signal(signal.SIGKILL)
        self._reap()

    def signal(self, number: int) -> None:
        """Send a signal to the node."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _reap(self) -> None:
        if self._process is not None:
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def _command(self) -> list[str]:
        return [
            self._java, f"-Xmx{self._heap}", f"-Xms{self._heap}", "-XX:+UseG1GC",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self._libs}/*",
        ]  # fmt: skip

    def _tool(self, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603  # a fixed command line
            [*self._command(), *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BrokerUnavailable(f"{arguments[0]} failed: {done.stderr[-500:]}")

    def _properties(self) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},"
            f"CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self._data / "logs",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 8,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _wait(self, seconds: float) -> None:
        # imported here: the package's other users may do without a client
        from confluent_kafka import KafkaException  # noqa: PLC0415  # start-up
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415  # start-up

        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        deadline = time.monotonic() + seconds
        while True:
            try:
                if admin.list_topics(timeout=1.0).brokers:
                    return
            except KafkaException:
                pass
            if self._process is None or self._process.poll() is not None:
                raise BrokerUnavailable(f"Kafka ended at start: see {self._data}/broker.log")
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"Kafka did not answer within {seconds:.0f} s")
            time.sleep(0.1)
