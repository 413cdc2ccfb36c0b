"""The judge of mixed facts sees one cent, one step, one record or one link that is not right."""

from __future__ import annotations

import json

import pytest

from crash import mix
from crash.captured import Captured
from crash.mixed_books import MixedJudge
from crash.traffic import PRICES, STRANGERS

KINDS = (
    "hold.placed", "hold.settled", "credit.adjusted", "credit.transferred", "transfer.returned",
    "usage.corrected", "usage.retracted", "program.attached", "subscription.started",
    "invoice.issued", "credit_note.issued",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole():
    return Captured(mix.Mix, mix.catalog, 1_800)


@pytest.fixture
def log(whole):
    return whole.copy()


def judge(prices=PRICES, window=mix.WINDOW):
    return MixedJudge(STRANGERS, mix.MAY_BE_REFUSED, prices, window)


def faults(log):
    return log.judge(judge()).faults


def spoil(records, found, **change):
    """Change the first record in which something is found; what it was."""
    place = next(n for n, each in enumerate(records) if found(json.loads(each.value)))
    data = json.loads(records[place].value)
    new = {name: put(data[name]) for name, put in change.items()}
    records[place] = records[place]._replace(value=json.dumps(data | new).encode())
    return data


def of(kind, status="applied"):
    """Whether an outcome answers such a fact so."""
    return lambda data: (
        data.get("status") == status
        and data["cause"].get("type") == f"creditfold.{kind}.v1"
        and ("entries" in data or status != "applied")
    )


def test_a_whole_log_of_all_kinds_is_found_whole(whole):
    verdict = whole.judge(judge())
    assert {} == verdict.faults, verdict.examples
    assert 1_800 < verdict.facts
    assert 20 < verdict.duplicates
    told = {json.loads(each.value)["cause"]["type"] for each in whole.ledger
            if b'"applied"' in each.value and b'"topic"' in each.value}  # fmt: skip
    assert {f"creditfold.{kind}.v1" for kind in KINDS} <= told
    blocks = [block for each in whole.snapshots.values() for block in each["blocks"]]
    assert any("blends" in block for block in blocks)
    assert any("waits_for" in block for block in blocks)
    assert {"plan", "taste", "small"} <= {block.get("program") for block in blocks}


@pytest.mark.parametrize("rule", ["R-DRAW", "R-OVERAGE", "R-CORRECT", "R-TRANSFER", "R-BLEND"])
def test_one_cent_of_a_posting_makes_its_customer_differ(log, rule):
    spoil(log.told, lambda data: data.get("rule") == rule, amount=lambda amount: amount + 1)
    assert 1 <= faults(log)["differing"]


@pytest.mark.parametrize("kind", ["usage.recorded", "hold.placed", "credit.adjusted"])
def test_one_step_of_an_entry_makes_its_customer_differ(log, kind):
    spoil(log.ledger, of(kind), entries=lambda entries: [
        entries[0] | {"quantity": entries[0]["quantity"] + ("1" if "." in entries[0]["quantity"]
                                                            else ".000001")},
        *entries[1:]])  # fmt: skip
    assert 1 <= faults(log)["differing"]


def test_one_step_of_a_balance_makes_its_customer_differ(log):
    customer, told = next((c, s) for c, s in log.snapshots.items() if s["blocks"])
    block = told["blocks"][0]
    block = block | {"drawn": block["drawn"] + "0" * ("." not in block["drawn"]) + "1"}
    log.snapshots[customer] = told | {"blocks": [block, *told["blocks"][1:]]}
    assert {"differing": 1} == faults(log)


def test_a_notice_that_is_gone_or_doubled_makes_its_customer_differ(whole):
    place = next(n for n, each in enumerate(whole.told) if b'"notice"' in each.value)
    for put in ([], [whole.told[place]] * 2):
        log = whole.copy()
        log.told[place : place + 1] = put
        assert {"differing": 1} == faults(log)


def test_usage_at_another_price_or_of_another_quantity_makes_its_customer_differ(whole):
    dearer = judge(PRICES | {("calls", "USD"): "0.050001"})
    assert 1 <= whole.judge(dearer).faults["differing"]
    log = whole.copy()
    inputs = [json.loads(each.value) for each in log.inputs]
    changed = {data["usage"]["id"] for data in inputs if "usage" in data}
    right = next(
        json.loads(each.value)["cause"]
        for each in log.ledger
        if of("usage.recorded")(data := json.loads(each.value))
        and data["cause"]["id"] not in changed
    )
    place = right["topic"], right["offset"]
    n = next(n for n, each in enumerate(log.inputs) if (each.topic, each.offset) == place)
    data = inputs[n]
    more = json.dumps(data | {"quantity": f"{data['quantity']}0"}).encode()
    log.inputs[n] = log.inputs[n]._replace(value=more)
    assert {"differing": 1} == faults(log)


def test_usage_that_came_too_late_and_is_covered_all_the_same_is_seen(whole):
    """By a judge for whom more usage came too late than for the fold."""
    assert 1 <= whole.judge(judge(window=60_000_000)).faults["differing"]


def test_credit_that_could_be_used_before_it_was_paid_is_seen(whole):
    """By a judge who is told that a block which began at once would have waited."""
    log = whole.copy()
    places = [n for n, each in enumerate(log.inputs) if b'"on_payment"' in each.value]
    unpaid = {json.loads(log.inputs[n].value)["lines"][0]["sells"][0]["block"] for n in places}
    for place, each in enumerate(log.inputs):
        data = json.loads(each.value)
        if data.get("block") in unpaid and "quantity" in data and "value" in data:
            waits = json.dumps(data | {"usable": "when_funded"}).encode()
            log.inputs[place] = each._replace(value=waits)
    assert 1 <= faults(log)["differing"]


def test_credit_for_a_trial_that_lasts_longer_and_a_grant_in_a_trial_are_seen(whole):
    """By a judge who is told of other ends."""
    ends = [n for n, each in enumerate(whole.inputs) if b'"trial_until"' in each.value]
    for end in ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"):
        log = whole.copy()
        for place in ends:
            data = json.loads(log.inputs[place].value) | {"trial_until": end}
            log.inputs[place] = log.inputs[place]._replace(value=json.dumps(data).encode())
        assert 1 <= faults(log)["differing"]


def test_a_transfer_that_arrives_with_less_or_not_at_all_is_seen(whole):
    log = whole.copy()
    spoil(log.ledger, of("transfer.offered"), entries=lambda entries: [
        each | {"quantity": "0.5"} for each in entries])  # fmt: skip
    assert 2 <= faults(log)["differing"], "the customer and the transfer"
    log = whole.copy()
    spoil(log.ledger, of("credit.transferred"), sent=lambda sent: sent * 2)
    assert 1 == faults(log)["lost"]
    log = whole.copy()
    spoil(log.ledger, of("credit.transferred"), sent=lambda _: [])
    assert 1 == faults(log)["doubled"]


def test_a_refusal_that_nothing_explains_is_unexpected(log):
    spoil(log.ledger, of("hold.placed", "rejected"), code=lambda _: "unknown_meter")
    assert {"unexpected": 1} == faults(log)


def test_an_outcome_that_is_gone_or_there_twice_is_seen(whole):
    place = next(n for n, e in enumerate(whole.ledger) if of("hold.settled")(json.loads(e.value)))
    log = whole.copy()
    del log.ledger[place]
    assert 1 == faults(log)["missing"]
    log = whole.copy()
    log.ledger.insert(place, log.ledger[place])
    assert 1 == faults(log)["doubled"]
