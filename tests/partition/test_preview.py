"""A rule is previewed on all partitions of a log as if they were one."""

from __future__ import annotations

import pytest

from creditfold.contract.partitions import partition_of
from creditfold.partition.preview import Preview, Rule
from partition.batches import log_of
from properties.events import DAY, HOUR, START, Event, fact, text

UNTIL = START + 40 * DAY
WEEKLY = {
    "program": "weekly",
    "version": 1,
    "effective_from": text(START + 5 * DAY),
    "who": {"field": "customer.attributes.tier", "eq": "pro"},
    "grant": {
        "kind": "promotional",
        "unit": "stars",
        "quantity": "1000000000000",
        "expires": "never",
    },
    "every": "P7D",
}


def facts() -> list[Event]:
    """Three customers who match; one gives another nearly all stars that an amount can hold."""
    made = [
        fact(
            "customer.created",
            {"currency": "USD", "attributes": {"tier": "pro"}},
            id=f"c-{name}",
            at=START + n * HOUR,
            customer=name,
        )
        for n, name in enumerate(("ada", "bob", "cy"))
    ]
    stars = {"unit": "stars", "version": 1, "exponent": 6}
    made.append(fact("unit.declared", stars, id="stars", at=START + 10 * DAY))
    many = {"block": "m", "kind": "promotional", "unit": "stars", "quantity": "8000000000000"}
    given = {"transfer": "t", "block": "m", "quantity": many["quantity"], "to": "bob"}
    for n, (kind, data) in enumerate((("credit.granted", many), ("credit.transferred", given))):
        made.append(fact(kind, data, id=f"m{n}", at=START + 11 * DAY + n, customer="ada"))
    return made


def previewed(partitions: int) -> Preview:
    found = Preview(Rule(WEEKLY), partitions)
    for record, now in log_of(facts()):
        key = record.key
        homes = range(partitions) if key is None else [partition_of(key, partitions)]
        for home in homes:
            found.take(record._replace(partition=home), now)
    found.finish(UNTIL)
    return found


@pytest.mark.parametrize("partitions", [2, 3, 5])
def test_several_partitions_say_what_one_does(partitions: int) -> None:
    assert partition_of(b"ada", partitions) != partition_of(b"bob", partitions)
    one, several = previewed(1), previewed(partitions)

    assert (one.grants, one.refused) == (several.grants, several.refused)
    assert (one.published_at, one.now) == (several.published_at, several.now)
    assert (3, 3) == (one.customers, several.customers)
    assert several.knows("bob")
    assert not several.knows("zoe")


def test_the_rule_waits_for_its_unit_and_sees_what_customers_give_each_other() -> None:
    found = previewed(2)

    assert START + 10 * DAY == found.published_at
    assert {"ada", "cy"} < {each.customer for each in found.grants}
    assert {"bob"} == {each.customer for each in found.refused}
    assert {"quantity_out_of_range"} == {each.code for each in found.refused}


def test_a_rule_that_one_partition_cannot_have_is_not_published() -> None:
    found = Preview(Rule(WEEKLY), 2)
    for record, now in log_of(facts()):
        if record.key is None:  # the unit has come to one partition alone
            found.take(record, now)

    found.finish(UNTIL)

    assert found.published_at is None
    assert found.refusal is not None
    assert "unknown_unit" == found.refusal.code
