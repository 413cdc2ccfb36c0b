"""The judge of the campaign sees whatever is lost, doubled, moved or changed in a log."""

from __future__ import annotations

import itertools
import json

import pytest
from kafka_fixtures import BEGIN

from crash.books import INPUTS, LEDGER, REVENUE, Judge, Record, Verdict, utc
from crash.traffic import STRANGERS, Traffic, catalog, shuffled
from creditfold.contract.envelope import write_binary
from creditfold.contract.partitions import ONLY
from creditfold.contract.topics import RANK, topic_of
from creditfold.log.order import ordered
from creditfold.log.records import Record as Input
from creditfold.partition.position import Position
from creditfold.partition.snapshot import balance_at
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore
from partition.batches import NO_LIMIT

CUT = 40


class Captured:
    """A log of one partition as a campaign reads it, and what its worker would answer."""

    def __init__(self) -> None:
        times = itertools.count(BEGIN, 1_500)
        traffic = Traffic(3, 10, lambda: next(times))
        facts = [*catalog(BEGIN), *traffic.opening(), *traffic.facts(600)]
        times = itertools.count(traffic.quiet_at, 1_500)
        facts += traffic.closing()
        self.sent = [(each.subject, each.id) for each in facts if each.subject]
        self.now = next(times)
        self.inputs: list[Record] = []
        queues: dict[str, list[Input]] = {topic: [] for topic in INPUTS}
        for each in facts:
            topic, (key, value, headers) = topic_of(each.type).name, write_binary(each)
            offset = len(queues[topic])
            queues[topic].append(Input(topic, 0, offset, each.recordedtime, key, value, headers))
            self.inputs.append(Record(topic, offset, key, value, dict(headers)))
        self._fold(list(ordered(queues, RANK, 0, self.now)), traffic.customers)

    def _fold(self, order, customers):
        store, outputs = MemoryStore(), []
        partition = Partition(store, ONLY, Position())
        for begin in range(0, len(order), CUT):
            piece = order[begin : begin + CUT]
            batch = partition.fold(piece, piece[-1][1], caught_up=False, due_max=NO_LIMIT)
            outputs += batch.outputs
        outputs += partition.fold([], self.now, caught_up=True, due_max=NO_LIMIT).outputs
        offsets = {topic: itertools.count() for topic in {each.topic for each in outputs}}
        records = [
            Record(each.topic, next(offsets[each.topic]), each.key, each.value, dict(each.headers))
            for each in outputs
        ]
        self.ledger = [each for each in records if each.topic == LEDGER]
        self.revenue = [each for each in records if each.topic == REVENUE]
        self.snapshots = {}
        for customer in customers:
            told = balance_at(store, partition.catalog, customer, self.now)
            self.snapshots[customer] = {"usable": told.usable, "overage": told.overage}

    def judge(self) -> Verdict:
        judge = Judge(STRANGERS)
        judge.partition(self.inputs, self.ledger, self.revenue)
        judge.sent(self.sent)
        judge.customers(self.snapshots, utc(self.now))
        return judge.verdict


@pytest.fixture(scope="module")
def whole():
    return Captured()


@pytest.fixture
def log(whole):
    """A copy that a test may spoil."""
    copy = object.__new__(Captured)
    copy.__dict__ = {
        name: value.copy() if isinstance(value, (list, dict)) else value
        for name, value in vars(whole).items()
    }
    return copy


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
    verdict = whole.judge()
    assert {} == verdict.faults, verdict.examples
    assert 600 < verdict.facts
    assert 20 < verdict.duplicates
    assert verdict.outcomes > verdict.facts + verdict.duplicates, "no clock"


def test_an_outcome_that_is_gone_is_missing(log):
    del log.ledger[answers(log)[30]]
    assert 1 == log.judge().faults["missing"]


def test_an_outcome_that_is_there_twice_is_doubled(log):
    place = answers(log)[30]
    log.ledger.insert(place, log.ledger[place])
    assert {"doubled": 1} == log.judge().faults


def test_a_batch_that_is_there_twice_is_doubled_and_does_not_join(log):
    begin, end = [n for n, each in enumerate(log.ledger) if b'"batch"' in each.value[:20]][3:5]
    log.ledger[end:end] = log.ledger[begin:end]
    faults = log.judge().faults
    assert end - begin - 1 <= faults["doubled"]
    assert 0 < faults["gaps"]


def test_a_batch_that_is_gone_is_missing_and_the_next_does_not_join(log):
    begin, end = [n for n, each in enumerate(log.ledger) if b'"batch"' in each.value[:20]][3:5]
    del log.ledger[begin:end]
    faults = log.judge().faults
    assert CUT <= faults["missing"]
    assert 0 < faults["gaps"]
    assert 0 < faults["differing"]


def test_an_acknowledged_fact_that_is_on_no_topic_is_lost(log):
    log.inputs.remove(next(each for each in log.inputs if each.headers["ce_id"].endswith(b"90")))
    faults = log.judge().faults
    assert 1 == faults["lost"]
    assert 0 < faults["gaps"], "the header counts its records"


def test_a_duplicate_that_was_applied_is_unexpected(log):
    place = answers(log, "duplicate")[0]
    changed = log.ledger[place].value.replace(b'"duplicate"', b'"applied"')
    log.ledger[place] = log.ledger[place]._replace(value=changed)
    assert {"unexpected": 1} == log.judge().faults


def test_a_posting_that_is_gone_doubled_or_a_cent_off_makes_its_customer_differ(whole, log):
    earning = b'"credit":"4'
    place = next(n for n, each in enumerate(log.revenue) if earning in each.value)
    posting = json.loads(log.revenue[place].value)
    cent = json.dumps(posting | {"amount": posting["amount"] + 1}).encode()
    spoilt = log.revenue[place]._replace(value=cent)
    for put in ([], [log.revenue[place]] * 2, [spoilt]):
        log.revenue[:] = whole.revenue
        log.revenue[place : place + 1] = put
        assert {"differing": 1} == log.judge().faults


def test_a_balance_that_is_a_step_off_makes_its_customer_differ(log):
    customer, told = next((c, s) for c, s in log.snapshots.items() if s["usable"])
    unit = next(iter(told["usable"]))
    log.snapshots[customer] = told | {"usable": told["usable"] | {unit: "0.000001"}}
    assert {"differing": 1} == log.judge().faults


def test_a_customer_that_no_worker_knows_differs(log):
    log.snapshots.popitem()
    assert {"differing": 1} == log.judge().faults


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
