"""`creditfold trace`: what became of one input, down to the formula of each posting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import DataDir, OnKafka, Output

EXAMPLES = (
    "Examples:  creditfold trace az-17-in  ·  creditfold trace u-1 --source my-service -o json  ·  "
    "creditfold trace 1f6c…e2.p1 (the id of an outcome, entry, overage or posting)  ·  "
    "creditfold trace u-1 --kafka broker:9092 --customer c-017"
)


def trace(
    event: Annotated[
        str, typer.Argument(metavar="EVENT_ID", help="An event's id, or any id made from it.")
    ],
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="S", help="Whose event: ids are unique for a source."),
    ] = None,
    kafka: OnKafka = None,
    customer: Annotated[
        str | None,
        typer.Option("--customer", metavar="C", help="On Kafka: look only where C's facts are."),
    ] = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Tell what became of an event: its record, outcomes, entries, postings and balances.

    On Kafka it is a scan, of a minute at most, for the ids of events. Exit code 1: the log has
    never seen it.
    """
    if kafka is not None:
        _on_kafka(event, source, customer, kafka, data_dir, output)
        return
    from creditfold.cli import screen, story  # noqa: PLC0415  # start-up
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up

    run = Run(data_dir, output)
    with run.read() as runtime:
        told = story.tell(runtime.log, event, source)
    if told is None:
        whose = "" if source is None else f" of source {screen.clean(source)}"
        raise CommandError(
            f"the log in {run.directory} has never seen {screen.clean(event)}{whose}: check the id "
            "and --data-dir; a line that publish found bad was never sent",
            Exit.REFUSED,
        )
    if run.json:
        screen.emit(told)
    else:
        from creditfold.cli.story_screen import show_story  # noqa: PLC0415  # start-up

        show_story(screen.console(), told, run)


def _on_kafka(
    event: str,
    source: str | None,
    customer: str | None,
    kafka: str,
    data_dir: Path | None,
    output: str | None,
) -> None:
    from creditfold.broker.find import find  # noqa: PLC0415  # start-up
    from creditfold.cli import screen, story  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster, only_kafka  # noqa: PLC0415  # start-up

    only_kafka(data_dir)
    run = Cluster(kafka, output)
    found = find(run.kafka, event, source=source, customer=customer)
    told = story.tell_found(event, found)
    if told is None:
        more = "" if found.complete else ", as far as a minute reached: name its --customer"
        raise CommandError(
            f"{run.at} has never seen {screen.clean(event)}{more}; check the id of the event, "
            "--source and --customer",
            Exit.REFUSED,
        )
    if run.json:
        screen.emit(told)
        return
    from creditfold.cli.story_screen import show_story  # noqa: PLC0415  # start-up

    show_story(screen.console(), told, run)
    if not found.complete:
        typer.echo("there may be more: the scan stopped early; name its --customer", err=True)
