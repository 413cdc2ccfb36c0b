"""What all kinds of facts cost beside usage alone, without any log, and how much state they leave.

    python bench/mix.py                        # about two minutes
    python bench/mix.py --before ../before     # and usage alone by the code of another checkout

The facts are those of the fault campaign (`tests/crash/mix.py`): usage in order, late and ahead,
corrections, holds, voids, adjustments, refunds, transfers, programs, subscriptions, invoices and
credit notes, duplicates and refusals among them. Two mixes are measured.

- As a business may have them: of a hundred facts 94 are usage, 2 of which are late or ahead; 2 are
  grants, 2 invoices and payments, 1 a hold or its end, and 1 is any of the others; 5 of the hundred
  are repeats. People and invoicing act once in thousands of usages; that this mix lets them act
  once in twenty makes them count, and its usage is what usage costs customers who have it all:
  programs, holds, top-ups, commitments, and overage that credit repays. This is the full mix that
  is judged against usage alone.
- As the campaign has them: 61 of a hundred are usage, a fifth of that late or ahead; 12 holds or
  their ends, 4 corrections, 3 transfers, 20 others. It is made to find faults: what is late there
  comes behind boundaries that the many commands make, so most of its time goes to folding again.

Each row is decoded, folded and encoded in batches, in a process of its own with the garbage
collector as the worker has it; rows take turns batch by batch, so compare them with each other and
not with another machine's. What a fact tells another customer counts as a fact. Time is what the
process has of a core, so that others on the machine do not count, but for the caches that they
share: they cost more where there is more to a fact. Beside it stands what a fact sends: what falls
due, credit that repays and a commitment's progress send records that no fact is counted for.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
BATCH = 500
USAGE, TRANSFERS = "creditfold.usage.v1", "creditfold.transfers.v1"


class Folded(NamedTuple):
    """How many facts were folded, and what that sent: records, batch headers among them."""

    facts: int
    records: int
    bytes: int


class Folder:
    """A partition that folds records as they come, and all that they cause. Any checkout since the
    first that has partitions runs this.
    """

    def __init__(self) -> None:
        from creditfold.partition.position import Position
        from creditfold.partition.step import Partition
        from creditfold.partition.store import MemoryStore

        try:
            from creditfold.contract.partitions import ONLY as HOME
        except ImportError:  # it was a number before there were several
            HOME = 0  # noqa: N806  # it stands for the constant
        self.store = MemoryStore()
        self._partition = Partition(self.store, HOME, Position())
        self._ends: Counter[str] = Counter()
        self._now = 0

    def fold(self, facts: list) -> Folded:
        """Fold them; what they told other customers counts among them."""
        from creditfold.log.records import Record

        folded = records = size = 0
        for begin in range(0, len(facts), BATCH):
            waiting = facts[begin : begin + BATCH]
            while waiting:
                batch = []
                for topic, at, key, value, headers in waiting:
                    self._now = max(self._now, at)
                    record = Record(topic, 0, self._ends[topic], at, key, value, headers)
                    batch.append((record, self._now))
                    self._ends[topic] += 1
                folded += len(batch)
                outputs = self._partition.refold(batch, self._now, 1_000_000).outputs
                records += len(outputs)
                size += sum(len(each.value) for each in outputs)
                told = (each for each in outputs if each.topic == TRANSFERS)
                waiting = [(each.topic, self._now, *each[1:4]) for each in told]
        return Folded(folded, records, size)


def make(kind: str, count: int, customers: int) -> tuple[list, list]:
    """The records of customers with their first credit, and of what they then do."""
    from creditfold.contract.envelope import write_binary
    from creditfold.contract.topics import topic_of
    from facts import life

    def records(facts: Iterable) -> list:
        return [(topic_of(f.type).name, f.recordedtime, *write_binary(f)) for f in facts]

    setup, facts = life(kind, count, customers, START)
    return records(setup), records(facts)


def take_turns(setup: list, facts: list) -> None:
    """Fold the set-up, then a batch for each line that is read; say how long each took."""
    folder = Folder()
    folder.fold(setup)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the worker has it
    print("ready", flush=True)
    for begin in range(0, len(facts), BATCH):
        if not sys.stdin.readline():
            return
        begun = time.thread_time()
        folded = folder.fold(facts[begin : begin + BATCH])
        print(time.thread_time() - begun, *folded, flush=True)


class Row:
    """A process that folds one kind of facts by one source, a batch at its turn."""

    def __init__(self, file: Path, source: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", str(file)],
            env=os.environ | {"PYTHONPATH": str(source)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds, self.folded = 0.0, Folded(0, 0, 0)

    def ready(self) -> None:
        """Wait until the set-up has been folded."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def turn(self) -> None:
        """Fold a batch."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, *folded = self._process.stdout.readline().split()
        self.seconds += float(seconds)
        self.folded = Folded(*map(sum, zip(self.folded, map(int, folded), strict=True)))

    def end(self) -> float:
        """Microseconds that a fact took."""
        self._process.communicate()
        assert self._process.returncode == 0
        return self.seconds / self.folded.facts * 1e6


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
    sent: dict[str, Folded] = {}
    with tempfile.TemporaryDirectory() as directory:
        files = {}
        for kind in {kind for kind, _ in rows.values()}:
            files[kind] = Path(directory) / kind.replace(" ", "-")
            files[kind].write_bytes(pickle.dumps(make(kind, count, customers)))
        for _ in range(rounds):
            started = {name: Row(files[kind], source) for name, (kind, source) in rows.items()}
            for row in started.values():
                row.ready()
            for _ in range(0, count, BATCH):
                for row in started.values():
                    row.turn()
            for name, row in started.items():
                taken[name].append(row.end())
                sent[name] = row.folded
    title = f"{count:,} facts of {customers:,} customers, decoded, folded and encoded"
    columns = ("µs / fact", "facts / s", "throughput", "records / fact", "bytes / fact")
    table = Table("facts", *columns, "µs / record", title=title)
    table.columns[0].no_wrap = True
    base = next(iter(taken.values()))
    for name, micros in taken.items():
        facts, records, size = sent[name]
        median = statistics.median(micros)
        ratio = statistics.median(b / m for b, m in zip(base, micros, strict=True))
        table.add_row(
            name,
            f"{median:.0f}",
            f"{1e6 / median:,.0f}",
            f"{ratio:.2f}",
            f"{records / facts:.2f}",
            f"{size / facts:,.0f}",
            f"{median * facts / records:.0f}",
        )
    Console(width=100).print(table)


def sizes(count: int, customers: int) -> None:
    """Bytes under keys, by kind of record, after the campaign's facts."""
    from rich.console import Console
    from rich.table import Table

    from creditfold.core.journal import Command, FellDue, Use
    from creditfold.core.state import SEEN
    from creditfold.partition.codec import encode_key, encode_record

    journaled = {Use: "journal: usage", Command: "journal: command", FellDue: "journal: due"}
    setup, facts = make("campaign", count, customers)
    folder = Folder()
    folder.fold(setup)
    folder.fold(facts)
    counts: Counter[str] = Counter()
    bytes_: Counter[str] = Counter()
    for key, record in folder.store.items():
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
        take_turns(*pickle.loads(given.child.read_bytes()))
        return
    throughput(given.rounds, given.facts, given.customers, given.before)
    sizes(given.facts, given.customers)


if __name__ == "__main__":
    main()
