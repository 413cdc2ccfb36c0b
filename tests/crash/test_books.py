"""The judges of the campaign see whatever is lost, doubled, moved or changed in a log."""

from __future__ import annotations

import itertools
import json

import pytest
from kafka_fixtures import BEGIN

from crash.books import Judge
from crash.captured import CUT, Captured
from crash.traffic import STRANGERS, Traffic, catalog, shuffled


@pytest.fixture(scope="module")
def whole():
    return Captured(Traffic, catalog, 600)


@pytest.fixture
def log(whole):
    return whole.copy()


def answers(log, status="applied", type_="usage.recorded"):
    """Where in the ledger the outcomes of such facts stand."""
    found = []
    for place, record in enumerate(log.ledger):
        data = json.loads(record.value)
        if data.get("status") == status and data["cause"].get("type", "").split(".", 1)[1:] == [
            f"{type_}.v1"
        ]:
            found.append(place)
    return found


def test_a_whole_log_is_found_whole(whole):
    verdict = whole.judge(Judge(STRANGERS))
    assert {} == verdict.faults, verdict.examples
    assert 600 < verdict.facts
    assert 20 < verdict.duplicates
    assert verdict.outcomes > verdict.facts + verdict.duplicates, "no clock"


def test_an_outcome_that_is_gone_is_missing(log):
    del log.ledger[answers(log)[30]]
    assert 1 == log.judge(Judge(STRANGERS)).faults["missing"]


def test_an_outcome_that_is_there_twice_is_doubled(log):
    place = answers(log)[30]
    log.ledger.insert(place, log.ledger[place])
    assert {"doubled": 1} == log.judge(Judge(STRANGERS)).faults


def test_a_batch_that_is_there_twice_is_doubled_and_does_not_join(log):
    begin, end = [n for n, each in enumerate(log.ledger) if b'"batch"' in each.value[:20]][3:5]
    log.ledger[end:end] = log.ledger[begin:end]
    faults = log.judge(Judge(STRANGERS)).faults
    assert end - begin - 1 <= faults["doubled"]
    assert 0 < faults["gaps"]


def test_a_batch_that_is_gone_is_missing_and_the_next_does_not_join(log):
    begin, end = [n for n, each in enumerate(log.ledger) if b'"batch"' in each.value[:20]][3:5]
    del log.ledger[begin:end]
    faults = log.judge(Judge(STRANGERS)).faults
    assert CUT <= faults["missing"]
    assert 0 < faults["gaps"]
    assert 0 < faults["differing"]


def test_an_acknowledged_fact_that_is_on_no_topic_is_lost(log):
    log.inputs.remove(next(each for each in log.inputs if each.headers["ce_id"].endswith(b"90")))
    faults = log.judge(Judge(STRANGERS)).faults
    assert 1 == faults["lost"]
    assert 0 < faults["gaps"], "the header counts its records"


def test_a_duplicate_that_was_applied_is_unexpected(log):
    place = answers(log, "duplicate")[0]
    changed = log.ledger[place].value.replace(b'"duplicate"', b'"applied"')
    log.ledger[place] = log.ledger[place]._replace(value=changed)
    assert {"unexpected": 1} == log.judge(Judge(STRANGERS)).faults


def test_a_posting_that_is_gone_doubled_or_a_cent_off_makes_its_customer_differ(whole, log):
    earning = b'"credit":"4'
    place = next(n for n, each in enumerate(log.told) if earning in each.value)
    posting = json.loads(log.told[place].value)
    cent = json.dumps(posting | {"amount": posting["amount"] + 1}).encode()
    spoilt = log.told[place]._replace(value=cent)
    for put in ([], [log.told[place]] * 2, [spoilt]):
        log.told[:] = whole.told
        log.told[place : place + 1] = put
        assert {"differing": 1} == log.judge(Judge(STRANGERS)).faults


def test_a_balance_that_is_a_step_off_makes_its_customer_differ(log):
    customer, told = next((c, s) for c, s in log.snapshots.items() if s["usable"])
    unit = next(iter(told["usable"]))
    log.snapshots[customer] = told | {"usable": told["usable"] | {unit: "0.000001"}}
    assert {"differing": 1} == log.judge(Judge(STRANGERS)).faults


def test_a_customer_that_no_worker_knows_differs(log):
    log.snapshots.popitem()
    assert {"differing": 1} == log.judge(Judge(STRANGERS)).faults


def test_shuffled_facts_keep_the_order_of_each_customer():
    import random

    times = itertools.count(BEGIN, 1_500)
    facts = list(Traffic(3, 10, lambda: next(times)).facts(300))
    moved = shuffled(facts, random.Random(1))
    assert facts != moved
    assert sorted(facts, key=id) == sorted(moved, key=id)
    for customer in {each.subject for each in facts}:
        own = [each for each in facts if each.subject == customer]
        assert own == [each for each in moved if each.subject == customer]
