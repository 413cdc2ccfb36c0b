"""`creditfold demo`: real usage through the real fold, in a fresh directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditfold.demo.figures import Figures
    from creditfold.demo.trace import Request

EXAMPLES = (
    "Examples:  creditfold demo  ·  creditfold demo --trace azure-llm-conv-2023.csv  ·  "
    "creditfold demo --facts-only > facts.jsonl"
)
DIRECTORY = Path("creditfold-demo")


def demo(
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="CSV", help="Another trace; else the bundled slice."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", metavar="N", min=1, help="Only the first N requests.")
    ] = None,
    data_dir: Annotated[
        Path, typer.Option("--data-dir", metavar="DIR", help="A directory of its own.")
    ] = DIRECTORY,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a demo even if you added facts to it.")
    ] = False,
    facts_only: Annotated[
        bool,
        typer.Option("--facts-only", help="Only write the facts, as JSON lines, and fold nothing."),
    ] = False,
    output: Output = None,
) -> None:
    """See it work: a slice of a real trace with 200 customers, prices, credits and invoices.

    A second run replaces the first, unless you have added facts to it. Exit code 1: the books
    do not tie out.
    """
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up

    run = Run(data_dir, output)
    requests = _requests(trace, rows)
    if facts_only:
        _write_facts(requests)
        return
    figures, summary = _play(data_dir, requests, force=force)
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.demo.tie_out import checks  # noqa: PLC0415  # start-up

    if run.json:
        from creditfold.cli.demo_screen import document  # noqa: PLC0415  # start-up

        screen.emit({**summary, **document(figures)})
    else:
        _show(figures, summary, run.command)
    if not all(check.ties for check in checks(figures)):
        raise typer.Exit(Exit.REFUSED)


def _requests(trace: Path | None, rows: int | None) -> Sequence[Request]:
    from creditfold.demo.trace import TraceError, bundled, read  # noqa: PLC0415  # start-up

    try:
        return bundled(rows) if trace is None else read(trace, rows)
    except TraceError as error:
        raise CommandError(str(error)) from None


def _write_facts(requests: Sequence[Request]) -> None:
    from creditfold.cli.screen import emit  # noqa: PLC0415  # start-up
    from creditfold.demo.scenario import facts  # noqa: PLC0415  # start-up

    for event in facts(requests):
        emit(event)


def _play(
    directory: Path, requests: Sequence[Request], *, force: bool
) -> tuple[Figures, dict[str, Any]]:
    from creditfold.cli.clock import wall_clock  # noqa: PLC0415  # start-up
    from creditfold.core.times import rfc3339  # noqa: PLC0415  # start-up
    from creditfold.demo.directory import finish, prepare  # noqa: PLC0415  # start-up
    from creditfold.demo.figures import gather  # noqa: PLC0415  # start-up
    from creditfold.demo.run import play  # noqa: PLC0415  # start-up
    from creditfold.demo.scenario import facts  # noqa: PLC0415  # start-up
    from creditfold.local.runtime import LocalRuntime  # noqa: PLC0415  # start-up

    prepare(directory, force=force)
    with LocalRuntime(directory, wall_clock) as runtime:
        begin = wall_clock()
        count = play(runtime, facts(requests), _progress)
        micros = max(1, wall_clock() - begin)
        _progress(None)
        finish(directory, runtime.log)
        figures = gather(runtime.log)
    return figures, {
        "directory": str(directory),
        "requests": len(requests),
        "from": rfc3339(requests[0].time),
        "to": rfc3339(requests[-1].time),
        "facts": count,
        "milliseconds": micros // 1_000,
        "facts_per_second": count * 1_000_000 // micros,
    }


def _progress(count: int | None) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" if count is None else f"\r{count:,} facts …\x1b[K")
        sys.stderr.flush()


def _show(figures: Figures, summary: dict[str, Any], command: Any) -> None:  # noqa: ANN401  # Run.command
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.demo_screen import show  # noqa: PLC0415  # start-up

    out = screen.console()
    out.print("creditfold demo", style="bold")
    span = f"{summary['from'][11:19]} to {summary['to'][11:19]} UTC"
    out.print(
        f"  {summary['requests']:,} real requests to a language model ({summary['from'][:10]}, "
        f"{span}) of 200 made-up customers.\n  Prices: 60 and 120 USD for a million input and "
        f"output tokens; 1 llm-credit buys 0.01 USD of usage."
    )
    show(out, figures)
    screen.heading(out, "Proof")
    seconds = summary["milliseconds"]
    out.print(
        f"  {figures.batches} batches, {figures.records:,} records in ledger and revenue, "
        f"{len(figures.heads)} customer chains; the last batch's hash:\n  {figures.head}"
    )
    out.print(
        f"  {summary['facts']:,} facts in {seconds // 1000}.{seconds % 1000:03d} s: "
        f"{summary['facts_per_second']:,} a second, each chunk synced to disk before it is folded"
    )
    story = max(figures.billed, default="c-000", key=lambda owner: figures.billed[owner])
    screen.next_steps(
        out,
        (command(f"customer show {story}"), "one customer, back to each fact"),
        (
            command(f"trace {figures.telling[1] or 'az-0-in'}"),
            "one usage event, to the formula of each posting",
        ),
        (command("replay --verify"), "fold all again and compare every byte"),
        (command("publish FILE"), "add facts of your own"),
    )
