"""Events a second of one worker: this engine, the tuned Faust idiom, and a bare client's loop.

The job: a 250-byte JSON event → a balance per key → one ledger event. The engine and the idiom also
commit each balance to a changelog, so that a restart has it. The bare loop does not: its balances
are gone with the process, and it is a ceiling rather than a rival. `kept` is the same loop with a
changelog in its transaction. Rounds are interleaved on one broker, so that a busy machine hits all
alike. Compare ratios; the absolute numbers are of this machine.

    python bench/engine.py [--keys 1000 300000] [--events 300000] [--rounds 3] [--seconds 150]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import orjson
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from creditfold.broker.provide import broker

PARTITIONS = 4
_WARM_EVENTS = 5_000
_WINDOW_SECONDS = 12.0
CONTENDERS = ("engine", "bare", "kept", "faust")


def fold(balances: dict, key: bytes, value: bytes) -> bytes:
    event = orjson.loads(value)
    balances[key] = balance = balances.get(key, 0) + event["quantity"]
    return orjson.dumps({"id": event["id"], "customer": event["customer"], "balance": balance})


# Contenders, each in a process of its own: `engine.py run <contender> <json>`


def run_engine(options: dict) -> None:
    from creditfold.engine.app import run
    from creditfold.engine.config import EngineConfig
    from creditfold.engine.seam import Output, Result

    class Folder:
        held = False

        def __init__(self, reader: object) -> None:
            self._reader, self._balances = reader, {}
            self._touched: set[bytes] = set()
            self._outputs: list[Output] = []

        def read(self, records: Iterable) -> Iterator:
            return ((record, now, None) for record, now in records)

        def fold(self, record: object, now: int, said: None) -> int:  # noqa: ARG002  # the seam's signature
            key = record.key
            if key not in self._balances:
                self._balances[key] = int(self._reader.get(key) or 0)
            value = fold(self._balances, key, record.value)
            self._touched.add(key)
            self._outputs.append(Output(options["ledger"], key, value))
            return len(value)

        def seal(self, header: object, spent: object) -> Result:  # noqa: ARG002  # the seam's signature
            line = f"{header.batch} {header.now} {header.ranges}".encode()
            outputs = [Output(options["ledger"], b"", line), *self._outputs]
            changes = {key: b"%d" % self._balances[key] for key in self._touched}
            self._outputs, self._touched = [], set()
            return Result(outputs, changes)

        def due_at(self) -> None:
            return None

    class Folding:
        def folder(self, partition: int, reader: object, note: bytes | None) -> Folder:  # noqa: ARG002
            return Folder(reader)

        def due_of(self, key: bytes, value: bytes) -> tuple[()]:  # noqa: ARG002
            return ()

    run(
        EngineConfig(
            application=options["group"],
            brokers=options["bootstrap"],
            inputs=(options["usage"],),
            changelog=options["changelog"],
            state=Path(options["directory"]),
            partitions=PARTITIONS,
            standbys=0,
        ),
        Folding(),
    )


def run_faust(options: dict) -> None:
    import logging

    import faust

    logging.disable(logging.INFO)
    app = faust.App(
        options["group"],
        broker=f"kafka://{options['bootstrap']}",
        store="memory://",
        datadir=options["directory"],
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        web_enabled=False,
        producer_linger=0.02,
        producer_max_batch_size=262_144,
        stream_buffer_maxsize=16_384,
        broker_max_poll_records=5_000,
        worker_redirect_stdouts=False,
        consumer_auto_offset_reset="earliest",
    )
    raw = {"key_serializer": "raw", "value_serializer": "raw"}
    usage, ledger = app.topic(options["usage"], **raw), app.topic(options["ledger"], **raw)
    table = app.Table("balances", key_type=bytes, value_type=bytes, partitions=PARTITIONS)

    @app.agent(usage)
    async def agent(stream: object) -> None:
        async for event in stream.events():
            fact = orjson.loads(event.value)
            balance = int(table.get(event.key) or 0) + fact["quantity"]
            table[event.key] = b"%d" % balance
            entry = {"id": fact["id"], "customer": fact["customer"], "balance": balance}
            await ledger.send(key=event.key, value=orjson.dumps(entry))

    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


def run_bare(options: dict, *, kept: bool = False) -> None:
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    consumer = Consumer(
        {
            "bootstrap.servers": options["bootstrap"],
            "group.id": options["group"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([options["usage"]])
    producer = Producer(
        {
            "bootstrap.servers": options["bootstrap"],
            "transactional.id": options["group"],
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.init_transactions()
    balances: dict[bytes, int] = {}
    while not stopping:
        messages = consumer.consume(8_000, 0.05)
        if not messages:
            continue
        producer.begin_transaction()
        touched = {}
        for message in messages:
            key = message.key()
            touched[key] = message.partition()
            value = fold(balances, key, message.value())
            producer.produce(options["ledger"], value, key, partition=message.partition())
        if kept:
            for key, partition in touched.items():
                balance = b"%d" % balances[key]
                producer.produce(options["changelog"], balance, key, partition=partition)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
    consumer.close()


# The bench


class Bench:
    def __init__(self, bootstrap: str, directory: Path, events: int, keys: int) -> None:
        self.bootstrap, self.directory, self.events, self.keys = bootstrap, directory, events, keys
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.usage = f"bench.usage-{keys}"
        self._create(self.usage)
        self._fill()

    def _create(self, name: str, **settings: str) -> None:
        topic = NewTopic(name, PARTITIONS, 1, config=settings)
        self.admin.create_topics([topic])[name].result()

    def _fill(self) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": 1_000_000,
                "linger.ms": 20,
                "log_level": 0,
            }
        )
        for i in range(self.events):
            customer = f"customer-{i * 7919 % self.keys}"
            event = {"id": f"event-{i:012}", "customer": customer, "meter": "tokens"}
            event |= {"quantity": i % 97 + 1, "model": "large", "region": "eu", "pad": "x" * 110}
            producer.produce(self.usage, orjson.dumps(event), customer)
            if not i % 10_000:
                producer.poll(0)
        producer.flush(120)

    def measure(self, contender: str, round_: int) -> tuple[float, float]:
        """Return events a second and CPU microseconds an event, after a warm-up."""
        name = f"bench-{self.keys}-{contender}-{round_}"
        options = {
            "bootstrap": self.bootstrap,
            "group": name,
            "usage": self.usage,
            "ledger": f"{name}.ledger",
            "changelog": f"{name}.changelog",
            "directory": str(self.directory / name),
        }
        Path(options["directory"]).mkdir()
        self._create(options["ledger"])
        if contender == "kept":
            self._create(options["changelog"], **{"cleanup.policy": "compact"})
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, __file__, "run", contender, json.dumps(options)],
                stdout=log,
                stderr=log,
                env=os.environ,
            )
        try:
            return self._watch(process, options["ledger"], name)
        finally:
            process.kill()
            process.wait()
            self.admin.delete_topics([options["ledger"]])

    def _watch(self, process: subprocess.Popen, ledger: str, name: str) -> tuple[float, float]:
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "bench watcher", "log_level": 0}
        )
        tps = [TopicPartition(ledger, p) for p in range(PARTITIONS)]
        start, deadline, done = None, time.monotonic() + 120, 0
        while True:
            try:
                done = sum(consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in tps)
            except KafkaException:  # the topic was made a moment ago
                time.sleep(0.1)
            now, cpu = time.monotonic(), cpu_seconds(process.pid)
            if start is None and done >= _WARM_EVENTS:
                start = (now, cpu, done)
            # a slow contender need not finish: its rate shows in a window
            if done >= self.events or (start and now - start[0] > _WINDOW_SECONDS):
                break
            if now > deadline or process.poll() is not None:
                text = (self.directory / f"{name}.log").read_text(errors="replace")
                raise SystemExit(f"{name}: {done} of {self.events} events\n{text[-3000:]}")
            time.sleep(0.02)
        consumer.close()
        seconds, used, events = now - start[0], cpu - start[1], done - start[2]
        return events / seconds, used / events * 1_000_000


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    if sys.argv[1:2] == ["run"]:
        runs = {"engine": run_engine, "faust": run_faust, "bare": run_bare}
        runs |= {"kept": partial(run_bare, kept=True)}
        runs[sys.argv[2]](json.loads(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, nargs="+", default=[1_000, 300_000])
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=150, help="start no round after this")
    parser.add_argument("--source", choices=("named", "docker", "jars"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        with broker(directory / "kafka", arguments.source) as found:
            print(f"broker: {found.source}; {os.cpu_count()} cores; {arguments.events} events")
            for keys in arguments.keys:
                print(f"\n{keys:,} keys")
                bench = Bench(found.bootstrap, directory, arguments.events, keys)
                report(interleaved(bench, arguments.rounds, arguments.seconds))


def interleaved(bench: Bench, rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    began = time.monotonic()
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    for round_ in range(rounds):
        if round_ and time.monotonic() - began > seconds:
            break
        for name in CONTENDERS:
            results[name].append(bench.measure(name, round_))
            rate, cpu = results[name][-1]
            print(f"  {name:7} {rate:>9,.0f} events/s {cpu:7.1f} µs CPU/event", flush=True)
    return results


def report(results: dict[str, list[tuple[float, float]]]) -> None:
    rates = {name: statistics.median(r for r, _ in runs) for name, runs in results.items()}
    cpus = {name: statistics.median(c for _, c in runs) for name, runs in results.items()}
    rivals = ("faust", "bare", "kept")
    print(
        f"{'median':8} {'events/s':>10} {'µs CPU/event':>13}", *(f"{f'of {r}':>9}" for r in rivals)
    )
    for name in CONTENDERS:
        ratios = (f"{rates[name] / rates[rival]:>9.2f}" for rival in rivals)
        print(f"{name:8} {rates[name]:>10,.0f} {cpus[name]:>13.1f}", *ratios)


if __name__ == "__main__":
    main()
