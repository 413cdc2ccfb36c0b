"""`creditfold doctor`: why a worker would not run on this Kafka."""

from __future__ import annotations

import typer

from creditfold.cli.errors import Exit
from creditfold.cli.options import Application, Kafka, Output, Partitions

EXAMPLES = "Examples:  creditfold doctor --kafka broker:9092  ·  creditfold doctor -o json"

SIGNS = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}


def doctor(
    kafka: Kafka = None,
    partitions: Partitions = None,
    application: Application = None,
    output: Output = None,
) -> None:
    """Look at addresses, brokers, topics, clocks and transactions, in order, in a minute at most.

    Nothing is changed but a trial topic of its own. Exit code 1: something is wrong.
    """
    from rich.text import Text  # noqa: PLC0415  # start-up

    from creditfold.broker.doctor import examine  # noqa: PLC0415  # start-up
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output, application=application, partitions=partitions)
    found = examine(run.kafka, application=run.settings.application, partitions=run.partitions)
    if run.json:
        screen.emit({"ok": found.ok, "checks": found.checks})
    else:
        out = screen.console()
        screen.heading(out, "Doctor", f"at {run.at}")
        rows = [(Text(SIGNS[each.ok][0], SIGNS[each.ok][1]), each.name, each.detail)
                for each in found.checks]  # fmt: skip
        out.print(screen.table(("", "looked at", "found"), rows))
        for check in found.checks:
            if check.ok is False:
                text = f"  {check.name}: {check.advice}"
                out.print(screen.clean(text), style="red", soft_wrap=True)
        if found.ok:
            screen.next_steps(out, (run.command("worker"), "fold what comes"))
        else:
            screen.next_steps(out, (run.command("doctor"), "again, when that is corrected"))
    if not found.ok:
        raise typer.Exit(Exit.REFUSED)
