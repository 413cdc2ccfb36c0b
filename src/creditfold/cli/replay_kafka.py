"""A replay of all partitions on Kafka."""

from __future__ import annotations

from typing import Any

from creditfold.audit.chain import check
from creditfold.audit.replay import verify
from creditfold.broker.kafka_log import LiveLog
from creditfold.broker.plan import equal_count
from creditfold.cli import screen
from creditfold.cli.cluster import Cluster, one_by_one
from creditfold.cli.replay import document_of, show_difference

SUMMED = (
    "batches",
    "inputs",
    "waiting",
    "outcomes",
    "postings",
    "notices",
    "dead_letters",
    "records",
    "differences",
    "chains",
    "broken_links",
)


def replay_all(run: Cluster) -> bool:
    """Verify one partition after another and tell it; whether all agree."""
    found = []
    for partition in one_by_one(equal_count(run.kafka)):
        log = LiveLog(run.kafka, partition)
        found.append({"partition": partition, **document_of(verify(log), check(log))})
    agrees = all(each["agrees"] for each in found)
    sums = {name: sum(each[name] for each in found) for name in SUMMED}
    if run.json:
        screen.emit({"agrees": agrees, **sums, "partitions": found})
    else:
        _show(run, found, sums, agrees=agrees)
    return agrees


def _show(run: Cluster, found: list[dict[str, Any]], sums: dict[str, int], *, agrees: bool) -> None:
    out = screen.console()
    screen.heading(out, "Replay", f"{run.at}, {len(found)} partitions")
    shown = ("batches", "inputs", "waiting", "outcomes", "records", "differences", "broken_links")
    rows = [
        (label, *(f"{each[name]:,}" for name in shown))
        for label, each in (*((str(each["partition"]), each) for each in found), ("all", sums))
    ]
    columns = ("partition", *(name.replace("_", " ") for name in shown))
    out.print(screen.table(columns, rows, right=columns))
    if agrees:
        out.print("  ✓ the log and its replay are the same to the byte", style="green")
        screen.next_steps(out, (run.command("trace EVENT_ID"), "what became of one event"))
        return
    differing = next(each for each in found if not each["agrees"])
    out.print(f"  ✗ partition {differing['partition']} begins to differ", style="red")
    show_difference(differing)
    screen.next_steps(
        out, (run.command("replay --verify -o json"), "the same for a program, with all findings")
    )
