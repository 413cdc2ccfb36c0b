"""`creditfold replay`: the proof that the log and its fold agree to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditfold.cli.errors import Exit
from creditfold.cli.options import DataDir, OnKafka, Output

if TYPE_CHECKING:
    from creditfold.audit.chain import Chains
    from creditfold.audit.replay import Report
    from creditfold.cli.opening import Run

EXAMPLES = (
    "Examples:  creditfold replay --verify  ·  "
    "creditfold replay --verify --data-dir ./creditfold-demo -o json  ·  "
    "creditfold replay --verify --kafka broker:9092"
)


def replay(
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every byte with what the log holds.")
    ] = False,
    kafka: OnKafka = None,
    data_dir: DataDir = None,
    output: Output = None,
) -> None:
    """Fold the inputs again along the batch headers, and recompute every hash chain.

    With or without --verify nothing is written. Exit code 1: something differs.
    """
    if kafka is not None:
        from creditfold.cli.cluster import Cluster, only_kafka  # noqa: PLC0415  # start-up
        from creditfold.cli.replay_kafka import replay_all  # noqa: PLC0415  # start-up

        only_kafka(data_dir)
        if not replay_all(Cluster(kafka, output)):
            raise typer.Exit(Exit.REFUSED)
        return
    from creditfold.audit.chain import check  # noqa: PLC0415  # start-up
    from creditfold.audit.replay import verify as compare  # noqa: PLC0415  # start-up
    from creditfold.cli import screen  # noqa: PLC0415  # start-up
    from creditfold.cli.opening import Run  # noqa: PLC0415  # start-up

    del verify  # there is nothing else that a replay is for; the word stands for the reader
    run = Run(data_dir, output)
    with run.read() as runtime:
        report = compare(runtime.log)
        chains = check(runtime.log)
    document = document_of(report, chains)
    if run.json:
        screen.emit(document)
    else:
        _show(document, run)
    if not document["agrees"]:
        raise typer.Exit(Exit.REFUSED)


def document_of(report: Report, chains: Chains) -> dict[str, Any]:
    """What a replay of one partition found."""
    from creditfold.contract.topics import DEAD_LETTERS, NOTICES, REVENUE  # noqa: PLC0415  # start-up

    first = report.first
    return {
        "agrees": report.differences == 0 and not chains.findings,
        "batches": report.batches,
        "inputs": report.inputs,
        "waiting": report.waiting,
        "outcomes": chains.outcomes,
        "postings": report.compared.get(REVENUE.name, 0),
        "notices": report.compared.get(NOTICES.name, 0),
        "dead_letters": report.compared.get(DEAD_LETTERS.name, 0),
        "records": sum(report.compared.values()),
        "differences": report.differences,
        "first": None
        if first is None
        else {name: getattr(first, name) for name in first.__struct_fields__},
        "chains": len(chains.heads),
        "broken_links": len(chains.findings),
        "findings": [
            {"topic": finding.topic, "offset": finding.offset, "why": finding.why}
            for finding in chains.findings[:20]
        ],
    }


def _show(document: dict[str, Any], run: Run) -> None:
    from creditfold.cli import screen  # noqa: PLC0415  # start-up

    out = screen.console()
    ok = document["agrees"]
    screen.heading(out, "Replay", str(run.directory))
    rows = [
        ("batches", document["batches"], "folded again, each with its own ranges and time"),
        ("inputs", document["inputs"], "read from the input topics"),
        ("outcomes", document["outcomes"], "in the ledger"),
        ("postings", document["postings"], "in the revenue topic"),
        ("records", document["records"], "compared: key, headers and value, byte by byte"),
        ("differences", document["differences"], ""),
        ("hash chains", document["chains"], "recomputed from the records alone"),
        ("broken links", document["broken_links"], ""),
    ]
    if document["waiting"]:
        rows.insert(2, ("waiting", document["waiting"], "on the log, not folded yet"))
    out.print(screen.counted("", rows))
    if ok:
        out.print("  ✓ the log and its replay are the same to the byte", style="green")
        screen.next_steps(out, (run.command("customer list"), "who has what"))
        return
    show_difference(document)
    screen.next_steps(
        out,
        (run.command("replay --verify -o json"), "the same for a program, with all findings"),
        ("restore the directory from a backup", "what the log holds was changed after the fact"),
    )


def show_difference(document: dict[str, Any]) -> None:
    """The first difference and the broken links, in red."""
    from creditfold.cli import screen  # noqa: PLC0415  # start-up

    out = screen.console()
    out.print("  ✗ the log is not what its inputs make", style="red")
    first = document["first"]
    if first is not None:
        place = f"{first['topic']} at offset {first['offset']}"
        screen.heading(out, "First difference", f"{place}: {first['why']}")
        for name, style in (("stored", "red"), ("replayed", "green")):
            if first[name] is not None:
                text = "\n".join(f"    {screen.clean(line)}" for line in first[name].split("\n"))
                out.print(f"  {name}\n{text}", style=style, soft_wrap=True)
    if document["findings"]:
        screen.heading(out, "Broken links")
        for finding in document["findings"]:
            place = f"{finding['topic']} at offset {finding['offset']}"
            out.print(f"  {place}: {screen.clean(finding['why'])}", soft_wrap=True)
