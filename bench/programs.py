"""When the monthly programs of all customers fall due in one second: how long usage then waits.

    python bench/programs.py                        # 300,000 customers; five minutes of a core
    python bench/programs.py --customers 3000       # seconds

One partition, folded by the worker's folder over its store on disk. Batches end as the engine ends
them: they take the usage that has arrived, then what is due, and stop once 50 ms are spent. There
is no broker in it, so a latency is from the instant an event could be taken to the end of the
local write that follows its batch; a worker adds its transaction to each batch. Time is what this
thread has of a core, so that others on the machine do not count. The same usage flows before
midnight, with nothing due: compare the two rows.

Afterwards the ledger is read: every customer must have been granted once, in the order of the
sweep, each chain must join, and no customer's outcomes may go back in time.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec
from rich.console import Console
from rich.table import Table
from rocksdict import Cache

from creditfold.contract.envelope import Envelope, write_binary
from creditfold.contract.instants import parse_instant
from creditfold.contract.topics import COMMANDS, LEDGER, USAGE, event_type, topic_of
from creditfold.core.times import DAY, SECOND, rfc3339
from creditfold.engine.config import Limits
from creditfold.engine.position import Position
from creditfold.engine.seam import Header
from creditfold.engine.store import Store
from creditfold.log.records import Range, Record
from creditfold.worker.folder import CreditFolding

START = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
MIDNIGHT = START + 31 * DAY
METER = "llm.output_tokens"
_LOOK_EVERY = 64  # as the engine
_PAID = {"amount": "20", "currency": "USD"}


def fact(id_: str, noun_verb: str, customer: str | None, at: int, data: dict) -> Envelope:
    return Envelope(id_, "bench", event_type(noun_verb), customer, at, data, at)


def name(number: int) -> str:
    return f"customer-{number:06}"


def set_up(customers: int) -> Iterator[Envelope]:
    """A catalog, a program that grants at the start of each month, and who is granted to."""
    rate = {"meter": METER, "unit": "USD", "per_unit": "0.000015"}
    dated = {"version": 1, "effective_from": rfc3339(START)}
    grant = {
        "kind": "included", "unit": "USD", "quantity": "25", "value": _PAID,
        "expires": "period_end",
    }  # fmt: skip
    who = {"field": "customer.attributes.plan", "eq": "pro"}
    program = {"program": "pro", "who": who, "grant": grant, "every": "month", "anchor": "calendar"}
    yield fact(
        "meter", "meter.declared", None, START, {"meter": METER, "version": 1, "product": "llm"}
    )
    yield fact(
        "card", "rate_card.published", None, START, {"rate_card": "list", "rates": [rate], **dated}
    )
    yield fact("pro", "program.published", None, START, program | dated)
    data = {"currency": "USD", "attributes": {"plan": "pro"}}
    for number in range(customers):
        yield fact("created", "customer.created", name(number), START, data)


def usage(number: int, customers: int, at: int) -> Envelope:
    """One usage event; consecutive ones are of customers far apart."""
    data = {"meter": METER, "quantity": str(100 + number * 31 % 900)}
    return fact(f"u-{number}", "usage.recorded", name(number * 7919 % customers), at, data)


class Desk:
    """A folder with its store, as the engine's task drives it; the ledger goes to a file."""

    def __init__(self, directory: Path, ledger: IO[bytes]) -> None:
        self._store = Store(directory / "state", Cache(Limits().batch_bytes * 16))
        self.folder = CreditFolding(1, 100).folder(0, self._store, None)
        self._ledger = ledger
        self._ends = {COMMANDS.name: 0, USAGE.name: 0}
        self.now = START
        self.batches = 0

    def _records(self, facts: Iterable[Envelope]) -> Iterator[tuple[Record, int]]:
        ends, now = dict(self._ends), self.now
        for each in facts:
            topic, now = topic_of(each.type).name, max(now, each.time)
            yield Record(topic, 0, ends[topic], each.time, *write_binary(each)), now
            ends[topic] += 1

    def batch(self, facts: Iterable[Envelope], seconds: float, now: int) -> tuple[int, int]:
        """Fold facts, then what is due by `now`, in about so many seconds; how many of each."""
        deadline = time.thread_time() + seconds

        def spent() -> bool:
            return time.thread_time() > deadline

        begun = dict(self._ends)
        taken = 0
        for record, at, said in self.folder.read(self._records(facts)):
            self._ends[record.topic] += 1
            self.now = at
            self.folder.fold(record, at, said)
            taken += 1
            if not taken % _LOOK_EVERY and spent():
                break
        self.now = max(self.now, now)
        self.batches += 1
        ranges = tuple(
            Range(topic, begin, self._ends[topic], self._ends[topic] - begin)
            for topic, begin in begun.items()
            if self._ends[topic] > begin
        )
        result = self.folder.seal(Header(0, self.batches, self.now, ranges, caught_up=True), spent)
        position = Position(self.batches, self.now, self._ends, {}, result.note).encode()
        self._store.write(result.changes, result.due, position, 0)
        for output in result.outputs:
            if output.topic == LEDGER.name:
                self._ledger.write(output.value + b"\n")
        return taken, _due(result.outputs[0].value)

    def close(self) -> None:
        self._store.close()


def _due(header: bytes) -> int:
    due: int = msgspec.json.decode(header)["due"]
    return due


class Flow:
    """Usage that flows at a steady rate through batches of limited time, and what it waited."""

    def __init__(self, desk: Desk, customers: int, rate: int, begin: int, first: int) -> None:
        self._desk, self._customers, self._rate = desk, customers, rate
        self._begin, self._first = begin, first
        self.waits: list[float] = []
        self.late: list[int] = []
        self.sizes: list[int] = []
        self.ends: list[float] = []

    @property
    def answered(self) -> int:
        return len(self.waits)

    def run(self, seconds: float) -> float:
        """For so long, and until nothing is due any more; when the last due item was folded."""
        begun, done = time.thread_time(), 0.0
        while (elapsed := time.thread_time() - begun) < seconds or self._behind(elapsed):
            now = self._begin + int(elapsed * SECOND)
            arrived = int(elapsed * self._rate) if elapsed < seconds or self._due(now) else 0
            numbers = range(self.answered, max(arrived, self.answered))
            if not numbers and not self._due(now):
                continue
            facts = (self._usage(number) for number in numbers)
            taken, due = self._desk.batch(facts, Limits().fold_seconds, now)
            end = time.thread_time() - begun
            self.ends.append(end)
            self.sizes.append(due)
            done = end if due else done
            for number in range(self.answered, self.answered + taken):
                at = (number + 1) / self._rate
                self.waits.append(end - at)
                self.late.append(len(self.ends) - bisect.bisect(self.ends, at))
        return done

    def _due(self, now: int) -> bool:
        due = self._desk.folder.due_at()
        return due is not None and due <= now

    def _behind(self, elapsed: float) -> bool:
        return self._due(self._begin + int(elapsed * SECOND))

    def _usage(self, number: int) -> Envelope:
        at = self._begin + (number + 1) * SECOND // self._rate
        return usage(self._first + number, self._customers, at)


def check(ledger: Path, customers: int) -> int:
    """How much fell due at midnight. Each customer was granted once, and its chain is in order."""
    seqs: dict[str, int] = {}
    times: dict[str, int] = {}
    granted: set[str] = set()
    fell_due = 0
    for line in ledger.open("rb"):
        data = msgspec.json.decode(line)
        customer = data.get("customer")
        if customer is None:
            continue
        assert data["status"] == "applied", data
        assert data["seq"] == seqs.get(customer, 0) + 1, f"a chain does not join: {data}"
        at = parse_instant(data["effective_at"])
        assert at >= times.get(customer, 0), f"back in time: {data}"
        seqs[customer], times[customer] = data["seq"], at
        if at == MIDNIGHT and "due" in data["cause"]:
            fell_due += 1
            if data["cause"]["due"].startswith("refill"):
                assert customer not in granted, f"granted twice: {data}"
                granted.add(customer)
    assert len(granted) == customers, f"{customers - len(granted)} were not granted"
    return fell_due


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def row(table: Table, title: str, flow: Flow) -> None:
    waits = [1_000 * wait for wait in flow.waits]
    sizes = [size for size in flow.sizes if size]
    table.add_row(
        title,
        f"{flow.answered:,}",
        f"{len(flow.ends):,}",
        f"{percentile(sizes, 0.5):,} / {max(sizes, default=0):,}",
        *(f"{percentile(waits, share):,.1f}" for share in (0.5, 0.99)),
        f"{max(waits, default=0):,.1f}",
        f"{max(flow.late, default=0)}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=300_000)
    parser.add_argument("--rate", type=int, default=200, help="usage events a second")
    parser.add_argument("--seconds", type=float, default=5, help="of usage before midnight")
    given = parser.parse_args()
    console = Console(width=110)
    console.print(f"Python {sys.version.split()[0]}, one process, one partition, no broker")
    with tempfile.TemporaryDirectory() as directory:
        ledger = Path(directory) / "ledger.jsonl"
        with ledger.open("wb") as file:
            desk = Desk(Path(directory), file)
            facts = set_up(given.customers)
            begun = time.thread_time()
            while chunk := list(itertools.islice(facts, 1_000)):
                desk.batch(chunk, 60, START)
            while (due := desk.folder.due_at()) is not None and due <= START:
                desk.batch((), 60, START)
            console.print(
                f"{given.customers:,} customers set up in {time.thread_time() - begun:.0f} s"
            )
            table = Table(
                "", "usage", "batches", "due / batch, p50 / most", "p50 ms", "p99 ms", "most ms",
                "most batches", title=f"usage at {given.rate}/s: from arrival to the local write",
            )  # fmt: skip
            before = Flow(desk, given.customers, given.rate, MIDNIGHT - 60 * SECOND, 0)
            before.run(given.seconds)
            row(table, "before midnight", before)
            after = Flow(desk, given.customers, given.rate, MIDNIGHT, before.answered)
            lasted = after.run(1.0)
            row(table, "from midnight on", after)
            desk.close()
        console.print(table)
        items = check(ledger, given.customers)
        console.print(
            f"{items:,} items due at midnight, folded in {lasted:.1f} s by "
            f"{sum(1 for size in after.sizes if size):,} sweeps: "
            f"{1e6 * lasted / items:.0f} µs each, usage included\n"
            f"{given.customers:,} granted once each; all chains join; none goes back in time"
        )


if __name__ == "__main__":
    main()
