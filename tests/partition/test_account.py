"""The head of a customer keeps sums of its records, so that no fact has to walk through them."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import pytest

from crash import mix, traffic
from creditfold.contract.envelope import write_binary
from creditfold.contract.partitions import ONLY
from creditfold.contract.topics import TRANSFERS, topic_of
from creditfold.core.exact import half_even
from creditfold.core.overage_state import CARRIED
from creditfold.core.state import ACCOUNT, BLOCK, HOLD, TERMS
from creditfold.log.records import Record
from creditfold.partition.position import Position
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore

BEGIN = 1_767_225_600_000_000


@pytest.fixture(scope="module")
def records():
    """What is stored of customers who have done all that there is, by customer and kind."""
    clock = itertools.count(BEGIN, 20_000)
    soon = traffic.Soon(20_000_000, 60_000_000)
    made = mix.Mix(1, 40, lambda: next(clock), soon)
    store = MemoryStore()
    partition, offsets, now = Partition(store, ONLY, Position()), Counter(), 0
    for fact in (*mix.catalog(BEGIN), *made.opening(), *made.facts(3_000)):
        now = max(now, fact.recordedtime)
        waiting = [(topic_of(fact.type).name, *write_binary(fact))]
        while waiting:
            batch = []
            for topic, *given in waiting:
                batch.append((Record(topic, 0, offsets[topic], now, *given), now))
                offsets[topic] += 1
            told = partition.refold(batch, now, 1_000_000).outputs
            waiting = [each[:4] for each in told if each.topic == TRANSFERS.name]
    found = defaultdict(dict)
    for (customer, kind, id_), record in store.items():
        found[customer, kind][id_] = record
    return found


@pytest.fixture(scope="module")
def accounts(records):
    return {customer: each[""] for (customer, kind), each in records.items() if kind == ACCOUNT}


def total(parts):
    """By unit, what is not zero."""
    summed = Counter()
    for unit, amount in parts:
        summed[unit] += amount
    return {unit: amount for unit, amount in summed.items() if amount}


def would_repay(carried):
    """By unit, what credit would repay of one usage."""
    prices = {price.unit: price.amount for price in carried.prices}
    for unit, whole in prices.items():
        asked, rest = carried.rest or (unit, whole)
        yield unit, half_even(whole * rest, prices[asked]) if rest else 0


def test_what_is_carried_and_owed_is_that_of_all_overage_that_credit_repays(records, accounts):
    owed = {}
    for customer, account in accounts.items():
        carried = records[customer, CARRIED].values()
        assert len(carried) == account.carried
        owed[customer] = total(part for each in carried for part in would_repay(each))
        assert owed[customer] == account.owed
    assert any(owed.values())


def test_what_is_usable_is_what_blocks_have_available(records, accounts):
    for customer, account in accounts.items():
        terms = records[customer, TERMS]
        available = total(
            (terms[id_].unit, block.available)
            for id_, block in records[customer, BLOCK].items()
            if id_ in terms and terms[id_].pays_usage
        )
        assert available == total(account.usable.items())


def test_what_is_set_aside_on_limits_is_what_open_holds_have_of_them(records, accounts):
    kept = {
        customer: total((hold.unit, hold.credit) for hold in records[customer, HOLD].values())
        for customer in accounts
    }
    assert kept == {customer: account.on_credit for customer, account in accounts.items()}
    assert any(kept.values())
