"""Whoever changes, removes, adds or swaps a record is found out, by both audits."""

from __future__ import annotations

import itertools
import random

import pytest

from audit.tampering import Recorded, changed, digits, kind, name, turned, untouched, verdict
from creditfold.audit import chain, replay
from creditfold.contract.envelope import Undecodable, read_record
from creditfold.contract.topics import LEDGER, REVENUE
from creditfold.log.records import Record
from local.desk import catalog
from partition.batches import fresh, log_of
from properties.events import DAY, START

RECORDS = untouched()
WITH_VALUE = [r for r in RECORDS if r.value]
HEADER = "creditfold.ledger.batch.v1"
HEADERS = [r for r in RECORDS if kind(r) == HEADER]


def decodable(record: Record) -> bool:
    try:
        read_record(record.key, record.value, record.headers)
    except Undecodable:
        return False
    return True


def test_an_untouched_log_has_no_difference_and_no_finding():
    log = Recorded(RECORDS)
    report, chains = replay.verify(log), chain.check(log)
    assert (0, None, 0) == (report.differences, report.first, report.waiting)
    assert [] == chains.findings
    assert len(HEADERS) == report.batches == chains.headers
    inputs = [r for r in RECORDS if r.topic.split(".")[1] in ("commands", "usage", "invoices")]
    assert len(inputs) == report.inputs
    assert len(RECORDS) - len(inputs) == sum(report.compared.values()) == chains.records
    assert {"", "ada", "bo"} == set(chains.heads)


def test_the_log_holds_a_record_of_every_kind():
    statuses = {
        s
        for s in ("applied", "rejected", "duplicate", "dead_letter")
        for r in RECORDS
        if f'"status":"{s}"'.encode() in (r.value or b"")
    }
    assert {"applied", "rejected", "duplicate", "dead_letter"} == statuses
    topics = {r.topic.split(".")[1] for r in RECORDS}
    assert {"commands", "invoices", "usage", "ledger", "revenue", "notices", "dead-letters"} == (
        topics
    )
    assert any(b'"clock":' in (r.value or b"") for r in RECORDS)


@pytest.mark.parametrize("record", WITH_VALUE, ids=name)
def test_one_digit_changed_is_found_by_the_replay(record):
    for place in random.Random(record.offset).sample(digits(record.value), 1):
        assert 0 < verdict(changed(record, turned(record.value, place))).replay


@pytest.mark.parametrize(
    "record",
    [r for r in WITH_VALUE if r not in HEADERS],
    ids=name,
)
def test_one_digit_changed_is_found_by_the_chains(record):
    for place in random.Random(record.offset).sample(digits(record.value), 1):
        assert 0 < verdict(changed(record, turned(record.value, place))).chain


@pytest.mark.parametrize(
    ("part", "new"),
    [
        (b'"batch":1', b'"batch":2'),
        (b'"due":', b'"due":1'),
        (b'"tz":"', b'"tz":"x'),
        (b'"behaviour":1', b'"behaviour":2'),
        (b'"in":[[', b'"in":[["x",0,1,1],['),
        (b'"now":"2026', b'"now":"2027'),
        (b'"prev":"', b'"prev":"0'),
        (b'"out":"', b'"out":"0'),
    ],
    ids=lambda text: text.decode(),
)
@pytest.mark.parametrize("audit", ["replay", "chain"])
def test_every_part_of_a_header_is_covered_by_both(audit, part, new):
    for record in HEADERS:
        if part in record.value:
            value = record.value.replace(part, new)
            assert 0 < getattr(verdict(changed(record, value)), audit), value


def test_the_time_to_which_the_clock_moved_an_idle_log_is_covered():
    """No other record tells it, and the replay takes the header's word for it."""
    inputs = log_of(catalog(START - DAY))
    batch = fresh().fold(inputs, START, caught_up=True, due_max=9)
    sent = [
        Record(o.topic, 0, n, START, o.key, o.value, o.headers) for n, o in enumerate(batch.outputs)
    ]
    assert (0, 0) == verdict(Recorded([*(record for record, _ in inputs), *sent]))
    then, later = b"2026-01-01T00:00:00Z", b"2026-01-01T09:00:00Z"
    assert then in sent[0].value
    sent[0] = sent[0]._replace(
        value=sent[0].value.replace(then, later),
        headers=tuple((name, text.replace(then, later)) for name, text in sent[0].headers),
    )
    assert 0 < sum(verdict(Recorded([*(record for record, _ in inputs), *sent])))


@pytest.mark.parametrize("record", RECORDS, ids=name)
def test_a_record_that_is_removed_is_found_by_the_replay(record):
    log = Recorded(r for r in RECORDS if r != record)
    report = replay.verify(log)
    assert 0 < report.differences
    assert report.first is not None


@pytest.mark.parametrize("record", RECORDS, ids=name)
def test_a_record_that_is_removed_is_found_by_the_chains(record):
    assert chain.check(Recorded(r for r in RECORDS if r != record)).findings


def test_a_single_batch_without_its_header_is_found_by_the_chains():
    begin, end = (r.offset for r in HEADERS[:2])
    one = [r for r in RECORDS if r.topic != LEDGER.name or begin < r.offset < end]
    first = [r for r in one if r.topic in (LEDGER.name, "creditfold.commands.v1")]
    assert chain.check(Recorded(first)).findings


def doubled(record: Record) -> Recorded:
    """The same record once more behind it: what followed has moved on by one."""
    moved = [
        r._replace(offset=r.offset + 1)
        if r.topic == record.topic and r.offset > record.offset
        else r
        for r in RECORDS
    ]
    records = [*moved, record._replace(offset=record.offset + 1)]
    return Recorded(sorted(records, key=lambda r: (r.topic, r.offset)))


ENDS = {r.topic: r.offset for r in RECORDS}
BEHIND_ALL = [
    r
    for r in RECORDS
    if r.offset == ENDS[r.topic] and r.topic.split(".")[1] in ("commands", "invoices", "usage")
]


@pytest.mark.parametrize("record", [r for r in RECORDS if r not in BEHIND_ALL], ids=name)
def test_a_record_that_is_added_is_found_by_the_replay(record):
    assert 0 < replay.verify(doubled(record)).differences


@pytest.mark.parametrize("record", [r for r in RECORDS if r not in BEHIND_ALL], ids=name)
def test_a_record_that_is_added_is_found_by_the_chains(record):
    assert chain.check(doubled(record)).findings


@pytest.mark.parametrize("record", BEHIND_ALL, ids=name)
def test_an_input_behind_all_others_only_waits(record):
    report = replay.verify(doubled(record))
    assert (0, 1) == (report.differences, report.waiting)


PAIRS = [
    (a, b)
    for a, b in itertools.pairwise(RECORDS)
    if a.topic == b.topic and (a.value, a.key, a.headers) != (b.value, b.key, b.headers)
]


def swapped(a: Record, b: Record) -> Recorded:
    exchange = {a: b._replace(offset=a.offset), b: a._replace(offset=b.offset)}
    return Recorded(exchange.get(r, r) for r in RECORDS)


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=name)
def test_two_records_that_are_swapped_are_found_by_the_replay(a, b):
    assert 0 < verdict(swapped(a, b)).replay


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=name)
def test_two_records_that_are_swapped_are_found_by_the_chains(a, b):
    assert 0 < verdict(swapped(a, b)).chain


def test_a_changed_cent_is_shown_from_both_sides():
    record = next(r for r in RECORDS if r.topic == REVENUE.name)
    value = record.value.replace(b'"amount":', b'"amount":9', 1)
    report = replay.verify(changed(record, value))
    assert report.first is not None
    assert (REVENUE.name, record.offset) == (report.first.topic, report.first.offset)
    assert value.decode() in report.first.stored
    assert record.value.decode() in report.first.replayed
    assert 1 == report.differences


@pytest.mark.parametrize("field", ["key", "headers"])
@pytest.mark.parametrize("topic", [LEDGER.name, REVENUE.name, "creditfold.dead-letters.v1"])
def test_a_changed_key_or_header_of_an_output_is_found_by_both(topic, field):
    record = [r for r in RECORDS if r.topic == topic][-1]
    new = {"key": b"x", "headers": (*record.headers, ("x", b"y"))}[field]
    log = Recorded(r._replace(**{field: new}) if r == record else r for r in RECORDS)
    assert 0 < min(verdict(log))
