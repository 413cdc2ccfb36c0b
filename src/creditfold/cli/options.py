"""Options that commands share, with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

Output: TypeAlias = Annotated[
    Literal["table", "json"] | None,
    typer.Option(
        "--output", "-o", help="For people, or one JSON document (JSON lines) for programs."
    ),
]

DataDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the log and the state are.  [env: CREDITFOLD_DATA_DIR; "
        "default: creditfold-data]",
        show_default=False,
    ),
]

Source: TypeAlias = Annotated[
    str, typer.Argument(metavar="FILE", help="A file of JSON lines; - is standard input.")
]

Kafka: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="HOST:PORT",
        help="Brokers, by commas.  [env: CREDITFOLD_KAFKA; default: localhost:9092]",
        show_default=False,
    ),
]

OnKafka: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--kafka", metavar="HOST:PORT", help="On Kafka there, and not in the data directory."
    ),
]

Application: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--application",
        metavar="NAME",
        help="The workers' group.  [env: CREDITFOLD_APPLICATION; default: creditfold]",
        show_default=False,
    ),
]

Partitions: TypeAlias = Annotated[
    int | None,
    typer.Option("--partitions", metavar="N", min=1, help="Of every topic; they never change."),
]

FromTime: TypeAlias = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Recorded then or later.")
]
UntilTime: TypeAlias = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Recorded before then.")
]
Code: TypeAlias = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="Only those with this code.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Tell what would be sent, and send nothing.")
]
