"""`creditfold program`: what a rule would grant, before it is published."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditfold.cli.errors import CommandError, Exit
from creditfold.cli.options import DataDir, OnKafka, Output

if TYPE_CHECKING:
    from creditfold.audit.replay import Recorded
    from creditfold.cli.opening import Run
    from creditfold.cli.preview_kafka import Spool
    from creditfold.partition.preview import Preview, Rule

app = typer.Typer(help="Try programs, which grant credit by rules.", no_args_is_help=True)

PREVIEW_EXAMPLES = (
    "Examples:  creditfold program preview pro.json --until 2026-12-31  ·  "
    "creditfold program preview pro.json --customer c-017 -o json  ·  "
    "creditfold program preview pro.json --facts facts.jsonl  ·  "
    "creditfold program preview pro.json --kafka broker:9092"
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
    kafka: OnKafka = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Tell which blocks a program would make, or would have made, for whom and when.

    The log, of all partitions on Kafka, is folded again in memory as if the program had been
    published just before its effective_from; nothing is written. Exit code 1: the program or a line
    would be refused.
    """
    from creditfold.cli.times import instant  # noqa: PLC0415  # start-up

    if facts is not None and (data_dir is not None or kafka is not None):
        raise CommandError("name a recorded log or a file of facts, not both")
    if facts == file == "-":
        raise CommandError("standard input cannot be both: name a file for one of them")
    run = _run(kafka, data_dir, output)
    end = instant(until, "--until")
    rule = _rule(file)
    bad = 0
    if facts is None:
        found = _from_log(rule, run, end)
    else:
        found, bad = _from_facts(rule, facts, end)
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
        _show(document, run, whole_log=facts is None, until=until)
    if bad:
        raise typer.Exit(Exit.REFUSED)


def _run(kafka: str | None, data_dir: Path | None, output: str | None) -> Run:
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up

    if kafka is None:
        return Run(data_dir, output)
    from creditfold.cli.cluster import Cluster, only_kafka  # noqa: PLC0415  # start-up

    only_kafka(data_dir)
    return Cluster(kafka, output)


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


def _from_log(rule: Rule, run: Run, end: int | None) -> Preview:
    from creditfold.audit.replay import BrokenLogError, Recorded  # noqa: PLC0415  # start-up
    from creditfold.cli.cluster import Cluster  # noqa: PLC0415  # start-up
    from creditfold.partition.preview import Preview  # noqa: PLC0415  # start-up

    with ExitStack() as files:
        try:
            logs: Sequence[Recorded | Spool]
            if isinstance(run, Cluster):
                from creditfold.cli.preview_kafka import spooled  # noqa: PLC0415  # start-up

                logs = spooled(run, files)
            else:
                logs = [Recorded(files.enter_context(run.read()).log)]
            found = Preview(rule, len(logs))
            for record, now in heapq.merge(*logs, key=lambda each: each[1]):
                if end is None or now <= end:
                    found.take(record, now)
        except BrokenLogError as error:
            raise CommandError(
                f"the log cannot be folded again ({error}): see {run.command('replay --verify')}",
                Exit.REFUSED,
            ) from None
        found.finish(max(log.now for log in logs) if end is None else end)
    return found


def _from_facts(rule: Rule, file: str, end: int | None) -> tuple[Preview, int]:
    """The preview, and how many lines were bad."""
    from creditfold.cli.lines import lines, source  # noqa: PLC0415  # start-up
    from creditfold.contract.envelope import (  # noqa: PLC0415  # start-up
        EVENT_BYTES_MAX,
        Undecodable,
        read_line,
    )
    from creditfold.partition.preview import Preview  # noqa: PLC0415  # start-up
    from creditfold.partition.simulation import record_of  # noqa: PLC0415  # start-up

    found, bad = Preview(rule), 0
    with source(file) as stream:
        for line in lines(stream, EVENT_BYTES_MAX):
            try:
                record = record_of(read_line(line.text), line.number)
            except Undecodable as error:
                bad += 1
                typer.echo(f"line {line.number}: {error.code}: {error.detail}", err=True)
                continue
            now = max(found.now, record.timestamp)
            if end is None or now <= end:
                found.take(record, now)
    found.finish(found.now if end is None else end)
    return found, bad


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
            for each in grants
        ],
        "refused": [
            {name: getattr(each, name) for name in each.__struct_fields__}
            for each in found.refused
            if customer in (None, each.customer)
        ],
    }


def _show(document: dict[str, Any], run: Run, *, whole_log: bool, until: str | None) -> None:
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
        screen.next_steps(
            out, (run.command("publish FILE"), f"{where}, as a program.published fact")
        )
