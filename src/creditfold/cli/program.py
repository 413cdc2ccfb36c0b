"""`creditfold program`: what a rule would grant, before it is published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import DataDir, Output

if TYPE_CHECKING:
    from creditfold.cli.opening import Run
    from creditfold.log.records import Record
    from creditfold.partition.preview import Preview, Rule

app = typer.Typer(help="Try programs, which grant credit by rules.", no_args_is_help=True)

PREVIEW_EXAMPLES = (
    "Examples:  creditfold program preview pro.json --until 2026-12-31  ·  "
    "creditfold program preview pro.json --customer c-017 -o json  ·  "
    "creditfold program preview pro.json --facts facts.jsonl"
)
_ROWS_MAX = 50


@app.command("preview", epilog=PREVIEW_EXAMPLES)
def preview(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="The data of a program.published fact; - is standard input."
        ),
    ],
    customer: Annotated[
        str | None, typer.Option("--customer", metavar="ID", help="Show this customer's alone.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="Move the log to then; later facts are not read.  [default: where the log ends]",
            show_default=False,
        ),
    ] = None,
    facts: Annotated[
        str | None,
        typer.Option(
            "--facts", metavar="FILE", help="On a file of facts, and not on a recorded log."
        ),
    ] = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Tell which blocks a program would make, or would have made, for whom and when.

    The log is folded again in memory as if the program had been published just before its
    effective_from; nothing is written. Exit code 1: the program or a line would be refused.
    """
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up
    from creditfold.cli.times import instant  # noqa: PLC0415  # start-up
    from creditfold.partition.preview import Preview  # noqa: PLC0415  # start-up

    if facts is not None and data_dir is not None:
        raise CommandError("name a data directory or a file of facts, not both")
    if facts == file == "-":
        raise CommandError("standard input cannot be both: name a file for one of them")
    run = Run(data_dir, output)
    end = instant(until, "--until")
    rule = _rule(file)
    found = Preview(rule)
    bad = 0
    if facts is None:
        _from_log(found, run, end)
    else:
        bad = _from_facts(found, facts, end)
    if found.refusal is not None:
        refusal = found.refusal
        raise CommandError(f"{file}: {refusal.code}: {refusal.detail}", Exit.REFUSED)
    if customer is not None and not found.knows(customer):
        raise CommandError(f"there is no customer {customer} by then", Exit.REFUSED)
    document = _document(found, rule, customer)
    if run.json:
        from creditfold.cli.screen import emit  # noqa: PLC0415  # start-up

        emit(document)
    else:
        _show(document, whole_log=facts is None, until=until)
    if bad:
        raise typer.Exit(Exit.REFUSED)


def _rule(file: str) -> Rule:
    from creditfold.cli.lines import source  # noqa: PLC0415  # start-up
    from creditfold.contract.envelope import Undecodable  # noqa: PLC0415  # start-up
    from creditfold.contract.exact_json import NotJsonError, parse  # noqa: PLC0415  # start-up
    from creditfold.partition.preview import Rule  # noqa: PLC0415  # start-up

    with source(file) as stream:
        text = stream.read()
    try:
        data = parse(text)
    except NotJsonError as error:
        raise CommandError(f"{file} is no JSON ({error}): give one JSON object") from None
    if not isinstance(data, dict) or "specversion" in data:
        raise CommandError(
            f"{file}: give the data of a program.published fact alone, as one JSON object"
        )
    try:
        rule = Rule(data)
    except Undecodable as error:
        raise CommandError(f"{file}: {error.code}: {error.detail}", Exit.REFUSED) from None
    if rule.fault is not None:
        raise CommandError(f"{file}: {rule.fault.code}: {rule.fault.detail}", Exit.REFUSED)
    return rule


def _from_log(found: Preview, run: Run, end: int | None) -> None:
    from creditfold.audit.replay import BrokenLogError, recorded  # noqa: PLC0415  # start-up

    with run.read() as runtime:
        try:
            _take(found, recorded(runtime.log), end)
        except BrokenLogError as error:
            raise CommandError(
                f"the log cannot be folded again ({error}): see {run.command('replay --verify')}",
                Exit.REFUSED,
            ) from None
        found.finish(runtime.partition.position.now if end is None else end)


def _from_facts(found: Preview, file: str, end: int | None) -> int:
    from creditfold.cli.lines import lines, source  # noqa: PLC0415  # start-up
    from creditfold.contract.envelope import (  # noqa: PLC0415  # start-up
        EVENT_BYTES_MAX,
        Undecodable,
        read_line,
    )
    from creditfold.partition.simulation import record_of  # noqa: PLC0415  # start-up

    bad = 0

    def records() -> Iterator[tuple[Record, int]]:
        nonlocal bad
        for line in lines(stream, EVENT_BYTES_MAX):
            try:
                record = record_of(read_line(line.text), line.number)
            except Undecodable as error:
                bad += 1
                typer.echo(f"line {line.number}: {error.code}: {error.detail}", err=True)
                continue
            yield record, max(found.now, record.timestamp)

    with source(file) as stream:
        _take(found, records(), end)
    found.finish(found.now if end is None else end)
    return bad


def _take(found: Preview, records: Iterable[tuple[Record, int]], end: int | None) -> None:
    for record, now in records:
        if end is None or now <= end:
            found.take(record, now)


def _document(found: Preview, rule: Rule, customer: str | None) -> dict[str, Any]:
    """What the rule would do, for programs."""
    from creditfold.core.exact import decimal  # noqa: PLC0415  # start-up
    from creditfold.core.times import rfc3339  # noqa: PLC0415  # start-up

    grants = [each for each in found.grants if customer in (None, each.customer)]
    totals: dict[str, tuple[int, int]] = {}
    for each in grants:
        totals[each.unit] = totals.get(each.unit, (0, 0))[0] + each.quantity, each.exponent
    assert found.published_at is not None
    return {
        "program": rule.published.program,
        "version": rule.published.version,
        "published_at": rfc3339(found.published_at),
        "until": rfc3339(found.now),
        "customers": found.customers if customer is None else 1,
        "granted_to": len({each.customer for each in grants}),
        "blocks": len(grants),
        "totals": {unit: decimal(*total) for unit, total in sorted(totals.items())},
        "grants": [
            {
                "customer": each.customer,
                "block": each.block,
                "at": rfc3339(each.at),
                "quantity": decimal(each.quantity, each.exponent),
                "unit": each.unit,
                "expires_at": None if each.expires_at is None else rfc3339(each.expires_at),
            }
            for each in sorted(grants, key=lambda each: (each.at, each.customer, each.block))
        ],
        "refused": [
            {name: getattr(each, name) for name in each.__struct_fields__}
            for each in found.refused
            if customer in (None, each.customer)
        ],
    }


def _show(document: dict[str, Any], *, whole_log: bool, until: str | None) -> None:
    from creditfold.cli import screen  # noqa: PLC0415  # start-up

    out = screen.console()
    title = f"Program {screen.clean(document['program'])}, version {document['version']}"
    span = f"as if published at {document['published_at']}, until {document['until']}"
    screen.heading(out, title, span)
    if document["grants"]:
        rows = [
            (
                each["customer"],
                each["block"],
                each["at"],
                each["quantity"],
                each["unit"],
                each["expires_at"] or "never",
            )
            for each in document["grants"][:_ROWS_MAX]
        ]
        columns = ("customer", "block", "at", "quantity", "unit", "expires")
        out.print(screen.table(columns, rows, right=("quantity",), fixed=("at", "expires")))
        if document["blocks"] > _ROWS_MAX:
            out.print(f"  and {document['blocks'] - _ROWS_MAX:,} more: -o json has all of them")
    for each in document["refused"]:
        what = f"{each['customer']} {each['block']} at {each['at']}: {each['code']}"
        out.print(f"  ✗ {screen.clean(what)}: {screen.clean(each['detail'])}", style="red")
    amounts = ", ".join(f"{amount} {unit}" for unit, amount in document["totals"].items())
    counts = f"{document['granted_to']:,} of {document['customers']:,} customers"
    screen.heading(out, f"{document['blocks']:,} blocks", f"to {counts}: {amounts or 'nothing'}")
    if until is None:
        screen.next_steps(out, ("--until TIME", "what it would grant by then"))
    else:
        where = "publish it" if whole_log else "publish it with the facts"
        screen.next_steps(out, ("creditfold publish FILE", f"{where}, as a program.published fact"))
