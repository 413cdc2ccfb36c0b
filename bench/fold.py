"""Speed of the fold alone, in one process and without any log.

    python bench/fold.py            # about two minutes
    python bench/fold.py --quick    # about fifteen seconds

Prints the cost of one usage event, and of its parts, for customers with 1, 10 and 1,000 blocks and
with 1 and 1,000,000 past usage events, each remembered and in the journal; what one late event
costs by how much stands behind it; then facts per second through decode, fold and encode, and where
the time goes. Everything is measured interleaved in this
run: compare the rows with each other, and not with another machine's. Time is what the process has
of a core, so that others on the machine do not count.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import io
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from creditfold.contract.decode import decode
from creditfold.contract.encode import outcome_record, posting_record
from creditfold.contract.envelope import Envelope, read_record, write_binary
from creditfold.contract.partitions import ONLY
from creditfold.contract.topics import USAGE, event_type
from creditfold.core.bodies import Body, Fact
from creditfold.core.catalog import Catalog
from creditfold.core.exact import Exact
from creditfold.core.facts import (
    CreditGranted,
    CustomerCreated,
    Kind,
    MeterDeclared,
    Money,
    Rate,
    RateCardPublished,
    UsageRecorded,
)
from creditfold.core.fold import Step, fold
from creditfold.core.journal import Use, usage_place
from creditfold.core.state import JOURNAL, SEEN, Seen
from creditfold.core.times import HOUR, SECOND, rfc3339
from creditfold.log.records import Record
from creditfold.partition.position import Position
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore
from creditfold.partition.zones import zone

START = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
METER = "llm.output_tokens"
CUSTOMER = "c-001"


class Bench:
    """A customer with so many blocks and so many past usage events."""

    def __init__(self, blocks: int, past: int) -> None:
        self.store = MemoryStore()
        self.catalog = Catalog(self.store, zone)
        self.number = 0
        self._set_up(blocks)
        begin = START - HOUR
        seen = Seen(b"x" * 16, begin + 72 * HOUR, begin)
        use = Use("bench", "past", begin, begin, METER, "llm", 0, 500, 500, {}, (), begin)
        for number in range(past):
            place = usage_place(begin + number, 0, "bench", "past")
            self.store.apply(
                {(CUSTOMER, SEEN, f"{number:032x}"): seen, (CUSTOMER, JOURNAL, place): use}
            )

    def _set_up(self, blocks: int) -> None:
        self.apply(MeterDeclared(METER, 1, "llm", 0), "")
        rate = Rate(METER, "USD", Exact(15, 7))
        self.apply(RateCardPublished("list", 1, START, (rate,)), "")
        self.apply(CustomerCreated("USD", "UTC", {}), CUSTOMER)
        for number in range(blocks):
            grant = CreditGranted(
                f"b{number:04d}",
                Kind.PAID,
                "USD",
                Exact(100_000, 0),
                value=Money(Exact(90_000, 0), "USD"),
                expires_at=START + 1_000 * HOUR + number,
            )
            self.apply(grant, CUSTOMER)

    def fact(self, body: Body, customer: str) -> Fact:
        self.number += 1
        time_ = START + self.number
        content = self.number.to_bytes(32, "big")
        return Fact("bench", f"e{self.number}", "bench", customer, time_, time_, content, body)

    def apply(self, body: Body, customer: str) -> Step:
        step = fold(self.store, self.catalog, self.fact(body, customer))
        assert step.outcome.status == "applied", step.outcome
        self.store.apply(step.changes)
        if step.catalog_changed:
            self.catalog = Catalog(self.store, zone)
        return step

    def use(self, count: int) -> float:
        """Seconds for so many usage events, each folded and applied."""
        facts = [
            self.fact(UsageRecorded(METER, Exact(100 + n % 900, 0)), CUSTOMER) for n in range(count)
        ]
        begun = time.thread_time()
        for fact in facts:
            self.store.apply(fold(self.store, self.catalog, fact).changes)
        return time.thread_time() - begun


def fold_alone(console: Console, rounds: int, events: int, past: int) -> None:
    shapes = {
        "1 block, fresh": Bench(1, 0),
        "10 blocks, fresh": Bench(10, 0),
        "1,000 blocks, fresh": Bench(1_000, 0),
        f"1 block, {past:,} past events": Bench(1, past),
        f"1,000 blocks, {past:,} past events": Bench(1_000, past),
    }
    taken: dict[str, list[float]] = {name: [] for name in shapes}
    for _ in range(rounds):
        for name, bench in shapes.items():
            taken[name].append(bench.use(events) / events * 1e6)
    table = Table("customer", "µs / usage event", "facts / s", "ratio", title="the fold alone")
    base = statistics.median(taken["1 block, fresh"])
    for name, micros in taken.items():
        median = statistics.median(micros)
        table.add_row(name, f"{median:.1f}", f"{1e6 / median:,.0f}", f"{median / base:.2f}")
    console.print(table)


def late(console: Console, rounds: int, sizes: tuple[int, ...]) -> None:
    """Usage from before all other, half of which found credit: all of it is folded again."""
    table = Table("events behind it", "ms", "µs / event behind it", title="one late usage event")
    for size in sizes:
        bench = Bench(0, 0)
        half = CreditGranted("b", Kind.PROMOTIONAL, "USD", Exact(4 * size, 4))
        bench.apply(half, CUSTOMER)
        before = START + bench.number
        bench.use(size)
        taken = []
        for _ in range(rounds):
            fact = replace(bench.fact(UsageRecorded(METER, Exact(1, 0)), CUSTOMER), time=before)
            taken.append(timed(lambda f=fact, b=bench: fold(b.store, b.catalog, f)))  # type: ignore[misc]  # defaults bind the loop's values
        seconds = statistics.median(taken)
        table.add_row(f"{size:,}", f"{seconds * 1e3:.0f}", f"{seconds / size * 1e6:.1f}")
    console.print(table)


def usage_records(count: int, customers: int) -> list[Record]:
    records = []
    for n in range(count):
        time_ = START + (n + 1) * 1_000
        envelope = Envelope(
            id=f"u-{n}",
            source="bench",
            type=event_type("usage.recorded"),
            subject=f"c-{n % customers:04d}",
            time=time_,
            data={"meter": METER, "quantity": str(100 + n % 900)},
        )
        records.append(Record(USAGE.name, 0, n, time_, *write_binary(envelope)))
    return records


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def stages(console: Console, rounds: int, events: int) -> None:
    """Decoding, folding and encoding apart, then all of it as a partition does it."""
    parts: dict[str, list[float]] = {"decode": [], "fold": [], "encode": [], "whole batch": []}
    for _ in range(rounds):
        records = usage_records(events, 100)
        store, catalog = _customers(100)
        facts: list[Fact] = []
        steps: list[Step] = []

        def decode_all(records: list[Record] = records, facts: list[Fact] = facts) -> None:
            for record in records:
                envelope = read_record(record.key, record.value, record.headers)
                facts.append(decode(envelope, record.timestamp, record.topic))

        def fold_all(
            facts: list[Fact] = facts,
            steps: list[Step] = steps,
            store: MemoryStore = store,
            catalog: Catalog = catalog,
        ) -> None:
            for fact in facts:
                step = fold(store, catalog, fact)
                store.apply(step.changes)
                steps.append(step)

        def encode_all(steps: list[Step] = steps) -> None:
            for step in steps:
                outcome_record(step.outcome)
                for posting, line in zip(step.postings, step.lines, strict=True):
                    posting_record(posting, rfc3339(START), line)

        parts["decode"].append(timed(decode_all) / events * 1e6)
        parts["fold"].append(timed(fold_all) / events * 1e6)
        parts["encode"].append(timed(encode_all) / events * 1e6)
        partition = Partition(_customers(100)[0], ONLY, Position())
        batch = [(record, record.timestamp) for record in records]
        whole = timed(lambda p=partition, b=batch: p.refold(b, b[-1][1], 0))  # type: ignore[misc]  # defaults bind the loop's values
        parts["whole batch"].append(whole / events * 1e6)
    table = Table("stage", "µs / usage event", "facts / s", title="decode, fold, encode")
    for name, micros in parts.items():
        median = statistics.median(micros)
        table.add_row(name, f"{median:.1f}", f"{1e6 / median:,.0f}")
    console.print(table)


def _customers(count: int) -> tuple[MemoryStore, Catalog]:
    bench = Bench(0, 0)
    for n in range(count):
        customer = f"c-{n:04d}"
        if customer != CUSTOMER:
            bench.apply(CustomerCreated("USD", "UTC", {}), customer)
        grant = CreditGranted(
            "b1",
            Kind.PAID,
            "USD",
            Exact(100_000, 0),
            value=Money(Exact(90_000, 0), "USD"),
        )
        bench.apply(grant, customer)
    return bench.store, bench.catalog


def profile(console: Console, events: int) -> None:
    """Where the time of a whole batch goes, by function."""
    records = usage_records(events, 100)
    partition = Partition(_customers(100)[0], ONLY, Position())
    profiler = cProfile.Profile()
    profiler.enable()
    partition.refold([(record, record.timestamp) for record in records], records[-1].timestamp, 0)
    profiler.disable()
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text)
    stats.sort_stats("tottime").print_stats(18)
    total = stats.total_tt  # type: ignore[attr-defined]  # typeshed leaves it out
    table = Table("function", "share of own time", title="where the time goes (under a profiler)")
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])  # type: ignore[attr-defined]  # the same
    for (file, _, name), (_, _, own, _, _) in rows[:15]:
        where = Path(file).stem if "/" in file else "builtin"
        table.add_row(f"{where}.{name}", f"{own / total:.0%}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    console = Console(width=100)
    console.print(f"Python {sys.version.split()[0]}, one process, one core")
    fold_alone(console, 3 if quick else 9, 2_000 if quick else 5_000, 100_000 if quick else 10**6)
    late(console, 3, (1_000, 10_000) if quick else (1_000, 10_000, 100_000))
    stages(console, 3 if quick else 9, 5_000 if quick else 10_000)
    profile(console, 5_000 if quick else 20_000)


if __name__ == "__main__":
    main()
