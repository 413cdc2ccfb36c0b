"""Topics, load and worker processes of one test, and what has to be true of the ledger after it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from reader import committed

from creditfold.log.order import merge
from creditfold.log.records import Record

SOURCE = Path(__file__).parents[2] / "src"
PARTITIONS = 4


class Worker:
    """One worker process and its state directory."""

    def __init__(self, rig: "Rig", name: str, **overrides: object) -> None:
        self.state = rig.directory / name
        self.log = rig.directory / f"{name}.log"
        self._arguments = rig.arguments | {"state": str(self.state)} | overrides
        self._process: subprocess.Popen[bytes] | None = None
        rig.workers.append(self)

    def start(self) -> "Worker":
        (self.state / "metrics.json").unlink(missing_ok=True)
        script = Path(__file__).parent / "balance.py"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(script), json.dumps(self._arguments)],
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONPATH": str(SOURCE)},
            )
        return self

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait(10)

    def terminate(self, seconds: float = 30) -> int:
        self.signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def wait(self, seconds: float = 60) -> int:
        return self._process.wait(seconds)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def metrics(self) -> dict:
        try:
            return json.loads((self.state / "metrics.json").read_text())
        except FileNotFoundError:
            return {"ready": False, "partitions": {}, "standby_records": 0}

    def wipe(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)


class Rig:
    """Input topics `commands` and `usage`, a ledger and a changelog, all under one prefix."""

    def __init__(self, bootstrap: str, directory: Path, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.workers: list[Worker] = []
        self.inputs = [f"{prefix}.commands", f"{prefix}.usage"]
        self.ledger = f"{prefix}.ledger"
        self.changelog = f"{prefix}.changelog"
        self.application = prefix
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.sent = 0
        self.arguments = {
            "application": prefix,
            "brokers": bootstrap,
            "inputs": self.inputs,
            "changelog": self.changelog,
            "ledger": self.ledger,
            "partitions": PARTITIONS,
            "session_seconds": 6.0,
            "transaction_seconds": 15.0,
            "group_commit_seconds": 1.0,
            "fence_backoff_seconds": 0.5,
            "standbys": 0,
        }
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 120_000,
                "queue.buffering.max.messages": 1_000_000,
            }
        )

    def create(self) -> "Rig":
        topics = [NewTopic(name, PARTITIONS, 1) for name in (*self.inputs, self.ledger)]
        for future in self.admin.create_topics(topics).values():
            future.result()
        return self

    def worker(self, name: str, **overrides: object) -> Worker:
        return Worker(self, name, **overrides)

    # Load

    def send(self, count: int, *, per_second: float = 0, keys: int = 50) -> None:
        """Send `count` facts over both inputs; evenly over time if `per_second` is given."""
        began = time.monotonic()
        for i in range(count):
            number = self.sent
            self.sent += 1
            topic = self.inputs[1] if number % 10 else self.inputs[0]
            self.put(topic, f"k{number * 7919 % keys}", {"id": number, "n": number % 13 + 1})
            if per_second and not i % 20:
                pause = began + i / per_second - time.monotonic()
                self._producer.poll(max(0, pause))
                time.sleep(max(0, began + i / per_second - time.monotonic()))
        self.flush()

    def put(self, topic: str, key: str, fact: dict, **where: object) -> None:
        while True:
            try:
                self._producer.produce(topic, json.dumps(fact).encode(), key, **where)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        assert self._producer.flush(120) == 0

    # Reading

    def read(self, topics: list[str]) -> list:
        """Return all committed records of `topics`, in order within each partition."""
        return list(committed(self.bootstrap, topics, list(range(PARTITIONS))))

    def committed_outputs(self) -> int:
        return sum(m.key() != b"header" for m in self.read([self.ledger]))

    def wait_for_outputs(self, count: int, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while (have := self.committed_outputs()) < count:
            late = time.monotonic() > deadline or not any(w.running for w in self.workers)
            assert not late, f"{have} of {count} outputs\n{self.tails()}"
            time.sleep(0.3)

    def wait_ready(self, *workers: Worker, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not all(w.metrics()["ready"] for w in workers):
            assert time.monotonic() < deadline, f"not ready\n{self.tails()}"
            time.sleep(0.1)

    def tails(self) -> str:
        return "\n".join(
            f"--- {w.log.name}\n" + "\n".join(w.log.read_text(errors="replace").splitlines()[-15:])
            for w in self.workers
            if w.log.exists()
        )

    def close(self) -> None:
        for worker in self.workers:
            if worker.running:
                worker.signal(signal.SIGCONT)
                worker.kill()

    # What must hold

    def verify(self) -> None:
        """Each input has one output, balances run right, headers join, order can be replayed."""
        inputs = {
            (m.topic(), m.partition(), m.offset()): m for m in self.read(self.inputs)
        }  # fmt: skip
        assert self.sent == len({json.loads(m.value())["id"] for m in inputs.values()})
        ledger = defaultdict(list)
        for message in self.read([self.ledger]):
            ledger[message.partition()].append((message.key(), json.loads(message.value())))
        caused = []
        for partition, entries in ledger.items():
            caused += self._verify_partition(partition, entries, inputs)
        assert len(caused) == len(set(caused)), f"{len(caused) - len(set(caused))} doubled"
        assert set(inputs) == set(caused), f"{len(set(inputs) - set(caused))} missing"

    def _verify_partition(self, partition: int, entries: list, inputs: dict) -> list:
        balances: dict[bytes, int] = defaultdict(int)
        ends: dict[str, int] = defaultdict(int)
        caused, batch, now = [], 0, 0
        expected: list = []
        for key, entry in entries:
            if key == b"header":
                header = entry["header"]
                assert not expected, f"batch {batch} lacks outputs"
                assert (partition, batch + 1) == (header["partition"], header["batch"])
                assert header["now"] >= now
                batch, now = header["batch"], header["now"]
                expected = self._replay(partition, header, ends, inputs)
            elif "cause" in entry:
                cause = tuple(entry["cause"])
                assert expected.pop(0) == cause, f"batch {batch} is out of order"
                balances[key] += json.loads(inputs[cause].value())["n"]
                assert balances[key] == entry["balance"], f"{key}: {entry}"
                caused.append(cause)
        assert not expected, f"batch {batch} lacks outputs"
        return caused

    def _replay(self, partition: int, header: dict, ends: dict, inputs: dict) -> list:
        """Return the causes of a batch in the order that its header alone gives."""
        lanes = {topic: [] for topic in self.inputs}
        for topic, start, end, records in header["ranges"]:
            assert start == ends[topic], f"gap or overlap: {topic} {ends[topic]} → {start}"
            ends[topic] = end
            for offset in range(start, end):
                message = inputs.get((topic, partition, offset))
                if message is not None:
                    stamp = message.timestamp()[1] * 1_000
                    lanes[topic].append(Record(topic, partition, offset, stamp, b"", b""))
            assert records == len(lanes[topic])
        merged = merge(list(lanes.values()), [False] * len(lanes), header["now"])
        return [(r.topic, r.partition, r.offset) for r in merged]
