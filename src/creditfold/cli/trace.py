"""`creditfold trace`: what became of one input, down to the formula of each posting."""

from __future__ import annotations

from typing import Annotated

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import DataDir, Output

EXAMPLES = (
    "Examples:  creditfold trace az-17-in  ·  creditfold trace u-1 --source my-service -o json  ·  "
    "creditfold trace 1f6c…e2.p1 (the id of an outcome, entry, overage or posting)"
)


def trace(
    event: Annotated[
        str, typer.Argument(metavar="EVENT_ID", help="An event's id, or any id made from it.")
    ],
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="S", help="Whose event: ids are unique for a source."),
    ] = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Tell what became of an event: its record, outcomes, entries, postings and balances.

    Exit code 1: the log has never seen it.
    """
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
