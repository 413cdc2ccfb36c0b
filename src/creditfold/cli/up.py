"""`creditfold up`: all of it on one machine, until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from creditfold.cli.options import Kafka, Output, Partitions

EXAMPLES = (
    "Examples:  creditfold up --demo  ·  creditfold up --kafka broker:9092 --partitions 4  ·  "
    "creditfold up --demo --rows 300 -o json"
)


def up(
    kafka: Kafka = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Publish the demo's facts and show what became of them.")
    ] = False,
    rows: Annotated[
        int | None,
        typer.Option("--rows", metavar="N", min=1, help="Only the demo's first N requests."),
    ] = None,
    partitions: Partitions = None,
    http_port: Annotated[
        int | None, typer.Option("--http-port", help="The worker's; 0 takes a free one.")
    ] = None,
    output: Output = None,
) -> None:
    """Run a broker, its topics and a worker, until Ctrl-C stops all of it in order.

    The broker is the one that is named, else one in Docker, else one from Kafka's jars; one that
    is started here ends with the command, and nothing of it is kept.
    """
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up
    from creditfold.cli.up_machine import run_machine  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output, partitions=partitions, http_port=http_port)
    named = run.at if "kafka" in run.settings.model_fields_set else None
    run_machine(run, named, demo=demo, rows=rows)
