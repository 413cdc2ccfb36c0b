"""Statements read back: what they say in all, and what the ledger says of the same usage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

from properties.events import Event, instant, of_type
from properties.records import Records

USAGE = ("creditfold.usage.recorded.v1", "creditfold.hold.settled.v1")

Cell = tuple[str | None, ...]
"""Subscription, meter, product, then what is counted."""

Sums = dict[Cell, Fraction]


def told_by(statements: list[Event]) -> Sums:
    """What statements say, cell by cell; overage by quantity and by amount."""
    found: Sums = defaultdict(Fraction)
    for line in (line for statement in statements for line in statement["lines"]):
        place = (line.get("subscription"), line["meter"], line["product"])
        found[place] += Fraction(line["quantity"])
        for part in line.get("covered", []):
            found[*place, part["kind"], part["unit"]] += Fraction(part["quantity"])
        for part in line.get("overage", []):
            count_overage(found, place, part)
    return {cell: amount for cell, amount in found.items() if amount}


def count_overage(found: Sums, place: Cell, part: Event) -> None:
    """Overage as a statement or an outcome tells it."""
    cell = (*place, *(part.get(name) for name in ("policy", "unit", "rate")))
    found[cell] += Fraction(part["quantity"])
    found[*cell, "amount"] += Fraction(part.get("amount", "0"))


Used = dict[str, tuple[str | None, Fraction]]
"""By usage, the subscription that it names and its quantity."""


def entered(records: Records, customer: str, entering: Iterable[Event], used: Used) -> Sums:
    """The same, as the entries of these outcomes have it."""
    found: Sums = defaultdict(Fraction)
    meters: dict[str, Cell] = {}
    for outcome in entering:
        own = outcome["cause"].get("id", "")
        for entry in outcome.get("entries", []):
            sign = (entry["to"] == "drawn") - (entry["from"] == "drawn")
            if sign:
                subscription, _ = used[entry["usage"]]
                place = (subscription, entry["meter"], entry["product"])
                kind = records.terms[customer, entry["block"]]["kind"]
                found[*place, kind, entry["unit"]] += sign * Fraction(entry["quantity"])
                meters[entry["usage"]] = place
        for over in outcome.get("overage", []):
            usage = over.get("usage", own)
            place = (used[usage][0], over["meter"], over["product"])
            count_overage(found, place, over)
            meters[usage] = place
    for usage, (_, quantity) in used.items():
        if usage in meters:
            found[meters[usage]] += quantity
    return {cell: amount for cell, amount in found.items() if amount}


def usage_of(facts: Iterable[Event]) -> Used:
    """What these facts, which were applied, say of a customer's usage in the end."""
    found: Used = {}
    for event in facts:
        data = event["data"]
        if event["type"] in USAGE:
            found[event["id"]] = (data.get("subscription"), Fraction(data["quantity"]))
        elif "usage" in data:
            id_ = data["usage"]["id"]
            found[id_] = (found[id_][0], Fraction(data.get("quantity", "0")))
    return found


def statements_of(records: list[Event], customer: str) -> list[Event]:
    """All of a customer's, in order: each begins where the one before has ended, or later."""
    told = of_type(records, "notice.statement_ready")
    found = [notice["statement"] for notice in told if notice["customer"] == customer]
    ids = [f"{customer}:statement:{n}" for n in range(1, len(found) + 1)]
    assert ids == [each["id"] for each in found]
    for before, after in pairwise(found):
        assert instant(before["to"]) <= instant(after["from"]) < instant(after["to"])
    return found
