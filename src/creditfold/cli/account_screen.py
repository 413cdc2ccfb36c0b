"""A customer on the screen: blocks as bars, what expires next, overage, invoices, last outcomes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from creditfold.cli import screen
from creditfold.cli.opening import Run
from creditfold.cli.statement_screen import show_statements
from creditfold.contract.sums import scaled, total

BAR = 12

PARTS = (
    ("drawn", "█", "blue", "used"),
    ("available", "▒", "green", "left"),
    ("issued", "·", "yellow", "not yet active"),
    ("held", "▓", "cyan", "held"),
    ("expired", "░", "red", "expired"),
    ("voided", "x", "red", "voided"),
    ("refunded", "x", "magenta", "refunded"),
    ("rolled_out", "→", "green", "rolled over"),
    ("transferred_out", "→", "magenta", "transferred"),
    ("applied", "█", "magenta", "applied to invoices"),
)
"""(place, sign, style, word)."""

GONE = ("expired", "voided", "refunded", "rolled_out", "transferred_out")


def legend(found: list[dict[str, Any]]) -> Text:
    """What the signs of the blocks' bars mean."""
    text = Text("  ")
    for place, sign, style, word in PARTS:
        if all(block[place] == "0" for block in found):
            continue
        text.append(f"{sign * 2} ", style=style)
        text.append(f"{word}   ", style="dim")
    return text


def show_account(out: Console, view: dict[str, Any], run: Run) -> None:
    """All of the view."""
    screen.heading(out, f"Customer {screen.clean(view['customer'])}", f"as of {view['at']}")
    _balances(out, view)
    if view["blocks"]:
        screen.heading(out, "Blocks")
        blocks(out, view["blocks"])
        out.print(legend(view["blocks"]))
    _expiry(out, view)
    if view["subscriptions"]:
        _subscriptions(out, view["subscriptions"])
    if view["commitments"]:
        _commitments(out, view["commitments"])
    if view["programs"]:
        _programs(out, view["programs"])
    if view["invoices"]:
        _invoices(out, view["invoices"])
    if view["statements"]:
        show_statements(out, view["statements"])
    if "next_statement" in view:
        following = view["next_statement"]
        text = f"{screen.clean(following['statement'])} goes out at {following['to']}"
        screen.heading(out, "Next statement", text)
    if view["last"]:
        _last(out, view)
    steps = [(run.command("replay --verify"), "prove these figures: fold all again and compare")]
    events = [outcome["cause"].get("id") for outcome in view["last"]]
    event = next((event for event in reversed(events) if event is not None), None)
    if event is not None:
        shown = screen.clean(event)
        steps.insert(0, (run.command(f"trace {shown}"), "the last fact: entries, postings, proof"))
    screen.next_steps(out, *steps)


def _balances(out: Console, view: dict[str, Any]) -> None:
    units = dict.fromkeys(
        (
            *view["usable"],
            *view["for_invoices"],
            *view["unpaid"],
            *view["overage"],
            *view["credit_limits"],
        )
    )
    if not units:
        out.print("  no credit was granted yet, and nothing was used")
        return
    columns = {"usable": "usable", "held": "held", "overage": "overage, not billed"}
    if view["unpaid"]:
        columns |= {"unpaid": "waits for payment"}
    if view["for_invoices"]:
        columns |= {"for_invoices": "for invoices"}
    if view["credit_limits"]:
        columns |= {"credit_limits": "credit limit", "spendable": "may spend"}
    rows = [(unit, *(view[column].get(unit, "0") for column in columns)) for unit in units]
    titles = tuple(columns.values())
    out.print(screen.table(("unit", *titles), rows, right=titles))
    if view["holds"]:
        screen.heading(out, "Open holds")
        rows = [
            (
                hold["hold"],
                ", ".join(f"{amount} of {block}" for block, amount in hold["blocks"].items()),
                f"{hold['on_credit']} {hold['unit']}" if "unit" in hold else "",
                hold["expires_at"][:16].replace("T", " "),
            )
            for hold in view["holds"]
        ]
        out.print(screen.table(("hold", "has", "on credit limit", "until"), rows))
    if view["top_ups"]:
        screen.heading(out, "Top-ups")
        rows = [
            (
                each["unit"],
                each.get("threshold", "never"),
                ", ".join(f"{amount} by {notice}" for notice, amount in each["pending"].items()),
                each.get("next_at", "")[:16].replace("T", " "),
            )
            for each in view["top_ups"]
        ]
        out.print(screen.table(("unit", "at or below", "asked for", "not before"), rows))


def blocks(out: Console, found: list[dict[str, Any]]) -> None:
    """One bar a block."""
    rows = [
        (
            block["block"],
            f"{_sort(block)}, {state(block)}",
            f"{block['quantity']} {block['unit']}",
            block_bar(block),
            total(block["drawn"], block["applied"]),
            total(block["available"], block["issued"], block["held"]),
            total(*(block[place] for place in GONE)),
            block.get("expires_at", "never")[:16].replace("T", " "),
        )
        for block in found
    ]
    columns = ("block", "kind, state", "granted", "", "used", "left", "gone", "until")
    right = ("granted", "used", "left", "gone")
    out.print(screen.table(columns, rows, right=right, fixed=("", "until")))


def _sort(block: dict[str, Any]) -> str:
    text = f"{block['kind']}{' for invoices' if 'draws_on' in block else ''}"
    return f"{text} with {', '.join(block['blends'])}" if "blends" in block else text


def block_bar(block: dict[str, Any]) -> Text:
    """Where the block's units are."""
    parts = [(scaled(block[place]), sign, style) for place, sign, style, _ in PARTS]
    return screen.bar(parts, BAR)


def state(block: dict[str, Any]) -> str:
    """A word for where most of the block's life is."""
    if "waits_for" in block:
        return _waits_for(block["waits_for"])
    if block["issued"] != "0":
        return "not yet active"
    if block["available"] != "0":
        return "active"
    words = (word for place, _, _, word in PARTS if place in GONE and block[place] != "0")
    return next(words, "used up")


def _waits_for(lines: list[dict[str, str]]) -> str:
    named = ", ".join(f"invoice {each['invoice']} line {each['line']}" for each in lines)
    return f"waits for payment of {named}" if named else "waits for an invoice line that sells it"


def _expiry(out: Console, view: dict[str, Any]) -> None:
    block = view["expires_next"]
    if block is None:
        return
    text = f"{block['available']} {block['unit']} of block {screen.clean(block['block'])}"
    screen.heading(out, "Expires next")
    out.print(f"  {text} at {block['expires_at']}", soft_wrap=True)


def _subscriptions(out: Console, found: list[dict[str, Any]]) -> None:
    screen.heading(out, "Subscriptions")
    rows = [
        (
            each["subscription"],
            each["plan"],
            " ".join(each.get("products", ())),
            each["status"],
            _minute(each.get("trial_until")),
            _minute(each.get("period_ends_at")),
            " ".join(each[key] for key in ("at_period_end", "next_plan") if key in each),
        )
        for each in found
    ]
    columns = ("subscription", "plan", "products", "status", "trial until", "period ends", "then")
    out.print(screen.table(columns, rows))


def _commitments(out: Console, found: list[dict[str, Any]]) -> None:
    screen.heading(out, "Commitments")
    rows = [
        (
            each["shortfall"],
            _minute(each.get("ends_at")),
            f"{each['committed']} {each['unit']}",
            each["counted"],
            f"{each['forecast']} {'missing' if each['ended'] else 'expected'}",
            f"{each['amount']} {each['currency']}",
            each["to_bill"],
        )
        for each in found
    ]
    columns = ("term", "ends", "committed", "counted", "shortfall", "earned of it", "to bill")
    out.print(screen.table(columns, rows, right=columns[2:]))


def _programs(out: Console, found: list[dict[str, Any]]) -> None:
    screen.heading(out, "Programs")
    rows = [
        (
            each["program"],
            each.get("subscription", ""),
            str(each["granted"]),
            _minute(each.get("covered_until")),
            _minute(each.get("next_at")),
        )
        for each in found
    ]
    columns = ("program", "subscription", "grants", "covered until", "next grant")
    out.print(screen.table(columns, rows, right=("grants",)))


def _minute(instant: str | None) -> str:
    return "" if instant is None else instant[:16].replace("T", " ")


def _invoices(out: Console, invoices: list[dict[str, Any]]) -> None:
    screen.heading(out, "Invoices")
    rows = [
        (
            invoice["invoice"],
            invoice["issued_at"],
            ", ".join(invoice["lines"]),
            f"{invoice['gross']} {invoice['currency']}",
            invoice["credit"],
            invoice["paid"],
            invoice["refunded"],
            invoice["open"],
            total(invoice["for_grants_to_come"], invoice["for_time_to_come"]),
        )
        for invoice in invoices
    ]
    sums = ("with tax", "by credit", "paid", "refunded", "open", "deferred")
    out.print(screen.table(("invoice", "issued", "lines", *sums), rows, right=sums))


def _last(out: Console, view: dict[str, Any]) -> None:
    shown = len(view["last"])
    screen.heading(out, "Last outcomes", f"{shown} of {view['facts']:,}")
    rows = []
    for outcome in reversed(view["last"]):
        cause = outcome["cause"]
        what = cause.get("id") or cause.get("due") or ""
        when = outcome.get("effective_at") or outcome["recorded_at"]
        rows.append((when, what, outcome.get("code") or outcome["status"], _moved(outcome)))
    columns = ("when", "fact or due item", "outcome", "what moved")
    out.print(screen.table(columns, rows, fixed=("when",)))


def _moved(outcome: dict[str, Any]) -> str:
    own = outcome["cause"].get("id")

    def of(line: dict[str, Any]) -> str:
        """Another usage that a late or correcting fact changed."""
        usage = line.get("usage", own)
        return "" if usage == own else f" of {usage}"

    moved = [
        f"{entry['quantity']} {entry['unit']} {entry['from']}→{entry['to']} {entry['block']}"
        + of(entry)
        for entry in outcome.get("entries", ())
    ]
    moved += [
        f"{line.get('amount', line['quantity'])} {line.get('unit', line['meter'])} overage"
        + of(line)
        for line in outcome.get("overage", ())
    ]
    return "; ".join(moved)
