"""A statement on the screen."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from creditfold.cli.statement_screen import billable, show_statement, show_statements

LINE = {
    "meter": "calls",
    "product": "api",
    "quantity": "-3",
    "subscription": "s",
    "earlier": True,
    "covered": [{"kind": "paid", "unit": "credits", "quantity": "-1"}],
    "overage": [
        {"quantity": "-1", "unit": "USD", "rate": "0.5", "amount": "-0.5"},
        {"quantity": "-1", "unit": "USD", "rate": "0.5", "amount": "-0.5", "policy": "carry"},
    ],
}
PINGS = {"meter": "pings", "product": "probe", "quantity": "3", "overage": [{"quantity": "3"}]}
PART = {
    "id": "ada:statement:1",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-02-01T00:00:00Z",
    "lines": [LINE, PINGS],
    "part": 2,
    "parts": 2,
    "shortfalls": [
        {"id": "s:shortfall:1", "subscription": "s", "currency": "USD", "amount": "5"},
        {
            "id": "s:shortfall:0",
            "subscription": "s",
            "currency": "USD",
            "amount": "-1",
            "earlier": True,
        },
    ],
}


def shown(show, what) -> str:
    console = Console(file=StringIO(), width=160)
    show(console, what)
    return console.file.getvalue()


def test_each_line_tells_what_was_used_covered_and_not():
    text = shown(show_statement, PART)
    for part in (
        "statement ada:statement:1 (2 of 2): 2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z",
        "calls (earlier usage)",
        "-1 credits paid",
        "-1 at 0.5 = -0.5 USD, -1 at 0.5 = -0.5 USD (carry)",
        "3, no price",
        "5 USD",
        "s:shortfall:0 (earlier term)",
    ):
        assert part in text


def test_what_is_carried_is_not_to_be_billed():
    assert "3.5 USD, 3 pings" == billable(PART)
    assert "ada:statement:1 (2 of 2)" in shown(show_statements, [PART])
