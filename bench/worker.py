"""Speed of the worker with the real fold on a real broker; each command takes at most 5 minutes.

    python bench/worker.py throughput   # worker, bare loop and Faust idiom, interleaved
    python bench/worker.py mix          # all kinds of facts beside usage alone, interleaved
    python bench/worker.py profile      # where the worker's time goes
    python bench/worker.py latency      # input to visible, worker and bare loop, interleaved
    python bench/worker.py recovery     # of 300,000 customers, cold and warm
    python bench/worker.py scale        # one worker, two workers
    python bench/worker.py disk         # bytes on the broker's disk by topic

The worker runs with its defaults. Broker, contenders and bench share the machine's cores: compare
rows of one run with each other, and not with another machine's. contenders.py says what the
others do.
"""

import argparse
import itertools
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from creditfold.broker.plan import changelog
from creditfold.contract.topics import LEDGER, NOTICES, REVENUE, USAGE
from creditfold.core.times import HOUR
from facts import backlog, life, publish, set_up, wall
from latency import Load, percentiles, run
from recovery import APPLICATION, recover
from stand import SOURCE, Process, Rate, Stand, Watcher, Worker, drain, measure, stand

console = Console(width=100)
Arguments = argparse.Namespace

# The broker compiles what it uses while it is used: its requests for transactions take a third of
# the time after a minute. So each contender has a first round that is not counted.
BROKER_WARM_SECONDS = 60.0


def begin(on: Stand, arguments: Arguments, *, events: int) -> tuple[int, int]:
    """Publish what sets up the customers, and usage; when, and how many outcomes come first."""
    at = wall() - HOUR
    publish(on.bootstrap, set_up(arguments.customers, at), on.partitions)
    publish(on.bootstrap, backlog(range(events), arguments.customers, at), on.partitions)
    return at, 2 * arguments.customers


def contend(
    on: Stand, arguments: Arguments, kind: str, name: str, at: int
) -> tuple[Process, Watcher]:
    """Start a contender; the watcher begins before its first outcome."""
    if kind == "worker":
        watcher = Watcher(on)
        return on.worker(name), watcher
    return on.rival(kind, name, at, arguments.customers), Watcher(on, name)


def throughput(arguments: Arguments) -> None:
    """The worker against the same fold in the plain Faust idiom and in a bare client's loop."""
    rates: dict[str, list[Rate]] = {"worker": [], "bare": [], "faust": []}
    heads: dict[str, dict[bytes, str | None]] = {}
    with stand(arguments.partitions) as on:
        at, first = begin(on, arguments, events=arguments.events)
        for number in range(arguments.rounds):
            for kind, runs in rates.items():
                name = f"{kind}-{number}"
                process, watcher = contend(on, arguments, kind, name, at)
                base = first if kind == "worker" else 0  # the others are set up in memory
                warm, last = base + arguments.events // 20, base + arguments.events
                slow = {"window": arguments.window} if kind == "faust" else {}
                runs.append(measure([process], watcher, warm, last, **slow))
                rate = runs[-1]
                console.print(
                    f"  {kind:7}{rate.events:>8,.0f} events/s {rate.cpu:>6.1f} µs CPU/event"
                )
                heads[kind] = watcher.heads()
                process.kill()
                on.forget(kind, name)
    medians = {
        kind: Rate(*map(statistics.median, zip(*runs, strict=True))) for kind, runs in rates.items()
    }
    table = Table("", "events/s", "of Faust", "of bare", "µs CPU/event", "peak MB")
    for kind, rate in medians.items():
        table.add_row(
            kind,
            f"{rate.events:,.0f}",
            f"{rate.events / medians['faust'].events:.1f}",
            f"{rate.events / medians['bare'].events:.0%}",
            f"{rate.cpu:.1f}",
            f"{rate.peak:,.0f}",
        )
    console.print(table)
    equal = heads["worker"] == heads["bare"]
    console.print(f"chains of worker and bare loop: {'equal' if equal else 'NOT EQUAL'}")


def mix(arguments: Arguments) -> None:
    """All kinds of facts as a business has them, beside usage alone by this code and another's.

    `mix.py` says what is among them, and what the fold alone takes for it. The first round warms
    the broker and is not counted. Facts that customers tell each other count as facts.
    """
    rows = {"usage alone": ("usage alone", SOURCE), "as a business": ("business", SOURCE)}
    if arguments.before is not None:
        rows = {"usage alone, before": ("usage alone", arguments.before / "src")} | rows
    rates: dict[str, list[Rate]] = {row: [] for row in rows}
    count, customers = arguments.events, arguments.customers
    with stand(arguments.partitions) as on:
        for number in range(-1, arguments.rounds):
            for row, (kind, source) in rows.items():
                opening, facts = life(kind, count, customers, wall() - HOUR)
                publish(on.bootstrap, itertools.chain(opening, facts), on.partitions)
                watcher = Watcher(on)
                first = sum(fact.subject is not None for fact in opening)
                name = f"{kind.replace(' ', '-')}-{len(on.processes)}"
                worker = on.worker(name, source=source)
                rate = measure([worker], watcher, first + count // 20, first + count)
                if number >= 0:
                    rates[row].append(rate)
                worker.kill()
                on.forget("worker", name, facts=True)
    base = next(iter(rates.values()))
    table = Table("facts", "facts/s", "throughput", "µs CPU/fact", "peak MB")
    for row, runs in rates.items():
        rate = Rate(*map(statistics.median, zip(*runs, strict=True)))
        ratio = statistics.median(r.events / b.events for r, b in zip(runs, base, strict=True))
        figures = (f"{rate.events:,.0f}", f"{ratio:.2f}", f"{rate.cpu:.1f}", f"{rate.peak:,.0f}")
        table.add_row(row, *figures)
    console.print(table)


def profile(arguments: Arguments) -> None:
    """The 15 functions with the most time of their own; a profiler slows small calls most."""
    with tempfile.TemporaryDirectory() as temporary, stand(arguments.partitions) as on:
        _, first = begin(on, arguments, events=arguments.events)
        path = Path(temporary) / "profile"
        watcher = Watcher(on)
        worker = on.worker("profiled", profile=path)
        drain([worker], watcher, first + arguments.events)
        worker.stop()
        stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    rows = {at: row for at, row in stats.items() if "'poll' of 'select.epoll'" not in at[2]}
    total = sum(own for _, _, own, _, _ in rows.values())
    table = Table("function", "calls", "own time", title="the worker's loop, under a profiler")
    for (file, _, name), (_, calls, own, _, _) in sorted(rows.items(), key=lambda r: -r[1][2])[:15]:
        where = Path(file).stem if "/" in file else ""
        table.add_row(f"{where} {name}".strip(), f"{calls:,}", f"{own / total:.1%}")
    console.print(table)


def latency(arguments: Arguments) -> None:
    """From sent to visible, in milliseconds, and how much of a core that takes."""
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    cores: dict[tuple[int, str], list[float]] = defaultdict(list)
    with stand(arguments.partitions) as on:
        at, first = begin(on, arguments, events=0)
        load = Load(on, arguments.customers)
        load.send(1, 1)
        for number in range(-1, arguments.rounds):
            counted = number >= 0
            for kind in ("worker", "bare"):
                name = f"{kind}-{number}"
                process, watcher = contend(on, arguments, kind, name, at)
                before = (first if kind == "worker" else 0) + len(load.sent)
                drain([process], watcher, before)
                for rate in arguments.rates if counted else arguments.rates[:1]:
                    began, used = time.monotonic(), process.cpu_seconds()
                    lasts = arguments.seconds if counted else BROKER_WARM_SECONDS
                    seconds = list(run(load, process, watcher, rate, lasts))
                    took = time.monotonic() - began
                    if counted:
                        found[rate, kind] += seconds
                        cores[rate, kind].append((process.cpu_seconds() - used) / took)
                process.kill()
                on.forget(kind, name)
    table = Table("events/s", "", "p50 ms", "p99 ms", "p99.9 ms", "p99 of bare", "cores")
    for (rate, kind), seconds in sorted(found.items()):
        these, bare = percentiles(seconds), percentiles(found[rate, "bare"])
        figures = [f"{each:.1f}" for each in these]
        busy = statistics.mean(cores[rate, kind])
        ratio = f"{these.p99 / bare.p99:.2f}"
        table.add_row(f"{rate:,}", kind, *figures, ratio, f"{busy:.2f}")
    console.print(table)


def recovery(arguments: Arguments) -> None:
    """A worker folds, is stopped, and starts again without and with its state directory."""
    with stand(arguments.partitions) as on:
        _, first = begin(on, arguments, events=arguments.customers)
        watcher = Watcher(on)
        worker = on.worker(APPLICATION)
        drain([worker], watcher, first + arguments.customers)
        worker.stop()
        runs = {"cold": recover(on, "cold"), "warm": recover(on, APPLICATION)}
    table = Table("", "ready after s", "reading s", "records", "changelog MB", "state MB")
    for name, (seconds, reading, records, log, state) in runs.items():
        figures = (f"{seconds:.1f}", f"{reading:.1f}", f"{records:,}", f"{log:.0f}", f"{state:.0f}")
        table.add_row(name, *figures)
    console.print(table)


def scale(arguments: Arguments) -> None:
    """One worker, and two that keep standbys for each other, over backlogs of one size."""
    rates: dict[int, list[Rate]] = {1: [], 2: []}
    workers: list[Worker] = []
    events, sent = arguments.events, 0
    with stand(arguments.partitions) as on:
        at, first = begin(on, arguments, events=0)
        watcher = Watcher(on)
        for number in range(arguments.rounds):
            for count, runs in rates.items():
                if count < len(workers):
                    workers.pop().stop()
                while len(workers) < count:
                    workers.append(on.worker("scale", f"scale-{number}-{len(workers)}"))
                for each in workers:
                    each.wait_ready(on.partitions // count)
                numbers = range(sent, sent + events)
                publish(on.bootstrap, backlog(numbers, arguments.customers, at), on.partitions)
                # what was folded while the rest was still published does not count
                begun, sent = first + sent + events // 3, sent + events
                runs.append(measure(workers, watcher, begun, first + sent))
    table = Table("workers", "events/s", "µs CPU/event", "peak MB of one")
    for count, runs in rates.items():
        rate = Rate(*map(statistics.median, zip(*runs, strict=True)))
        table.add_row(f"{count}", f"{rate.events:,.0f}", f"{rate.cpu:.1f}", f"{rate.peak:,.0f}")
    console.print(table)


def disk(arguments: Arguments) -> None:
    """What a usage event adds to each topic's log, before anything is compacted."""
    topics = [topic.name for topic in (USAGE, LEDGER, REVENUE, NOTICES)] + [changelog("disk")]
    with stand(arguments.partitions) as on:
        at, first = begin(on, arguments, events=0)
        watcher = Watcher(on)
        worker = on.worker("disk")
        drain([worker], watcher, first)
        before = {topic: on.log_bytes(topic) for topic in topics}
        usage = backlog(range(arguments.events), arguments.customers, at)
        publish(on.bootstrap, usage, on.partitions)
        drain([worker], watcher, first + arguments.events)
        after = {topic: on.log_bytes(topic) for topic in topics}
    table = Table("topic", "bytes a usage event")
    each = {topic: (after[topic] - before[topic]) / arguments.events for topic in topics}
    for topic, size in (each | {"all": sum(each.values())}).items():
        table.add_row(topic, f"{size:,.0f}")
    console.print(table)


COMMANDS_OF: dict[str, tuple[Callable[[Arguments], None], dict[str, object]]] = {
    "throughput": (
        throughput,
        {"events": 100_000, "customers": 10_000, "rounds": 2, "window": 10.0},
    ),
    "mix": (mix, {"events": 50_000, "customers": 1_000, "rounds": 2}),
    "profile": (profile, {"events": 50_000, "customers": 10_000}),
    "latency": (latency, {"customers": 10_000, "rounds": 2, "seconds": 15.0}),
    "recovery": (recovery, {"customers": 300_000}),
    "scale": (scale, {"events": 150_000, "customers": 10_000, "rounds": 2}),
    "disk": (disk, {"events": 50_000, "customers": 10_000}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, options) in COMMANDS_OF.items():
        command = commands.add_parser(name)
        command.add_argument("--partitions", type=int, default=12)
        for option, default in options.items():
            command.add_argument(f"--{option}", type=type(default), default=default)
        if name == "mix":
            command.add_argument("--before", type=Path, help="a checkout whose worker runs too")
        if name == "latency":
            command.add_argument("--rates", type=int, nargs="+", default=[500, 5_000])
    arguments = parser.parse_args()
    given = ", ".join(f"{k} {v}" for k, v in sorted(vars(arguments).items()) if k != "command")
    console.print(
        f"{arguments.command}: {given}\n{os.cpu_count()} cores for all, one Apache Kafka from its "
        f"jars, Python {sys.version.split()[0]}"
    )
    COMMANDS_OF[arguments.command][0](arguments)


if __name__ == "__main__":
    main()
