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
