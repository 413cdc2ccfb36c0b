"""`creditfold worker`: a process that folds its share of the partitions on Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from creditfold.cli.options import Application, Kafka, Output, Partitions

EXAMPLES = (
    "Examples:  creditfold worker --kafka broker:9092  ·  "
    "CREDITFOLD_KAFKA=broker:9092 creditfold worker --http-port 8081 --state-dir /var/lib/second"
)


def worker(
    kafka: Kafka = None,
    application: Application = None,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", metavar="DIR", help="This worker's own, on a local disk."),
    ] = None,
    partitions: Partitions = None,
    replication: Annotated[
        int | None, typer.Option("--replication", help="Replicas of a changelog made here.")
    ] = None,
    standbys: Annotated[
        int | None, typer.Option("--standbys", help="Warm copies of each partition's state.")
    ] = None,
    dead_letters_max: Annotated[
        int | None,
        typer.Option("--dead-letters-max", help="Unreadable of 1,000 before a partition halts."),
    ] = None,
    session_seconds: Annotated[
        float | None, typer.Option("--session-seconds", help="The group's time-out.")
    ] = None,
    transaction_seconds: Annotated[
        float | None, typer.Option("--transaction-seconds", help="A batch's time-out.")
    ] = None,
    stalled_seconds: Annotated[
        float | None,
        typer.Option("--stalled-seconds", help="Standing still so long fails /healthz."),
    ] = None,
    http_host: Annotated[
        str | None, typer.Option("--http-host", help="Where HTTP listens, without a password.")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option("--http-port", help="Its port; 0 takes a free one.")
    ] = None,
    advertised_url: Annotated[
        str | None, typer.Option("--advertised-url", help="How other workers name this one.")
    ] = None,
    log_format: Annotated[
        Literal["auto", "json", "console"] | None,
        typer.Option("--log-format", help="Of the lines on stderr."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option("--log-level", help="From where on lines are written."),
    ] = None,
    output: Output = None,
) -> None:
    """Fold facts on Kafka until told to stop: SIGTERM or Ctrl-C ends it in order, with code 0.

    Every flag can be a variable CREDITFOLD_<NAME>; a flag wins. --output json is --log-format
    json. Exit code 70: it may not go on, and the last line on stderr says why.
    """
    from creditfold.worker.run import run  # noqa: PLC0415  # start-up
    from creditfold.worker.settings import load  # noqa: PLC0415  # start-up

    settings = load(
        kafka=kafka,
        application=application,
        state_dir=state_dir,
        partitions=partitions,
        replication=replication,
        standbys=standbys,
        dead_letters_max=dead_letters_max,
        session_seconds=session_seconds,
        transaction_seconds=transaction_seconds,
        stalled_seconds=stalled_seconds,
        http_host=http_host,
        http_port=http_port,
        advertised_url=advertised_url,
        log_format=log_format or ("json" if output == "json" else None),
        log_level=log_level,
    )
    run(settings)
