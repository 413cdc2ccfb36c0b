"""A record that is no event becomes a dead letter and an outcome, and the batch goes on."""

from __future__ import annotations

import base64

import pytest

from creditfold.contract.partitions import ONLY, Home, partition_of
from creditfold.partition.position import Position
from creditfold.partition.step import Partition
from creditfold.partition.store import MemoryStore
from local.desk import catalog, strange, to_input, to_inputs
from partition.batches import events_of, fresh, log_of, numbered
from properties.events import START, fact

USAGE = fact("usage.recorded", {"meter": "calls", "quantity": "1"}, id="u", at=START, customer="c")
CREATED = fact("customer.created", {"currency": "USD"}, id="c", at=START, customer="c")
CODES = ["wrong_key", "null_key", "tombstone", "not_json", "not_cloudevents"]


@pytest.mark.parametrize(("code", "record"), list(zip(CODES, strange(), strict=True)))
def test_it_leaves_an_outcome_with_its_coordinates_and_a_letter_with_its_bytes(code, record):
    records = numbered([*to_inputs(catalog()), record])
    batch = fresh().fold(records, START, caught_up=True, due_max=9)
    outcome, letter = (event["data"] for event in events_of(batch.outputs[-2:]))
    where = (record.topic, 0, 0)
    cause = outcome["cause"]
    assert ("dead_letter", code) == (outcome["status"], outcome["code"])
    assert where == (cause["topic"], cause["partition"], cause["offset"])
    assert (code, *where) == tuple(letter[n] for n in ("code", "topic", "partition", "offset"))
    assert (record.value or b"") == base64.b64decode(letter.get("value", {}).get("base64", ""))
    assert len(record.headers) == len(letter["headers"])
    assert "customer" not in outcome


def test_the_batch_goes_on_and_every_input_has_one_outcome():
    good = to_inputs([CREATED, USAGE])
    mixed = [good[0], strange()[0], good[1], *strange()[1:]]
    batch = fresh().fold(
        numbered([*to_inputs(catalog()), *mixed]), START, caught_up=True, due_max=9
    )
    statuses = [outcome.status for outcome in batch.outcomes][-7:]
    assert ["applied", "dead_letter", "applied", *["dead_letter"] * 4] == statuses
    assert 1 + len(batch.outcomes) + 1 + 5 == len(batch.outputs), "header, overage posting, letters"


def test_the_same_bytes_at_another_offset_are_another_dead_letter():
    broken = to_input(USAGE)._replace(value=b"{")
    batch = fresh().fold(numbered([broken, broken]), START, caught_up=True, due_max=9)
    assert 2 == len({outcome.outcome for outcome in batch.outcomes})


def test_a_key_that_is_no_customer_is_kept_in_the_letter_and_not_on_the_record():
    broken = to_input(USAGE)._replace(key=b"k" * 300)
    batch = fresh().fold(numbered([broken]), START, caught_up=True, due_max=9)
    assert batch.outputs[-1].key is None
    letter = events_of(batch.outputs[-1:])[0]["data"]
    assert b"k" * 300 == base64.b64decode(letter["key"]["base64"])


def test_what_is_due_is_taken_in_portions_and_nothing_is_left_out():
    events = catalog()
    for n in range(5):
        data = {
            "block": "b",
            "kind": "promotional",
            "unit": "USD",
            "quantity": "1",
            "expires_at": "2026-01-02T00:00:00Z",
        }
        events += [
            CREATED | {"id": f"c{n}", "subject": f"c{n}"},
            fact("credit.granted", data, id=f"g{n}", at=START, customer=f"c{n}"),
        ]
    partition = fresh()
    partition.fold(log_of(events), START, caught_up=True, due_max=9)
    later = START + 86_400_000_000
    portions = []
    while partition.due(later):
        batch = partition.fold([], later, caught_up=True, due_max=2)
        portions.append([outcome.customer for outcome in batch.outcomes])
    assert [["c0", "c1"], ["c2", "c3"], ["c4"]] == portions


@pytest.mark.parametrize("count", [2, 3, 12])
def test_a_record_is_taken_by_its_customers_partition_and_by_no_other(count):
    """Two partitions that both knew a customer would each count a repeated usage once."""
    home = partition_of(b"c", count)
    for number in range(count):
        partition = Partition(MemoryStore(), Home(number, count), Position())
        records = numbered(to_inputs([*catalog(), CREATED, USAGE]))
        batch = partition.fold(records, START, caught_up=True, due_max=9)
        answers = [(outcome.status, outcome.code) for outcome in batch.outcomes]
        assert [("applied", None)] * 3 == answers[:3], "the catalog is for all partitions"
        foreign = ("dead_letter", "wrong_partition")
        assert answers[-2:] == ([("applied", None)] if number == home else [foreign]) * 2


def test_where_there_is_one_partition_everybody_lives_there():
    for customer in ("c", "ada", "\N{SNOWMAN}", "x" * 255, None):
        ONLY.check(customer)


def test_a_foreign_record_is_told_whose_partition_it_should_lie_on():
    number = 1 - partition_of(b"c", 2)
    partition = Partition(MemoryStore(), Home(number, 2), Position())
    batch = partition.fold(numbered(to_inputs([CREATED])), START, caught_up=True, due_max=9)
    (outcome,) = batch.outcomes
    assert outcome.detail == (
        f"it lies on partition {number} of 2 and its key belongs on {1 - number}: "
        "set the producer's partitioner to murmur2_random"
    )


def test_a_record_that_is_foreign_and_no_event_has_the_code_of_what_is_no_event():
    number = 1 - partition_of(b"c", 2)
    partition = Partition(MemoryStore(), Home(number, 2), Position())
    broken = to_input(USAGE)._replace(value=b"{")
    batch = partition.fold(numbered([broken]), START, caught_up=True, due_max=9)
    assert ["not_json"] == [outcome.code for outcome in batch.outcomes]
