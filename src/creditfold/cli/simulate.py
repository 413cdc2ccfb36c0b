"""`creditfold simulate`: the fold in memory, without a clock or a directory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from creditfold.cli.errors import Exit
from creditfold.cli.options import Output, Source

if TYPE_CHECKING:
    from creditfold.contract.envelope import Envelope

EXAMPLES = (
    "Examples:  creditfold simulate facts.jsonl --until 2026-12-31T00:00:00Z  ·  "
    "creditfold demo --facts-only | creditfold simulate - --output table"
)


def simulate(
    file: Source = "-",
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Move the log to then; later facts are not read."
        ),
    ] = None,
    output: Output = None,
) -> None:
    """Fold facts in memory: the log moves with the facts, in the order of the lines.

    Out come the records of ledger, revenue and notices, then a balance snapshot of every
    customer, as JSON lines (--output table: the snapshots as tables). Exit code 1: a line was bad.
    """
    from creditfold.cli.lines import lines, source  # noqa: PLC0415  # start-up
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up
    from creditfold.cli.screen import emit_line  # noqa: PLC0415  # start-up
    from creditfold.cli.times import instant  # noqa: PLC0415  # start-up
    from creditfold.contract.encode import structured  # noqa: PLC0415  # start-up
    from creditfold.contract.envelope import (  # noqa: PLC0415  # start-up
        EVENT_BYTES_MAX,
        Undecodable,
        read_line,
    )
    from creditfold.partition.simulation import Simulation  # noqa: PLC0415  # start-up

    tables = output is not None and not Run(None, output).json
    end = instant(until, "--until")
    simulation = Simulation()
    bad = 0
    with source(file) as stream:
        for line in lines(stream, EVENT_BYTES_MAX):
            try:
                envelope = read_line(line.text)
            except Undecodable as error:
                bad += 1
                typer.echo(f"line {line.number}: {error.code}: {error.detail}", err=True)
                continue
            if not _later(envelope, end):
                records = simulation.fold(envelope)
                if not tables:
                    for record in records:
                        emit_line(structured(record))
    at = simulation.now if end is None else max(end, simulation.now)
    for record in simulation.advance(at):
        if not tables:
            emit_line(structured(record))
    _snapshots(simulation.balances(at), tables=tables)
    if bad:
        raise typer.Exit(Exit.REFUSED)


def _later(envelope: Envelope, until: int | None) -> bool:
    recorded = envelope.time if envelope.recordedtime is None else envelope.recordedtime
    return until is not None and recorded > until


def _snapshots(found: Iterable[bytes], *, tables: bool) -> None:
    import msgspec  # noqa: PLC0415  # start-up

    from creditfold.cli import account_screen, screen  # noqa: PLC0415  # start-up

    if not tables:
        for line in found:
            screen.emit_line(line)
        return
    out = screen.console()
    count = 0
    blocks = []
    for line in found:
        count += 1
        event = msgspec.json.decode(line)
        data = event["data"]
        screen.heading(out, f"Customer {screen.clean(event['subject'])}", f"as of {data['at']}")
        if data["blocks"]:
            account_screen.blocks(out, data["blocks"])
            blocks += data["blocks"]
        for unit, amount in data["overage"].items():
            out.print(f"  overage: {amount} {screen.clean(unit)}")
    if count:
        out.print(account_screen.legend(blocks))
    screen.heading(out, f"{count} customers", "without --output table: every record as JSON")
    screen.next_steps(out, ("creditfold publish FILE", "take the same facts into a log"))
