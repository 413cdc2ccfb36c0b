"""`creditfold topics`: the topics on Kafka, made and looked at; nothing is ever deleted."""

from __future__ import annotations

from typing import Annotated

import typer

from creditfold.cli.errors import Exit
from creditfold.cli.options import Application, Kafka, Output, Partitions

app = typer.Typer(help="Make the topics on Kafka, and look at them.", no_args_is_help=True)

CREATE_EXAMPLES = (
    "Examples:  creditfold topics create --kafka broker:9092  ·  "
    "creditfold topics create --partitions 24 --replication 3"
)
DESCRIBE_EXAMPLES = (
    "Examples:  creditfold topics describe --kafka broker:9092  ·  "
    "creditfold topics describe -o json"
)


@app.command("create", epilog=CREATE_EXAMPLES)
def create(
    kafka: Kafka = None,
    partitions: Partitions = None,
    replication: Annotated[
        int | None, typer.Option("--replication", help="Replicas; else as many as brokers, to 3.")
    ] = None,
    min_isr: Annotated[
        int | None, typer.Option("--min-isr", help="Replicas in sync; else one less than all.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Also correct the settings of topics that are there.")
    ] = False,
    application: Application = None,
    output: Output = None,
) -> None:
    """Make the topics that are missing; what is there is left as it is.

    Topics with another number of partitions are refused before anything is made.
    """
    from creditfold.broker import topics  # noqa: PLC0415  # start-up
    from creditfold.broker.plan import plan  # noqa: PLC0415  # start-up
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output, application=application, partitions=partitions)
    name, count = run.settings.application, run.settings.partitions
    made = topics.create(
        run.kafka, application=name, partitions=count, replication=replication, min_isr=min_isr
    )
    repaired = topics.repair(run.kafka, application=name, min_isr=min_isr) if repair else ()
    names = [each.name for each in plan(name)]
    if run.json:
        screen.emit({"partitions": count, "created": made, "repaired": repaired, "topics": names})
        return
    out = screen.console()
    screen.heading(out, f"{len(made)} topics made", f"at {run.at}, {count} partitions each")
    rows = [
        (each, "made" if each in made else "repaired" if each in repaired else "was there")
        for each in names
    ]
    out.print(screen.table(("topic", ""), rows))
    screen.next_steps(
        out,
        (run.command("doctor"), "see whether a worker would run here"),
        (run.command("worker"), "fold what comes"),
    )


@app.command("describe", epilog=DESCRIBE_EXAMPLES)
def describe(
    kafka: Kafka = None,
    partitions: Partitions = None,
    application: Application = None,
    output: Output = None,
) -> None:
    """Compare the topics with what they have to be; nothing is changed.

    Exit code 1: a worker may not run with them.
    """
    from creditfold.broker.describe import describe as look  # noqa: PLC0415  # start-up
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output, application=application, partitions=partitions)
    found = look(run.kafka, application=run.settings.application, partitions=run.partitions)
    if run.json:
        screen.emit({"ok": found.ok, "topics": found.topics, "findings": found.findings})
    else:
        out = screen.console()
        screen.heading(out, "Topics", f"at {run.at}")
        rows = [
            (
                topic.name,
                topic.partitions,
                topic.replication,
                topic.settings.get("cleanup.policy", "missing"),
            )
            for topic in found.topics
        ]
        columns = ("topic", "partitions", "replicas", "kept by")
        out.print(screen.table(columns, rows, right=columns[1:3]))
        for finding in found.findings:
            where = f"{finding.topic}: " if finding.topic else ""
            style = "red" if finding.grave else "yellow"
            text = f"  {where}{finding.what}: {finding.advice}"
            out.print(screen.clean(text), style=style, soft_wrap=True)
        if found.ok:
            screen.next_steps(out, (run.command("doctor"), "look at all that a worker needs"))
        else:
            screen.next_steps(out, (run.command("topics create"), "make those that are missing"))
    if not found.ok:
        raise typer.Exit(Exit.REFUSED)
