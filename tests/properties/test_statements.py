"""Statements: all of them sum to the ledger, whatever comes late, is corrected or carried."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from properties.events import DAY, START, Event, fact, instant, outcomes, snapshots, text
from properties.invariants import check_all
from properties.records import Records
from properties.statements import USAGE, entered, statements_of, told_by, usage_of
from properties.stories import amended_days, days, folded

EVERY = st.sampled_from(["PT12H", "P1D", "P3D", "P1M"])
ZONES = st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])


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


@given(days(eventful=True), EVERY, ZONES)
def test_statements_sum_to_the_ledger(
    story: tuple[list[Event], list[Event], dict[str, int]], every: str, zone: str
) -> None:
    told, usage, delays = story
    stated(told, usage, every, zone)
    out = folded(told, usage, delays)
    records = Records(out)
    check_all(records)
    statements = statements_of(out, "ada")
    used = usage_of(_taken(records, [*told, *usage]))
    assert entered(records, "ada", records.applied, used) == told_by(statements)
    _usage_stands_in_its_own_period(out, [*told, *usage], statements)


def _taken(records: Records, facts: list[Event]) -> list[Event]:
    applied = {o["cause"]["id"] for o in records.applied if "id" in o["cause"]}
    return [event for event in facts if event["id"] in applied]


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
    used = usage_of(_taken(records, [*told, *usage, *changes]))
    assert entered(records, "ada", records.applied, used) == told_by(statements_of(out, "ada"))
    assert "next_statement" not in snapshots(out)["ada"]
