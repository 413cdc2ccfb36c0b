"""Statements: all of them sum to the ledger, whatever comes late, is corrected or carried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from properties.events import DAY, START, Event, fact, instant, of_type, outcomes, snapshots, text
from properties.invariants import check_all
from properties.records import Records
from properties.stories import amended_days, days, folded

EVERY = st.sampled_from(["PT12H", "P1D", "P3D", "P1M"])
ZONES = st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])

USAGE = ("creditfold.usage.recorded.v1", "creditfold.hold.settled.v1")

Cell = tuple[str | None, ...]
"""Subscription, meter, product, then what is counted."""

Sums = dict[Cell, Fraction]


def stated(told: list[Event], usage: list[Event], every: str, zone: str) -> None:
    """Let there be statements, and let every other usage name a subscription."""
    told[0]["data"]["time_zone"] = zone
    policy: Event = {
        "version": 1,
        "effective_from": text(START - DAY),
        "keys": {"statement.every": every},
        "author": "a",
        "reason": "r",
    }
    started = {"subscription": "s", "plan": "p", "period": "P1M"}
    told[:0] = [fact("policy.published", policy, id="stated", at=START, recorded=START)]
    told[2:2] = [
        fact("subscription.started", started, id="s", at=START, customer="ada", recorded=START)
    ]
    for event in usage[::2]:
        event["data"]["subscription"] = "s"


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


def entered(records: Records, used: dict[str, tuple[str | None, Fraction]]) -> Sums:
    """The same, as the entries of all outcomes have it; `used` is by usage."""
    found: Sums = defaultdict(Fraction)
    meters: dict[str, Cell] = {}
    for outcome in records.applied:
        own = outcome["cause"].get("id", "")
        for entry in outcome.get("entries", []):
            sign = (entry["to"] == "drawn") - (entry["from"] == "drawn")
            if sign:
                subscription, _ = used[entry["usage"]]
                place = (subscription, entry["meter"], entry["product"])
                kind = records.terms["ada", entry["block"]]["kind"]
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


def usage_of(records: Records, facts: list[Event]) -> dict[str, tuple[str | None, Fraction]]:
    """The subscription and the quantity of each usage that was taken, as it is in the end."""
    applied = {o["cause"]["id"] for o in records.applied if "id" in o["cause"]}
    found: dict[str, tuple[str | None, Fraction]] = {}
    for event in sorted(
        (f for f in facts if f["id"] in applied), key=lambda f: f["id"].startswith("change")
    ):
        data = event["data"]
        if event["type"] in USAGE:
            found[event["id"]] = (data.get("subscription"), Fraction(data["quantity"]))
        elif "usage" in data:
            id_ = data["usage"]["id"]
            found[id_] = (found[id_][0], Fraction(data.get("quantity", "0")))
    return found


def statements_of(records: list[Event]) -> list[Event]:
    """All statements, in order: each begins where the one before has ended, or later."""
    found = [notice["statement"] for notice in of_type(records, "notice.statement_ready")]
    assert [f"ada:statement:{n}" for n in range(1, len(found) + 1)] == [s["id"] for s in found]
    for before, after in pairwise(found):
        assert instant(before["to"]) <= instant(after["from"]) < instant(after["to"])
    return found


@given(days(eventful=True), EVERY, ZONES)
def test_statements_sum_to_the_ledger(
    story: tuple[list[Event], list[Event], dict[str, int]], every: str, zone: str
) -> None:
    told, usage, delays = story
    stated(told, usage, every, zone)
    out = folded(told, usage, delays)
    records = Records(out)
    check_all(records)
    statements = statements_of(out)
    assert entered(records, usage_of(records, [*told, *usage])) == told_by(statements)
    _usage_stands_in_its_own_period(out, [*told, *usage], statements)


def _usage_stands_in_its_own_period(
    out: list[Event], facts: list[Event], statements: list[Event]
) -> None:
    """What came before its period was over is in that period's statement, the rest in a later."""
    came = {o["cause"].get("id"): o["recorded_at"] for o in outcomes(out) if "seq" in o}
    for statement in statements:
        begin, end = instant(statement["from"]), instant(statement["to"])
        own = sum(
            Fraction(event["data"]["quantity"])
            for event in facts
            if event["type"] in USAGE
            and begin <= instant(event["time"]) < end
            and event["id"] in came
            and instant(came[event["id"]]) < end
        )
        lines: Iterator[Event] = (line for line in statement["lines"] if "earlier" not in line)
        assert own == sum(Fraction(line["quantity"]) for line in lines), statement


@given(amended_days(), EVERY, ZONES)
def test_corrections_stand_in_the_next_statement(
    story: tuple[list[Event], list[Event], dict[str, int], list[Event]], every: str, zone: str
) -> None:
    told, usage, delays, changes = story
    stated(told, usage, every, zone)
    out = folded([*told, *changes], usage, delays)
    records = Records(out)
    check_all(records)
    used = usage_of(records, [*told, *usage, *changes])
    assert entered(records, used) == told_by(statements_of(out))
    assert "next_statement" not in snapshots(out)["ada"]
