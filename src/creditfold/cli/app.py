"""`creditfold`: assembles the commands. Each lives in its own file and loads its rooms when run."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import creditfold.cli.config as config
import creditfold.cli.customer as customer
import creditfold.cli.demo as demo
import creditfold.cli.doctor as doctor
import creditfold.cli.letters as letters
import creditfold.cli.program as program
import creditfold.cli.publish as publish
import creditfold.cli.replay as replay
import creditfold.cli.schemas as schemas
import creditfold.cli.simulate as simulate
import creditfold.cli.topics as topics
import creditfold.cli.trace as trace
import creditfold.cli.transfer as transfer
import creditfold.cli.up as up
import creditfold.cli.worker as worker
from creditfold.cli.errors import explained

HELP = """Credits for usage-based billing: publish facts, and follow every number back to them.

Begin with [bold]creditfold demo[/bold]: real usage runs through the real fold, without Kafka.
[bold]creditfold up --demo[/bold] does it on Kafka.
"""

EPILOG = (
    "Exit codes: 0 ok · 1 something was refused or differs · 2 wrong use · 3 the directory, "
    "the log or Kafka cannot be used. Every command takes --output json."
)


class Commands(TyperGroup):
    """Ends every command with an exit code and, where it failed, with one sentence."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # typer's own signature
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has gone: nothing is left to say, not even at shutdown.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # until exit
            raise typer.Exit(0) from None
        except (KeyboardInterrupt, Exception) as error:
            if type(error).__module__.startswith("typer."):
                raise  # an exit that was meant, or wrong use: typer says what, and ends with 2
            if os.environ.get("CREDITFOLD_DEBUG", "").lower() in ("1", "true", "yes"):
                raise
            failure = explained(error)
            typer.echo(f"error: {failure}", err=True)
            raise typer.Exit(failure.code) from None


app = typer.Typer(
    name="creditfold",
    cls=Commands,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # start-up

        try:
            typer.echo(f"creditfold {version('creditfold')}")
        except PackageNotFoundError:
            typer.echo("creditfold (not installed: run from its sources)")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


app.command("demo", epilog=demo.EXAMPLES)(demo.demo)
app.command("publish", epilog=publish.EXAMPLES)(publish.publish)
app.add_typer(customer.app, name="customer")
app.command("trace", epilog=trace.EXAMPLES)(trace.trace)
app.command("simulate", epilog=simulate.EXAMPLES)(simulate.simulate)
app.add_typer(program.app, name="program")
app.command("replay", epilog=replay.EXAMPLES)(replay.replay)
app.command("schemas", epilog=schemas.EXAMPLES)(schemas.schemas)
app.command("up", epilog=up.EXAMPLES)(up.up)
app.command("worker", epilog=worker.EXAMPLES)(worker.worker)
app.add_typer(topics.app, name="topics")
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("export", epilog=transfer.EXPORT_EXAMPLES)(transfer.export)
app.command("import", epilog=transfer.IMPORT_EXAMPLES)(transfer.import_)
app.add_typer(letters.rejections, name="rejections")
app.add_typer(letters.dead_letters, name="dead-letters")
app.command("config", epilog=config.EXAMPLES)(config.config)


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign must not end the command.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
