"""Credit between customers of two partitions on a real Kafka: it arrives once, whatever dies."""

import json
import time

import pytest
from worker_rig import PARTITIONS, SECOND, WorkerRig, names, until

from creditfold.audit import chain, replay
from creditfold.broker.kafka_log import KafkaLog
from creditfold.contract.topics import REVENUE
from creditfold.core.times import rfc3339
from creditfold.worker import retry

pytestmark = pytest.mark.broker

COUNT = 60


@pytest.fixture
def rig(kafka, tmp_path):
    """Topics have the contract's names, so they are made for each test and deleted after it."""
    if kafka.node is None and kafka.source.startswith("CREDITFOLD_KAFKA"):
        pytest.skip("this would delete the topics of a cluster that is not ours")
    made = WorkerRig(kafka.bootstrap, tmp_path, "creditfold")
    yield made.make_topics()
    made.close()


def transfer(rig, sender, receiver, number, at):
    data = {"transfer": f"t{number}", "block": f"{sender}-paid", "quantity": 1, "to": receiver}
    return rig.fact("credit.transferred", sender, data, at)


def answers(rig, sender):
    """Of the sender's transfers: how many were accepted, and how many came back."""
    types = [o["cause"].get("type", "") for o in rig.ledger() if o.get("customer") == sender]
    return tuple(types.count(f"creditfold.transfer.{what}.v1") for what in ("accepted", "returned"))


def in_transit(rig):
    """Debits less credits of 2040 over all partitions, and how often it was posted to."""
    found = []
    for partition in range(PARTITIONS):
        for record in KafkaLog(rig.bootstrap, partition).read(REVENUE.name):
            line = json.loads(record.value)
            found += [line["amount"]] if line["debit"] == "2040" else []
            found += [-line["amount"]] if line["credit"] == "2040" else []
    return sum(found), len(found)


def unreadable(rig, *, sender, receiver, at):
    """The id of an offer with a field of a later release, once it was refused and not sent back."""
    offer = {
        "transfer": "later",
        "from": sender,
        "block": f"{sender}-paid",
        "kind": "paid",
        "unit": "credits",
        "quantity": "1",
        "value": {"amount": "0", "currency": "USD"},
        "effective_at": rfc3339(at),
        "of_a_later_release": True,
    }
    fact = rig.fact("transfer.offered", receiver, offer, at + 120 * SECOND)
    rig.send([fact])
    until(lambda: "unknown_field" in [o.get("code") for o in rig.ledger()], lambda: "not folded")
    return fact.id


def test_credit_crosses_partitions_once_and_comes_back_from_nobody(rig):
    at = time.time_ns() // 1_000 - 3_600 * SECOND
    (here,), (there,) = names(0, 1), names(1, 1)
    stranger = names(1, 2)[1]
    facts = rig.catalog(at - SECOND)
    for name in (here, there):
        facts += rig.customer(name, at, usages=1)
    rig.send(facts)
    worker = rig.worker().start().wait_ready()
    rig.wait_for_outcomes(len(facts) - 3 + 3 * PARTITIONS)
    for number in range(COUNT):
        to = stranger if number % 3 == 0 else there
        rig.send([transfer(rig, here, to, number, at + 60 * SECOND + number)])
        if number in (COUNT // 3, 2 * COUNT // 3):
            worker.kill()
            worker = rig.worker().start()
    worker.wait_ready()
    back = COUNT // 3
    until(
        lambda: answers(rig, here) == (COUNT - back, back),
        lambda: f"{answers(rig, here)}\n{worker.tail()}",
        90,
    )

    def sent():  # what the ledger shows, the worker answers a moment later
        paid = next(b for b in worker.balance(here).json()["blocks"] if b["kind"] == "paid")
        return [paid["transferred_out"], paid["available"]]

    until(lambda: sent() == [str(COUNT - back), str(1_000 - COUNT + back)], sent)
    got = [b for b in worker.balance(there).json()["blocks"] if "transferred_from" in b]
    assert [f"{here}:{here}-paid"] * (COUNT - back) == [block["transferred_from"] for block in got]
    assert (0, 2 * COUNT) == in_transit(rig)
    unread = unreadable(rig, sender=here, receiver=there, at=at)
    asked = retry.retry(rig.bootstrap, dry_run=True)
    assert [(unread, retry.Fate.SENT)] == [(fact.id, fate) for fact, fate in asked.facts]
    assert worker.terminate() == 0
    for partition in range(PARTITIONS):
        log = KafkaLog(rig.bootstrap, partition)
        report = replay.verify(log)
        assert (0, 0) == (report.waiting, report.differences), report.first
        assert [] == chain.check(log).findings
