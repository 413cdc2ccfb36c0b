"""The real trace embedded and over Kafka: the same records for each customer, in the same order.

    python tests/broker/real_trace.py --trace azure-llm-conv-2023.csv

`creditfold demo` folds the trace embedded, `creditfold export` puts its log on Kafka, and a worker
folds it there. Then each record of ledger, revenue and notices has to be there with the same key,
headers and value. Two things differ and are left out: where the cause lies (topic, partition,
offset), and when it was recorded (`recorded_at`, and `ce_time` where nothing else has a time):
Kafka's times are milliseconds, and each partition's clock is its own (docs/decisions/0011).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests), str(tests / "broker"), str(tests.parent / "src")]

from commands_rig import Commands, embedded

from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.provide import broker
from creditfold.contract.topics import LEDGER, NOTICES, REVENUE
from creditfold.local.runtime import LocalRuntime

PARTITIONS = 4
SECONDS = 600
OUTPUTS = (LEDGER.name, REVENUE.name, NOTICES.name)


def compare(at, place, *options):
    """Fold the trace both ways; what was compared, or the first difference as an assertion."""
    directory = place / "embedded"
    (demo,) = embedded("demo", "--data-dir", directory, *options)
    cluster = Commands(at)
    cluster.run("topics", "create", "--partitions", PARTITIONS)
    (exported,) = cluster.json("export", "--data-dir", directory)
    began = time.monotonic()
    with cluster.worker(place, PARTITIONS) as worker:
        worker.has_folded_all(SECONDS)
    seconds = time.monotonic() - began
    (replay,) = cluster.json("replay", "--verify")
    assert replay["agrees"], replay
    with LocalRuntime(directory, int, read_only=True) as runtime:
        there = records([runtime.log])
    here = records([KafkaLog(at, partition) for partition in range(PARTITIONS)])
    assert there.keys() == here.keys()
    for where, wanted in there.items():
        assert wanted == here[where], first_difference(where, wanted, here[where])
    return {
        "requests": demo["requests"],
        "facts": demo["facts"],
        "moved": exported["moved"],
        "customers": len({customer for _, customer in there}),
        "records": Counter(topic for (topic, _), found in there.items() for _ in found),
        "replay_differences": replay["differences"],
        "worker_seconds": round(seconds, 1),
    }


def records(logs):
    """By topic and customer, all that was written about the customer, in order."""
    found = defaultdict(list)
    for log in logs:
        for topic in OUTPUTS:
            for record in log.read(topic):
                data = json.loads(record.value)
                if "customer" not in data:
                    continue  # a batch's header, or a fact for all
                headers = dict(record.headers)
                if data.pop("recorded_at", None) and "effective_at" not in data:
                    del headers["ce_time"]
                if isinstance(data.get("cause"), dict):
                    for name in ("topic", "partition", "offset"):
                        data["cause"].pop(name, None)
                found[topic, data["customer"]].append((record.key, headers, json.dumps(data)))
    return dict(found)


def first_difference(place, wanted, got):
    pairs = zip(wanted, got, strict=False)
    for number, (one, other) in enumerate(pairs):
        if one != other:
            return f"{place}, record {number}\n{one}\n{other}"
    return f"{place}: {len(wanted)} embedded, {len(got)} on Kafka"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trace", type=Path, help="a CSV file; else the bundled slice")
    parser.add_argument("--rows", type=int, help="only the first of its requests")
    arguments = parser.parse_args()
    options = []
    for name in ("trace", "rows"):
        if getattr(arguments, name) is not None:
            options += [f"--{name}", getattr(arguments, name)]
    source = os.environ.get("CREDITFOLD_BROKER_SOURCE")
    with tempfile.TemporaryDirectory(prefix="real-trace-") as place:
        data = Path(place)
        with broker(data / "kafka", source) as found:
            print(json.dumps(compare(found.bootstrap, data, *options), indent=1))


if __name__ == "__main__":
    main()
