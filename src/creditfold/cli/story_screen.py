"""The story of an input on the screen."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from creditfold.cli import screen
from creditfold.cli.opening import Run
from creditfold.cli.statement_screen import show_statement
from creditfold.core.chart import Account
from creditfold.core.exact import decimal

STATUS = {
    "applied": "applied: it changed the ledger",
    "duplicate": "duplicate: taken before, with the same content; nothing changed",
    "rejected": "rejected: nothing changed",
    "dead_letter": "dead letter: the record could not be read as an event",
}


def show_story(out: Console, told: dict[str, Any], run: Run) -> None:
    """Inputs, then each outcome with all that it caused."""
    for record in told["inputs"]:
        _show_input(out, record)
    if not told["outcomes"]:
        screen.heading(out, "No outcome yet", "it is on the log and waits to be folded")
        step = (run.command("publish /dev/null"), "folds what waits on the log")
        if "partitions" in told:
            step = (run.command("worker"), "folds what waits on the log, if none is running")
        screen.next_steps(out, step)
        return
    for outcome in told["outcomes"]:
        _show_outcome(out, outcome)
    if "since" in told:
        _show_since(out, told["since"])
    customer = next((o["customer"] for o in told["outcomes"] if o.get("customer")), None)
    steps = [(run.command("replay --verify"), "prove it: fold all again and compare")]
    if customer is not None:
        shown = screen.clean(customer)
        steps.insert(0, (run.command(f"customer show {shown}"), "all that this customer has"))
    screen.next_steps(out, *steps)


def _show_since(out: Console, since: dict[str, Any]) -> None:
    """What later facts changed of the usage, and what is left of it."""
    screen.heading(out, "Changed since", "by facts that came later")
    rows = []
    for change in since["changes"]:
        cause = change["cause"]
        moved = [f"{e['quantity']} {e['unit']} {e['from']} → {e['to']}" for e in change["entries"]]
        blocks = [entry["block"] for entry in change["entries"]]
        moved += [f"{over['quantity']} {over['meter']} uncovered" for over in change["overage"]]
        blocks += [""] * len(change["overage"])
        by = cause.get("id") or cause.get("due") or ""
        rows += [
            (change["recorded_at"], by, block, what)
            for block, what in zip(blocks, moved, strict=True)
        ]
    out.print(screen.table(("recorded", "by", "block", "what moved"), rows))
    now = [f"{amount} of {block}" for block, amount in since["draws"].items()]
    if since["uncovered"] != "0":
        now.append(f"{since['uncovered']} uncovered")
    out.print(f"  it draws now: {screen.clean(', '.join(now) or 'nothing')}", soft_wrap=True)


def _show_input(out: Console, record: dict[str, Any]) -> None:
    screen.heading(out, f"Input {screen.clean(record['id'])}", screen.clean(record["type"]))
    which = f" partition {record['partition']}" if "partition" in record else ""
    place = (
        f"{record['topic']}{which} at offset {record['offset']}, recorded {record['recorded_at']}"
    )
    content = json.dumps(record["data"], ensure_ascii=False, sort_keys=True)
    for name, value in (
        ("where", place),
        ("source", record["source"]),
        ("customer", record["key"] or "none: it is for all"),
        ("time", record["time"]),
        ("data", content),
    ):
        out.print(f"  {name:<9} {screen.clean(value)}", soft_wrap=True)


def _show_outcome(out: Console, outcome: dict[str, Any]) -> None:
    cause = outcome["cause"]
    what = f"offset {cause['offset']}" if "offset" in cause else cause.get("due", "")
    title = f"Outcome {outcome['outcome']}"
    screen.heading(out, title, screen.clean(f"of {what}, recorded {outcome['recorded_at']}"))
    out.print(f"  {STATUS[outcome['status']]}")
    if "code" in outcome:
        text = f"  {outcome['code']}: {screen.clean(outcome.get('detail', ''))}"
        out.print(text, style="yellow", soft_wrap=True)
    if outcome.get("entries"):
        _show_entries(out, outcome["entries"])
    if outcome.get("overage"):
        _show_overage(out, outcome["overage"])
    for each in outcome.get("shortfalls", ()):
        _show_shortfall(out, each)
    if outcome["postings"]:
        _show_postings(out, outcome["postings"])
    for notice in outcome["notices"]:
        out.print(f"  notice {notice['what']}: {screen.clean(_about(notice))}")
        if "statement" in notice:
            show_statement(out, notice["statement"])
    if outcome.get("balances"):
        usable = ", ".join(f"{amount} {unit}" for unit, amount in outcome["balances"].items())
        out.print(f"  usable after it: {screen.clean(usable)}", soft_wrap=True)


def _show_entries(out: Console, entries: list[dict[str, Any]]) -> None:
    rows = [
        (
            entry["entry"].rpartition(".")[2],
            entry["block"],
            f"{entry['from']} → {entry['to']}",
            f"{entry['quantity']} {entry['unit']}",
            _at(entry),
        )
        for entry in entries
    ]
    columns = ("entry", "block", "moved", "quantity", "at")
    out.print(screen.table(columns, rows, right=("quantity",)))


def _at(line: dict[str, Any]) -> str:
    """The rate, and how the rest came over from another unit."""
    text = f"{line['rate']} for each {line['meter']}" if "rate" in line else ""
    if "invoice" in line:
        text = f"line {line['line']} of invoice {line['invoice']}"
    owed = line.get("owed")
    if owed is not None:
        formula = f"HE({owed['cost']} x {owed['from_rest']} / {owed['from_cost']})"
        text += f"; owed {owed['quantity']} = {formula}, rest of {owed['from_unit']}"
    return text


def _show_overage(out: Console, overage: list[dict[str, Any]]) -> None:
    rows = [
        (
            line["id"].rpartition(".")[2],
            f"{line['quantity']} {line['meter']}",
            f"{line['amount']} {line['unit']}" if "amount" in line else "no price",
            _at(line),
        )
        for line in overage
    ]
    columns = ("overage", "not covered", "amount", "at")
    out.print(screen.table(columns, rows, right=("not covered", "amount")))


def _show_shortfall(out: Console, each: dict[str, Any]) -> None:
    counted = f"{each['counted']} of {each['committed']} {each['unit']} count"
    owed = f"{each['quantity']} missing, {each['amount']} {each['currency']}"
    out.print(f"  {screen.clean(each['id'])}: {counted}, {owed}", soft_wrap=True)


def _about(notice: dict[str, Any]) -> str:
    return str(notice.get("shortfall") or notice.get("meter") or "")


def _show_postings(out: Console, postings: list[dict[str, Any]]) -> None:
    rows = [
        (
            posting["posting"].rpartition(".")[2],
            posting["rule"],
            account(posting["debit"]),
            account(posting["credit"]),
            f"{money(posting['amount'], posting['exponent'])} {posting['currency']}",
        )
        for posting in postings
    ]
    columns = ("posting", "rule", "debit", "credit", "amount")
    out.print(screen.table(columns, rows, right=("amount",)))
    for posting in postings:
        operands = dict(posting["proof"])
        formula = operands.pop("f")
        known = ", ".join(f"{name} = {value}" for name, value in operands.items())
        name = posting["posting"].rpartition(".")[2]
        out.print(f"  {name}: {formula}   with {screen.clean(known)}", style="dim", soft_wrap=True)


def money(minor: int, exponent: int) -> str:
    """Minor units with all decimals of the currency, as statements print them."""
    whole, _, fraction = decimal(minor, exponent).partition(".")
    return f"{whole}.{fraction.ljust(exponent, '0')}" if exponent else whole


def account(code: str) -> str:
    """The code of an account with its name, as far as that tells it from others."""
    if code not in set(Account):
        return code
    path = Account(code).path
    name = path.removeprefix("Income:") if path.startswith("Income:") else path.rpartition(":")[2]
    return f"{code} {name}"
