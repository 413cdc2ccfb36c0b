"""What all kinds of facts cost beside usage alone, without any log, and how much state they leave.

    python bench/mix.py                        # about two minutes
    python bench/mix.py --before ../before     # and usage alone by the code of another checkout

The facts are those of the fault campaign (`tests/crash/mix.py`): usage in order, late and ahead,
corrections, holds, voids, adjustments, refunds, transfers, programs, subscriptions, invoices and
credit notes, duplicates and refusals among them. They are as a business may have them (one in
twelve is no usage or refused or a repeat, one in fifty of the usage is late or ahead) and as the
campaign has them (half of them, and one in five). Each row is decoded,
folded and encoded in batches, in a process of its own; rows take turns, so compare them with each
other and not with another machine's. What a fact tells another customer counts as a fact. Time is
what the process has of a core, so that others on the machine do not count.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
BATCH = 500
PACE = 20_000  # microseconds from one fact to the next
USAGE, TRANSFERS = "creditfold.usage.v1", "creditfold.transfers.v1"


def fold_all(setup: list, facts: list) -> tuple[float, int, object]:
    """Seconds for the facts after the set-up, how many they were with what they caused, and the
    state. Any checkout since the first that has partitions runs this."""
    from creditfold.log.records import Record
    from creditfold.partition.position import Position
    from creditfold.partition.step import Partition
    from creditfold.partition.store import MemoryStore

    try:
        from creditfold.contract.partitions import ONLY as HOME
    except ImportError:  # it was a number before there were several
        HOME = 0  # noqa: N806  # it stands for the constant
    store = MemoryStore()
    partition = Partition(store, HOME, Position())
    ends: Counter[str] = Counter()
    now = 0

    def fold(facts: list) -> int:
        nonlocal now
        folded = 0
        for begin in range(0, len(facts), BATCH):
            waiting = facts[begin : begin + BATCH]
            while waiting:
                batch = []
                for topic, at, key, value, headers in waiting:
                    now = max(now, at)
                    batch.append((Record(topic, 0, ends[topic], at, key, value, headers), now))
                    ends[topic] += 1
                folded += len(batch)
                outputs = partition.refold(batch, now, 1_000_000).outputs
                told = (each for each in outputs if each.topic == TRANSFERS)
                waiting = [(each.topic, now, *each[1:4]) for each in told]
        return folded

    fold(setup)
    gc.collect()
    begun = time.thread_time()
    folded = fold(facts)
    return time.thread_time() - begun, folded, store


def make(kind: str, count: int, customers: int) -> tuple[list, list]:
    """The records of customers with their first credit, and of what they then do."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "broker")]
    from crash import mix, traffic
    from creditfold.contract.envelope import write_binary
    from creditfold.contract.topics import topic_of

    times = itertools.count(START, PACE)
    soon = traffic.Soon(2_000_000, count * PACE)
    made: traffic.Traffic
    if kind == "usage alone":
        made = traffic.Traffic(1, customers, lambda: next(times), soon)
        catalog = traffic.catalog(START)
    else:
        share = {} if kind == "campaign" else {"usage": 1_500, "late": 0.02}
        made = mix.Mix(1, customers, lambda: next(times), soon, **share)
        catalog = mix.catalog(START)

    def records(facts: list) -> list:
        return [(topic_of(f.type).name, f.recordedtime, *write_binary(f)) for f in facts]

    setup = records([*catalog, *made.opening()])
    if kind == "usage alone":
        who = (made.chance.choice(made.customers) for _ in range(count))
        return setup, records([made.usage(customer) for customer in who])
    return setup, records(list(made.facts(count)))


def measure(file: Path, source: Path) -> tuple[float, int]:
    """Seconds and facts of a row, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(file)],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, folded = done.stdout.split()
    return float(seconds), int(folded)


def throughput(rounds: int, count: int, customers: int, before: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    ours = ROOT / "src"
    rows = {
        "usage alone": ("usage alone", ours),
        "as a business": ("business", ours),
        "as the campaign": ("campaign", ours),
    }
    if before is not None:
        rows = {"usage alone, before": ("usage alone", before / "src")} | rows
    taken: dict[str, list[float]] = {name: [] for name in rows}
    with tempfile.TemporaryDirectory() as directory:
        files = {}
        for kind in {kind for kind, _ in rows.values()}:
            files[kind] = Path(directory) / kind.replace(" ", "-")
            files[kind].write_bytes(pickle.dumps(make(kind, count, customers)))
        for _ in range(rounds):
            for name, (kind, source) in rows.items():
                seconds, folded = measure(files[kind], source)
                taken[name].append(seconds / folded * 1e6)
    title = f"{count:,} facts of {customers:,} customers, decoded, folded and encoded"
    table = Table("facts", "µs / fact", "facts / s", "throughput", title=title)
    base = statistics.median(next(iter(taken.values())))
    for name, micros in taken.items():
        median = statistics.median(micros)
        table.add_row(name, f"{median:.0f}", f"{1e6 / median:,.0f}", f"{base / median:.2f}")
    Console(width=100).print(table)


def sizes(count: int, customers: int) -> None:
    """Bytes under keys, by kind of record, after the campaign's facts."""
    from rich.console import Console
    from rich.table import Table

    from creditfold.core.journal import Command, FellDue, Use
    from creditfold.core.state import SEEN
    from creditfold.partition.codec import encode_key, encode_record

    journaled = {Use: "journal: usage", Command: "journal: command", FellDue: "journal: due"}
    *_, store = fold_all(*make("campaign", count, customers))
    counts: Counter[str] = Counter()
    bytes_: Counter[str] = Counter()
    for key, record in store.items():
        if key[0]:
            kind = journaled.get(type(record), key[1])
            counts[kind] += 1
            bytes_[kind] += len(encode_key(key)) + len(encode_record(record))
    table = Table("record", "bytes each", "of each customer", title="state, keys included")
    for kind, total in bytes_.most_common():
        table.add_row(kind, f"{total / counts[kind]:.0f}", f"{counts[kind] / customers:.1f}")
    Console(width=100).print(table)
    window = (SEEN, *journaled.values())
    remembered = sum(bytes_[kind] / counts[kind] for kind in window[:2])
    rest = sum(total for kind, total in bytes_.items() if kind not in window)
    print(
        f"{rest / customers:,.0f} bytes a customer, and {remembered:.0f} for each usage within "
        f"late.window ({window[0]} and {window[1]})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout whose usage alone is measured too")
    parser.add_argument("--facts", type=int, default=10_000)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        seconds, folded, _ = fold_all(*pickle.loads(given.child.read_bytes()))
        print(seconds, folded)
        return
    throughput(given.rounds, given.facts, given.customers, given.before)
    sizes(given.facts, given.customers)


if __name__ == "__main__":
    main()
