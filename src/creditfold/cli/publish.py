"""`creditfold publish`: facts from JSON lines into the log, each answered."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import DataDir, OnKafka, Output, Source

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from creditfold.cli.opening import Run
    from creditfold.cli.publishing import Counts, Problem

EXAMPLES = (
    "Examples:  creditfold publish facts.jsonl  ·  "
    "zcat usage.jsonl.gz | creditfold publish - --rejects bad.jsonl  ·  "
    "creditfold publish facts.jsonl --kafka broker:9092"
)

SHOWN_MAX = 20

ADVICE = {
    "too_late": "for history, let the file begin with a creditfold.clock.held.v1 fact and give "
    "every line its recordedtime",
    "unknown_customer": "publish the customer.created facts, then these lines again",
    "unknown_meter": "publish the meter.declared facts, then these lines again",
    "unknown_unit": "publish the unit.declared facts, then these lines again",
    "unknown_invoice": "publish the invoice.issued facts, then these lines again",
}


def publish(
    file: Source = "-",
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects", metavar="FILE", help="Write the lines that did not count, as they were."
        ),
    ] = None,
    kafka: OnKafka = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Check, send and fold facts: structured CloudEvents, one JSON object a line.

    A line that breaks the contract is never sent; the others are. Running it again is safe:
    what was taken before is a duplicate. On Kafka a worker folds: `trace` tells its answer. Exit
    code 1: a line was bad or refused.
    """
    if kafka is not None:
        _to_kafka(file, rejects, kafka, data_dir, output)
        return
    from creditfold.cli.clock import wall_clock  # noqa: PLC0415  # start-up
    from creditfold.cli.lines import source  # noqa: PLC0415  # start-up
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up
    from creditfold.cli.publishing import Publisher  # noqa: PLC0415  # start-up

    run = Run(data_dir, output)
    report = _Report(as_json=run.json)
    with source(file) as stream, _rejects(rejects, file) as kept, run.write() as runtime:
        publisher = Publisher(runtime, wall_clock, report.problem, kept)
        try:
            for counts in publisher.publish(stream):
                report.progress(counts)
        except BaseException:
            if publisher.counts.lines:
                report.end(publisher.counts, run, complete=False)
            raise
        report.end(publisher.counts, run, complete=True)
    if not publisher.counts.clean:
        raise typer.Exit(Exit.REFUSED)


def _to_kafka(
    file: str, rejects: Path | None, kafka: str, data_dir: Path | None, output: str | None
) -> None:
    from creditfold.cli.cluster import Cluster, only_kafka  # noqa: PLC0415  # start-up
    from creditfold.cli.lines import source  # noqa: PLC0415  # start-up
    from creditfold.cli.publish_kafka import KafkaPublishing, tell  # noqa: PLC0415  # start-up

    only_kafka(data_dir)
    run = Cluster(kafka, output)
    report = _Report(as_json=run.json)
    with source(file) as stream, _rejects(rejects, file) as kept:
        publishing = KafkaPublishing(run, report.problem, kept)
        try:
            publishing.publish(stream, report.progress)
        except BaseException:
            report.clear()
            tell(publishing.counts, run, complete=False)
            raise
    report.clear()
    tell(publishing.counts, run, complete=True)
    if not publishing.counts.clean:
        raise typer.Exit(Exit.REFUSED)


def _rejects(path: Path | None, file: str) -> AbstractContextManager[BinaryIO | None]:
    if path is None:
        return nullcontext()
    if path.exists() and Path(file).exists() and path.samefile(file):
        raise CommandError(f"{path} is the file that is read: name another one for --rejects")
    try:
        return path.open("wb")
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written ({error.strerror}): name another file for --rejects"
        ) from error


class _Report:
    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._shown = 0
        self._live = sys.stderr.isatty()

    def problem(self, problem: Problem) -> None:
        from creditfold.cli.screen import clean, emit  # noqa: PLC0415  # start-up

        if self._json:
            emit(problem._asdict())
            return
        self._shown += 1
        if self._shown <= SHOWN_MAX:
            whose = "" if problem.id is None else f" ({problem.id})"
            typer.echo(
                clean(f"line {problem.line}{whose}: {problem.code}: {problem.detail}"), err=True
            )
        elif self._shown == SHOWN_MAX + 1:
            typer.echo("… more: --output json tells each, --rejects FILE keeps them", err=True)

    def progress(self, counts: Counts) -> None:
        if self._live:
            sys.stderr.write(f"\r{counts.lines:,} lines …\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")

    def end(self, counts: Counts, run: Run, *, complete: bool) -> None:
        self.clear()
        if self._json:
            _emit_summary(counts, complete=complete)
        else:
            _show_summary(counts, run, complete=complete)


def _emit_summary(counts: Counts, *, complete: bool) -> None:
    from creditfold.cli.screen import emit  # noqa: PLC0415  # start-up

    emit(
        {
            "complete": complete,
            "lines": counts.lines,
            "bad": counts.bad,
            "applied": counts.statuses["applied"],
            "duplicate": counts.statuses["duplicate"],
            "rejected": counts.statuses["rejected"],
            "due": counts.due,
            "earlier": counts.earlier,
            "codes": dict(sorted(counts.codes.items())),
        }
    )


def _show_summary(counts: Counts, run: Run, *, complete: bool) -> None:
    from creditfold.cli import screen  # noqa: PLC0415  # start-up

    out = screen.console()
    title = f"{counts.lines:,} lines" if complete else f"Stopped after {counts.lines:,} lines"
    screen.heading(out, title, f"into {run.directory}")
    rows = [
        ("applied", counts.statuses["applied"], "entered the ledger"),
        ("duplicate", counts.statuses["duplicate"], "were taken before; nothing changed"),
        ("rejected", counts.statuses["rejected"], "sent, and refused by the fold"),
        ("bad", counts.bad, "broke the contract; not sent"),
        ("due", counts.due, "clock steps: what fell due meanwhile"),
    ]
    if counts.earlier:
        rows.append(("earlier", counts.earlier, "sent by a run that was interrupted; folded now"))
    out.print(screen.counted("outcome", rows))
    if counts.codes:
        why = [
            (code, count, ADVICE.get(code, "correct these lines and publish them again"))
            for code, count in counts.codes.most_common()
        ]
        out.print(screen.counted("code", why, "what to do"))
    screen.next_steps(
        out,
        (run.command("customer list"), "who has what"),
        (run.command("trace EVENT_ID"), "what became of one line"),
        (run.command("replay --verify"), "prove it: fold again and compare every byte"),
    )
