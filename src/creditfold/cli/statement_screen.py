"""Statements on the screen: one with all of its lines, or many with what each bills."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from creditfold.cli import screen
from creditfold.contract.sums import total


def show_statement(out: Console, statement: dict[str, Any]) -> None:
    """A statement, line by line."""
    period = f"{statement['from']} to {statement['to']}"
    out.print(f"  statement {screen.clean(_name(statement))}: {period}", soft_wrap=True)
    rows = [
        (
            line.get("subscription", ""),
            line["meter"] + (" (earlier usage)" if line.get("earlier") else ""),
            line["quantity"],
            ", ".join(f"{c['quantity']} {c['unit']} {c['kind']}" for c in line.get("covered", ())),
            ", ".join(_overage(part) for part in line.get("overage", ())),
        )
        for line in statement["lines"]
    ]
    for missed in statement.get("shortfalls", ()):
        what = missed["id"] + (" (earlier term)" if missed.get("earlier") else "")
        amount = f"{missed['amount']} {missed['currency']}"
        rows.append((missed["subscription"], what, "", "", amount))
    columns = ("subscription", "meter", "used", "covered by credit", "not covered")
    out.print(screen.table(columns, rows, right=("used",)))


def show_statements(out: Console, statements: list[dict[str, Any]]) -> None:
    """One row a statement."""
    screen.heading(out, "Statements")
    rows = [
        (_name(each), each["from"][:16], each["to"][:16], _lines(each), billable(each))
        for each in statements
    ]
    columns = ("statement", "from", "to", "lines", "to bill")
    out.print(screen.table(columns, rows, right=("lines",)))


def _lines(statement: dict[str, Any]) -> int:
    return len(statement["lines"]) + len(statement.get("shortfalls", ()))


def _name(statement: dict[str, Any]) -> str:
    """Its id, and which part of it this is."""
    parts = statement.get("parts", 1)
    which = f" ({statement.get('part', 1)} of {parts})" if parts > 1 else ""
    return f"{statement['id']}{which}"


def billable(statement: dict[str, Any]) -> str:
    """What an invoice that names the statement bills, by currency or meter."""
    found: dict[str, list[str]] = {}
    for line in statement["lines"]:
        for part in line.get("overage", ()):
            if "policy" not in part:
                unit = part.get("unit", line["meter"])
                found.setdefault(unit, []).append(part.get("amount", part["quantity"]))
    for missed in statement.get("shortfalls", ()):
        found.setdefault(missed["currency"], []).append(missed["amount"])
    return ", ".join(f"{total(*amounts)} {unit}" for unit, amounts in sorted(found.items()))


def _overage(part: dict[str, Any]) -> str:
    price = f" at {part['rate']}" if "rate" in part else ""
    amount = f" = {part['amount']} {part['unit']}" if "amount" in part else ", no price"
    policy = f" ({part['policy']})" if "policy" in part else ""
    return f"{part['quantity']}{price}{amount}{policy}"
