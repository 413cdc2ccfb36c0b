"""Brokers that no worker can run on: one that is too old, and one whose disk is full."""

import os
import shutil
import subprocess
import time
from contextlib import suppress

import pytest
from worker_rig import CRASHED, PARTITIONS, SECOND, WorkerRig, names, until

from creditfold.audit import replay
from creditfold.broker.doctor import examine
from creditfold.broker.jars import BrokerUnavailable, JarBroker, cache_directory
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.problems import BrokerProblem
from creditfold.broker.publisher import Publisher

pytestmark = [pytest.mark.broker, pytest.mark.campaign]

OLD = "2.8.2"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>creditfold</groupId><artifactId>old-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{OLD}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class OldBroker(JarBroker):
    """Apache Kafka 2.8, the last before 3: its first KRaft nodes start like today's."""

    def __init__(self, data):
        super().__init__(data)
        home = cache_directory().with_name(f"kafka-{OLD}")
        self._libs = home / "libs"
        if not (home / "complete").exists():
            home.mkdir(parents=True, exist_ok=True)
            (home / "pom.xml").write_text(_POM)
            words = ["mvn", "-q", "-B", "-f", str(home / "pom.xml"), "dependency:copy-dependencies"]
            subprocess.run([*words, f"-DoutputDirectory={self._libs}"], check=True, timeout=300)
            (home / "complete").touch()

    def _properties(self):
        return super()._properties() + "inter.broker.listener.name=PLAINTEXT\n"


def started(make, data):
    """The broker, running; without Java or Maven this is skipped here and fails in CI."""
    try:
        node = make(data)
        node.start()
    except (BrokerUnavailable, OSError, subprocess.SubprocessError) as reason:
        if os.environ.get("CI"):
            pytest.fail(f"NO SUCH BROKER: {reason}")
        pytest.skip(f"NO SUCH BROKER: {reason}")
    return node


def test_a_broker_that_is_too_old_is_refused_by_the_doctor_and_by_a_worker(tmp_path):
    node = started(OldBroker, tmp_path / "old")
    try:
        rig = WorkerRig(node.bootstrap, tmp_path, "creditfold").make_topics()
        found = {check.name: check for check in examine(node.bootstrap).checks}
        assert "broker 1 run Kafka 2 or older" == found["version"].detail
        assert "use Kafka 3.0 or newer, better 4" == found["version"].advice
        worker = rig.worker().start()
        assert CRASHED == worker.process.wait(60)
        assert (
            "creditfold: worker stopped: RefusedToStart: broker 1 runs Kafka 2 or older; use "
            "Kafka 3.0 or newer, better 4"
        ) == worker.last_line
    finally:
        node.kill()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 96 MiB, of its own file system; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_broker_whose_disk_is_full_stops_everybody_and_loses_nothing(small_disk, tmp_path):
    """Kafka ends when it cannot write; with room again, all that was acknowledged is there."""
    node = started(JarBroker, small_disk / "kafka")
    rig = WorkerRig(node.bootstrap, tmp_path, "creditfold").make_topics()
    now = time.time_ns() // 1_000
    try:
        (name,) = names(1, 1)
        rig.send(rig.catalog(now - 60 * SECOND) + rig.customer(name, now - 50 * SECOND, usages=0))
        worker = rig.worker().start().wait_ready()
        publisher = Publisher(node.bootstrap, compression="none", seconds=15.0)
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 4_000_000))
        sent, told = 0, ""
        while not told:
            usage = rig.usage(name, 1, now, f"u-{sent}")
            usage.data["properties"] = {"note": f"{sent:0200}"}
            try:
                publisher.publish(usage)
                if sent % 200 == 199:
                    publisher.flush()
            except BrokerProblem as problem:
                told = str(problem)
            sent += 1
            assert sent < 100_000, "the disk does not fill"
        acknowledged = publisher.delivered
        assert "publish the same events again" in told or "takes nothing" in told, told
        until(lambda: not worker.running, worker.tail, 120)
        assert CRASHED == worker.process.returncode
        assert worker.last_line.startswith("creditfold: worker stopped: ")
        node.kill()
        ballast.unlink()
        node.start()
        worker.start().wait_ready()
        lying = sum(1 for _ in KafkaLog(node.bootstrap, 1).read("creditfold.usage.v1"))
        assert lying >= acknowledged > 0
        rig.wait_for_outcomes(3 * PARTITIONS + 5 + lying, 120)
        assert 3 * PARTITIONS + 5 + lying == sum("topic" in o["cause"] for o in rig.ledger())
        assert worker.terminate() == 0
        for partition in range(PARTITIONS):
            report = replay.verify(KafkaLog(node.bootstrap, partition))
            assert (0, 0) == (report.differences, report.waiting)
    finally:
        for each in rig.workers:
            with suppress(Exception):
                each.kill()
        node.kill()
