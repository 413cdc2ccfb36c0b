"""`creditfold export` and `creditfold import`: history onto fresh topics, with the clock held."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import Application, DataDir, Kafka, Output

if TYPE_CHECKING:
    from creditfold.broker.transfer import Progress
    from creditfold.cli.cluster import Cluster
    from creditfold.contract.envelope import Envelope

EXPORT_EXAMPLES = (
    "Examples:  creditfold export --kafka broker:9092  ·  "
    "creditfold export --data-dir ./creditfold-demo --kafka broker:9092 -o json"
)
IMPORT_EXAMPLES = (
    "Examples:  creditfold import history.jsonl --kafka broker:9092  ·  "
    "creditfold import 2024.jsonl --name first-history -o json"
)

SHOWN_MAX = 20


def export(
    kafka: Kafka = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="The same each time it goes on.")
    ] = "embedded",
    application: Application = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Put all facts of a data directory on Kafka, in the order in which they were recorded.

    Into fresh topics, with no worker running. Run it again after a failure: it goes on.
    """
    from creditfold.broker.transfer import export_log  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up

    run = Cluster(kafka, output, application=application)
    with Run(data_dir, output).read() as runtime:
        done = export_log(
            run.kafka,
            runtime.log,
            name=name,
            report=_progress,
            application=run.settings.application,
        )
    _tell(run, done, name)


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of JSON lines.")],
    kafka: Kafka = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="The same each time; else the file's name."),
    ] = None,
    application: Application = None,
    output: Output = None,
) -> None:
    """Put history on Kafka: facts in arrival order, each recorded at its recordedtime, else time.

    The clock is held around it, and stays held where the file holds it at its end. All lines are
    checked first. Into fresh topics, with no worker running; run it again after a failure: it goes
    on. Exit code 1: a line is bad, nothing was sent.
    """
    from pathlib import Path  # noqa: PLC0415  # start-up

    from creditfold.broker.history import of_envelopes  # noqa: PLC0415  # start-up
    from creditfold.broker.transfer import import_history  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up

    if not Path(file).is_file():
        raise CommandError(f"{file} is no file: it is read twice, so name one of JSON lines")
    run = Cluster(kafka, output, application=application)
    _refuse_bad(file, run)
    named = Path(file).name if name is None else name
    done = import_history(
        run.kafka,
        of_envelopes(_envelopes(file)),
        name=named,
        report=_progress,
        application=run.settings.application,
    )
    _tell(run, done, named)


def _envelopes(file: str) -> Iterator[Envelope]:
    from creditfold.cli.lines import lines, source  # noqa: PLC0415  # start-up
    from creditfold.cli.publishing import Problem, check  # noqa: PLC0415  # start-up
    from creditfold.contract.envelope import EVENT_BYTES_MAX  # noqa: PLC0415  # start-up

    with source(file) as stream:
        for line in lines(stream, EVENT_BYTES_MAX):
            found = check(line)
            if isinstance(found, Problem):
                raise CommandError(
                    f"{file} has changed while it was imported: line {line.number} is bad now",
                    Exit.REFUSED,
                )
            yield found


def _refuse_bad(file: str, run: Cluster) -> None:
    from creditfold.cli.lines import lines, source  # noqa: PLC0415  # start-up
    from creditfold.cli.publishing import Problem, check  # noqa: PLC0415  # start-up
    from creditfold.cli.screen import clean, emit  # noqa: PLC0415  # start-up
    from creditfold.contract.envelope import EVENT_BYTES_MAX  # noqa: PLC0415  # start-up

    bad = 0
    with source(file) as stream:
        for line in lines(stream, EVENT_BYTES_MAX):
            found = check(line)
            if not isinstance(found, Problem):
                continue
            bad += 1
            if run.json:
                emit(found._asdict())
            elif bad <= SHOWN_MAX:
                typer.echo(clean(f"line {found.line}: {found.code}: {found.detail}"), err=True)
    if bad:
        raise CommandError(
            f"{bad} lines of {file} are bad and nothing was sent: correct them, since history "
            "cannot be added to later",
            Exit.REFUSED,
        )


def _progress(progress: Progress) -> None:
    if sys.stderr.isatty():
        end = "\r\x1b[K" if progress.finished else f"\r{progress.done:,} facts …\x1b[K"
        sys.stderr.write(end)
        sys.stderr.flush()


def _tell(run: Cluster, done: Progress, name: str) -> None:
    from creditfold.cli import screen  # noqa: PLC0415  # start-up

    if run.json:
        fields = {field: getattr(done, field) for field in done.__struct_fields__}
        screen.emit({"name": name, **fields})
        return
    out = screen.console()
    screen.heading(out, f"{done.done:,} facts of {screen.clean(name)}", f"are on {run.at}")
    rows = [
        ("sent now", done.sent, "the others were there already"),
        ("moved", done.moved, "recorded milliseconds later, to keep their order"),
        ("left out", done.left_out, "the history's own clock.held and clock.released"),
    ]
    out.print(screen.counted("facts", rows))
    if done.held:
        out.print(
            "  the clock stays held, as the history leaves it: publish clock.released to let it "
            "run",
            style="yellow",
            soft_wrap=True,
        )
    screen.next_steps(
        out,
        (run.command("worker"), "fold them"),
        (run.command("replay --verify"), "then prove it: fold again and compare every byte"),
    )
