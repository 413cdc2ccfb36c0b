"""Laws about whole runs: duplicates, sweeps, interleaving, refusals; and that a lie is found."""

from __future__ import annotations

import copy
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.partition.simulation import Simulation
from properties.chain import chain_is_unbroken
from properties.events import DAY, HOUR, MINUTE, START, Event, fact, instant, outcomes, text
from properties.invariants import (
    check_all,
    i06_the_liability_is_the_sum_of_carrying_values,
    i10_unbilled_is_accrued_less_billed,
    i11_usage_revenue_depends_on_what_is_drawn_alone,
    i29_every_proof_recomputes,
    snapshots_are_the_ledger,
    usage_is_conserved,
)
from properties.model import LEDGER
from properties.records import Records
from properties.world import quantities, scopes, setting, usages

DECIMALS = LEDGER | {"credits": 6, "tokens": 0}
END = START + 60 * DAY


@st.composite
def histories(draw: st.DrawFn, customer: str = "ada") -> list[Event]:
    """One customer's facts in the order of their record time."""
    begin = {"currency": "USD", "time_zone": "UTC"}
    facts = [fact("customer.created", begin, id="new", at=START, customer=customer)]
    now = START
    for number in range(draw(st.integers(4, 14))):
        now += draw(st.sampled_from([0, MINUTE, HOUR, DAY, 2 * DAY]))
        what = draw(st.sampled_from(["grant", "grant", "use", "use", "use", "use", "sell", "bill"]))
        ago = 0
        if what == "grant":
            kind, data = "credit.granted", draw(_grants(number, now))
        elif what == "use":
            kind, data = "usage.recorded", _own_money(draw(usages))
            ago = draw(st.sampled_from([0, 0, HOUR, 2 * DAY, 4 * DAY]))
        else:
            kind, data = "invoice.issued", draw(_invoices(number, now, what))
        facts.append(
            fact(kind, data, id=f"f{number}", at=now - ago, customer=customer, recorded=now)
        )
    return facts


def _own_money(usage: Event) -> Event:
    if usage.get("amount", {}).get("unit") == "money":
        return usage | {"amount": usage["amount"] | {"unit": "USD"}}
    return usage


@st.composite
def _grants(draw: st.DrawFn, number: int, now: int) -> Event:
    free = draw(st.booleans())
    data: Event = {
        "block": f"b{number}",
        "kind": "promotional" if free else "paid",
        "unit": draw(st.sampled_from(["USD", "credits", "tokens"])),
        "quantity": draw(quantities),
    }
    if not free:
        amount = draw(st.sampled_from(["0.07", "9.99", "100"]))
        data["value"] = {"amount": amount, "currency": "USD"}
    if draw(st.booleans()):
        data["effective_at"] = text(now + draw(st.sampled_from([-DAY, HOUR, 2 * DAY])))
    if draw(st.booleans()):
        data["expires_at"] = text(now + draw(st.sampled_from([3 * HOUR, 3 * DAY, 9 * DAY])))
    if scope := draw(scopes):
        data["scope"] = scope
    return data


@st.composite
def _invoices(draw: st.DrawFn, number: int, now: int, what: str) -> Event:
    line: Event = {"line": "1", "amount": draw(st.sampled_from(["0.07", "9.99"])), "tax": "1"}
    data: Event = {"invoice": f"i{number}", "currency": "USD", "lines": [line]}
    if what == "sell":
        line["sells"] = [{"block": f"b{draw(st.integers(0, 13))}"}]
        data["recognition"] = draw(st.sampled_from(["on_issue", "on_due"]))
        data["due_at"] = text(now + draw(st.sampled_from([HOUR, 2 * DAY])))
    else:
        meter = draw(st.sampled_from(["api.calls", "llm.tokens", "gb"]))
        line["arrears_for"] = [{"meter": meter, "from": text(START - DAY), "to": text(now)}]
    return data


def run(steps: list[Event | str], fold: Simulation | None = None) -> list[Event]:
    """Facts, and instants to sweep to, in order; then all that is due until END."""
    fold = fold or Simulation()
    out: list[Event] = []
    for step in steps:
        out += fold.sweep(step) if isinstance(step, str) else fold.feed(step)
    return out + fold.sweep(text(END)) + fold.snapshots(text(END))


def content(records: list[Event], customer: str | None = None) -> list[Event]:
    """What must not differ between two runs: all but headers, where and when it was recorded."""
    kept: list[Event] = []
    for record in records:
        if record["type"] == "creditfold.ledger.batch.v1":
            continue
        if customer is not None and record.get("subject") != customer:
            continue
        data = copy.deepcopy(record["data"])
        data.pop("recorded_at", None)
        if "cause" in data and isinstance(data["cause"], dict):
            for coordinate in ("topic", "partition", "offset"):
                data["cause"].pop(coordinate, None)
        kept.append({"type": record["type"], "data": data})
    return kept


def applied(records: list[Event]) -> list[Event]:
    return [
        record
        for record in content(records)
        if record["data"].get("status", "applied") == "applied"
    ]


def in_order(records: list[Event]) -> list[Event]:
    """By type, keeping each type's order: a sweep may not reorder what one type says."""
    return sorted(records, key=lambda record: record["type"])


@given(histories(), st.data())
def test_a_duplicate_changes_nothing(history: list[Event], data: st.DataObject):
    """Any applied fact, sent again at any later place, is answered and leaves no trace.

    Usage is remembered for the late window; after it, it is refused as too late: also no trace.
    """
    once = run([*setting(), *history])
    told = {o["cause"].get("id"): o["status"] for o in outcomes(once) if o.get("customer")}
    place = data.draw(st.integers(1, len(history)))
    first = data.draw(st.integers(0, place - 1))
    again = history[first] | {"recordedtime": text(_recorded(history[place - 1]))}
    if told[again["id"]] != "applied":
        return
    twice = run([*setting(), *history[:place], again, *history[place:]])
    mine = [o for o in outcomes(twice) if o.get("customer")]
    answers = [o for o in mine if o["cause"].get("id") == again["id"]]
    assert "applied" == answers[0]["status"]
    late = _recorded(again) - instant(again["time"]) > 72 * HOUR
    gone = late and again["type"] == "creditfold.usage.recorded.v1"
    assert ["rejected" if gone else "duplicate"] == [a["status"] for a in answers[1:]]
    assert answers[0]["outcome"] == answers[1]["outcome"]
    assert applied(once) == applied(twice)


def _recorded(event: Event) -> int:
    return instant(event.get("recordedtime", event["time"]))


@given(histories(), st.data())
def test_a_sweep_inserted_anywhere_changes_no_entry(history: list[Event], data: st.DataObject):
    """The clock may tick at any instant that is not after the next fact's record time."""
    plain = run([*setting(), *history])
    steps: list[Event | str] = list(setting())
    before = START
    for event in history:
        until = _recorded(event)
        if data.draw(st.booleans()):
            steps.append(text(data.draw(st.integers(before, until))))
        steps.append(event)
        before = until
    assert content(plain) == content(run(steps))


@given(histories("ada"), histories("bo"))
def test_interleaving_customers_changes_neither(mine: list[Event], other: list[Event]):
    """Alone or among others: the same outcomes, postings, notices and chain head."""
    both = run([*setting(), *sorted([*mine, *other], key=_recorded)])
    for customer, history in (("ada", mine), ("bo", other)):
        alone = run([*setting(), *history])
        assert content(alone, customer) == content(both, customer)


@given(histories())
def test_what_is_used_is_drawn_overage_or_refused(history: list[Event]):
    """Nothing that was used goes missing, and all invariants hold at the end."""
    out = run([*setting(), *history])
    records = Records(out)
    check_all(records)
    used = [f for f in history if f["type"] == "creditfold.usage.recorded.v1"]
    usage_is_conserved(records, used, DECIMALS)
    mine = [o["cause"] for o in records.outcomes if o.get("customer")]
    assert {f["id"] for f in history} == {cause["id"] for cause in mine if "id" in cause}


@given(histories(), st.sampled_from(["meter", "quantity", "time"]), st.data())
def test_a_rejection_changes_nothing_and_frees_its_id(
    history: list[Event], what: str, data: st.DataObject
):
    """A refused usage leaves no trace, and the same id can be sent again, put right."""
    place = data.draw(st.integers(1, len(history)))
    now = _recorded(history[place - 1])
    good = fact(
        "usage.recorded",
        {"meter": "gb", "quantity": "1"},
        id="x",
        at=now,
        customer="ada",
        recorded=now,
    )
    bad = copy.deepcopy(good)
    if what == "meter":
        bad["data"]["meter"] = "unheard.of"
    elif what == "quantity":
        bad["data"]["quantity"] = "0"
    else:
        bad["time"] = text(now + 10 * MINUTE)
    before, after = history[:place], history[place:]
    with_bad = run([*setting(), *before, bad, *after])
    assert applied(run([*setting(), *history])) == applied(with_bad)
    refused = [o for o in outcomes(with_bad) if o["cause"].get("id") == "x"]
    assert ["rejected"] == [o["status"] for o in refused]
    right = run([*setting(), *before, good, *after])
    assert applied(right) == applied(run([*setting(), *before, bad, good, *after]))
    assert any(
        r["data"].get("cause", {}) and r["data"]["cause"].get("id") == "x"
        for r in applied(right)
        if r["type"] == "creditfold.ledger.outcome.v1"
    )


def test_a_policy_published_late_does_not_let_the_clock_decide():
    """What fell due before a policy was known is posted under the old one, swept or not."""
    block = {
        "block": "b",
        "kind": "paid",
        "unit": "credits",
        "quantity": "10",
        "value": {"amount": "1", "currency": "USD"},
        "expires_at": text(START + DAY),
    }
    bill = {
        "invoice": "i",
        "currency": "USD",
        "lines": [{"line": "1", "amount": "1", "sells": [{"block": "b"}]}],
    }
    policy = {
        "version": 1,
        "effective_from": text(START),
        "author": "a",
        "reason": "r",
        "keys": {"draw.order": ["id"]},
    }
    begin = {"currency": "USD", "time_zone": "UTC"}
    facts = [
        *setting(),
        fact("customer.created", begin, id="new", at=START, customer="ada"),
        fact("credit.granted", block, id="b", at=START, customer="ada"),
        fact("invoice.issued", bill, id="i", at=START, customer="ada"),
    ]
    change = fact("policy.published", policy, id="p", at=START + 2 * DAY)
    swept = run([*facts, text(START + DAY), change])
    assert content(run([*facts, change]), "ada") == content(swept, "ada")


def _ada(*facts: tuple[str, Event, str, int]) -> list[Event]:
    begin = {"currency": "USD", "time_zone": "UTC"}
    return [
        *setting(),
        fact("customer.created", begin, id="new", at=START, customer="ada"),
        *(fact(kind, data, id=name, at=at, customer="ada") for kind, data, name, at in facts),
    ]


def test_an_id_that_comes_back_after_the_window_does_not_overwrite_the_first():
    """Ids are forgotten after the window; ids of outcomes, postings and overage must not recur."""
    used: list[Event] = [{"meter": "api.calls", "quantity": q} for q in ("100", "200")]
    out = run(
        _ada(
            ("usage.recorded", used[0], "u1", START),
            ("usage.recorded", used[1], "u1", START + 4 * DAY),
        )
    )
    check_all(Records(out))


def test_a_rest_too_small_for_one_unit_is_not_lost():
    """A token costs 0.00012345; 0.0001 is paid in money, and 0.19 of a token rounds to none."""
    grants: list[Event] = [
        {"block": "m", "kind": "promotional", "unit": "USD", "quantity": "0.0001", "priority": 1},
        {"block": "t", "kind": "promotional", "unit": "tokens", "quantity": "10", "priority": 2},
    ]
    facts = _ada(
        *(("credit.granted", grant, grant["block"], START) for grant in grants),
        ("usage.recorded", {"meter": "llm.tokens", "quantity": "1"}, "u1", START),
    )
    usage_is_conserved(Records(run(facts)), facts[-1:], DECIMALS)


# That a lie is found


def _a_year_of_business() -> list[Event]:
    """A funded block in part used and expired, an unfunded one, and overage in part billed."""
    money = {"amount": "10.00", "currency": "USD"}
    grants = [
        {
            "block": name,
            "kind": "paid",
            "unit": "credits",
            "quantity": "100",
            "value": money,
            "priority": n,
            "expires_at": text(START + 20 * DAY),
        }
        for n, name in enumerate(("unfunded", "funded"))
    ]
    line = {"line": "1", "amount": "10.00", "tax": "1.90", "sells": [{"block": "funded"}]}
    bill = {"invoice": "i", "currency": "USD", "lines": [line]}
    begin = {"currency": "USD", "time_zone": "UTC"}

    def mine(kind: str, data: Event, name: str, day: int) -> Event:
        return fact(kind, data, id=name, at=START + day * DAY, customer="ada")

    calls: dict[str, Any] = {"meter": "api.calls"}
    return run(
        [
            *setting(),
            mine("customer.created", begin, "new", 0),
            *(mine("credit.granted", g, g["block"], 0) for g in grants),
            mine("invoice.issued", bill, "i", 0),
            mine("usage.recorded", calls | {"quantity": "201"}, "u1", 1),
            mine("usage.recorded", calls | {"quantity": "202"}, "u2", 2),
            mine("usage.recorded", {"meter": "gb", "quantity": "19000"}, "u3", 3),
            mine("usage.recorded", calls | {"quantity": "1000"}, "u4", 21),
        ]
    )


def test_the_honest_books_pass():
    """Without this, the mutations below would prove nothing."""
    records = Records(_a_year_of_business())
    check_all(records)
    assert {"R-DRAW", "R-DRAW-UNFUNDED", "R-EXPIRE", "R-OVERAGE", "R-BILL"} <= {
        line["rule"] for line in records.postings
    }


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (
            "R-DRAW",
            [
                i06_the_liability_is_the_sum_of_carrying_values,
                i11_usage_revenue_depends_on_what_is_drawn_alone,
            ],
        ),
        ("R-EXPIRE", [i06_the_liability_is_the_sum_of_carrying_values]),
        ("R-OVERAGE", [i10_unbilled_is_accrued_less_billed]),
        ("R-DRAW-UNFUNDED", [i11_usage_revenue_depends_on_what_is_drawn_alone]),
    ],
)
@pytest.mark.parametrize("cent", [1, -1])
def test_one_cent_in_one_posting_is_found(rule: str, broken: list[Any], cent: int):
    """The tie-out, the posting's own proof and the hash chain each report it."""
    out = _a_year_of_business()
    for which, line in enumerate(Records(out).postings):
        if line["rule"] != rule:
            continue
        forged = copy.deepcopy(out)
        Records(forged).postings[which]["amount"] += cent
        for check in (*broken, i29_every_proof_recomputes, chain_is_unbroken):
            with pytest.raises(AssertionError):
                check(Records(forged))


def test_one_step_in_one_entry_is_found():
    """A millionth of a credit, taken from any entry, breaks the chain and the tie to snapshots."""
    out = _a_year_of_business()
    changed = 0
    for which, outcome in enumerate(outcomes(out)):
        for number, entry in enumerate(outcome.get("entries", [])):
            forged = copy.deepcopy(out)
            mine = outcomes(forged)[which]["entries"][number]
            mine["quantity"] = str(Decimal(entry["quantity"]) - Decimal("0.000001"))
            with pytest.raises(AssertionError):
                chain_is_unbroken(Records(forged))
            with pytest.raises(AssertionError):
                snapshots_are_the_ledger(Records(forged))
            changed += 1
    assert changed >= 8


def test_a_missing_or_swapped_outcome_is_found():
    """Leaving out or exchanging applied outcomes breaks the chain."""
    out = _a_year_of_business()
    told = [(n, record["data"]) for n, record in enumerate(out)]
    places = [n for n, data in told if data.get("customer") == "ada" and "seq" in data]
    for left, right in pairwise(places):
        without = out[:left] + out[left + 1 :]
        swapped = list(out)
        swapped[left], swapped[right] = out[right], out[left]
        for forged in (without, swapped):
            with pytest.raises(AssertionError):
                chain_is_unbroken(Records(forged))
