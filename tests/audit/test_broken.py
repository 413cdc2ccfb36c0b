"""No log, however it was spoilt, makes an audit raise: it says where the log and it part."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tampering import Recorded, changed, kind, turned, untouched, verdict
from creditfold.audit import chain, replay
from creditfold.log.records import Record

RECORDS = untouched()
LEDGER = [r for r in RECORDS if r.topic == "creditfold.ledger.v1"]
HEADERS = [r for r in LEDGER if kind(r) == "creditfold.ledger.batch.v1"]
OUTCOMES = [r for r in LEDGER if r not in HEADERS]

values = st.sampled_from([None, True, -1, 0, 1, 2**63, 2**70, "", "x", [], {}, [[]], 1.5])


def spoilt(record: Record, path: tuple[str, ...], value: object) -> Recorded:
    data = json.loads(record.value)
    node = data
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return changed(record, json.dumps(data).encode())


def paths(data: object) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for step, value in items:
        found.append((step,))
        if isinstance(value, (dict, list)):
            found += [(step, *rest) for rest in paths(value)]
    return found


def cases(record: Record) -> list[tuple[tuple[str, ...], object]]:
    odd = [None, True, -1, 0, 2**70, "x", [], {}, [[]]]
    return [(path, value) for path in paths(json.loads(record.value)) for value in odd]


def raised(audit, record: Record) -> list[object]:
    found = []
    for path, value in cases(record):
        try:
            audit(spoilt(record, path, value))
        except Exception as error:  # any exception at all is the finding
            found.append((path, value, repr(error)))
    return found


def of_each_status() -> list[Record]:
    by_status = {json.loads(r.value)["status"]: r for r in OUTCOMES}
    sending = next(r for r in OUTCOMES if b"emitted" in r.value)
    return [*by_status.values(), sending]


@pytest.mark.parametrize("record", of_each_status(), ids=lambda r: str(r.offset))
def test_the_replay_never_raises_on_a_spoilt_outcome(record):
    assert [] == raised(replay.verify, record)


@pytest.mark.parametrize("record", HEADERS[1:2], ids=lambda r: str(r.offset))
def test_the_replay_never_raises_on_a_spoilt_header(record):
    assert [] == raised(replay.verify, record)


@pytest.mark.parametrize("record", HEADERS[1:2], ids=lambda r: str(r.offset))
def test_the_chains_never_raise_on_a_spoilt_header(record):
    assert [] == raised(chain.check, record)


@pytest.mark.parametrize("record", of_each_status(), ids=lambda r: str(r.offset))
def test_the_chains_never_raise_on_a_spoilt_outcome(record):
    assert [] == raised(chain.check, record)


@pytest.mark.parametrize("record", [HEADERS[1], OUTCOMES[5]], ids=["header", "outcome"])
@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff\xfe", b"[]", b"null", b"1", b'{"a":'])
def test_no_audit_raises_on_a_value_that_is_no_record(record, value):
    assert 0 < min(verdict(changed(record, value)))


@pytest.mark.parametrize("byte", [0x80, 0xFF])
def test_no_audit_raises_on_a_byte_that_is_no_text(byte):
    for record in (HEADERS[1], OUTCOMES[5]):
        for place in range(0, len(record.value), 7):
            value = record.value[:place] + bytes([byte]) + record.value[place + 1 :]
            assert 0 < verdict(changed(record, value)).replay


@given(st.data())
def test_no_audit_raises_on_a_log_of_any_records_in_any_order(data):
    """Whole records only: lost, repeated, in another order, under another key or time."""
    kept = data.draw(st.lists(st.sampled_from(RECORDS), max_size=60, unique=True))
    ends: dict[str, int] = {}
    shuffled = []
    for record in kept:
        offset = ends.get(record.topic, 0)
        ends[record.topic] = offset + 1
        shuffled.append(record._replace(offset=offset))
    verdict(Recorded(shuffled))


def test_no_audit_raises_on_an_input_that_was_turned_into_something_else():
    rng = random.Random(7)
    for record in RECORDS:
        if record.topic.split(".")[1] in ("commands", "usage", "invoices") and record.value:
            place = rng.randrange(len(record.value))
            assert 0 < verdict(changed(record, turned(record.value, place))).replay


def test_an_unknown_behaviour_is_refused_with_both_versions_named():
    record = HEADERS[0]
    report = replay.verify(
        changed(record, record.value.replace(b'"behaviour":1', b'"behaviour":7'))
    )
    assert (0, 1) == (report.batches, report.differences)
    assert "made by behaviour 7, this version knows 1" == report.first.why


@pytest.mark.parametrize(
    ("why", "old", "new"),
    [
        ("does not join", b'"creditfold.usage.v1",3,', b'"creditfold.usage.v1",2,'),
        ("the topic does not hold them", b",8,5]", b",8,6]"),
        ("the log's time goes back", b'"now":"2026', b'"now":"2025'),
        ("cannot be folded", b'"now":"2026', b'"now":"x026'),
    ],
)
def test_a_header_that_cannot_be_followed_says_why(why, old, new):
    record = HEADERS[2]
    data = json.loads(record.value)
    if old not in record.value:
        begin, end, count = next(e[1:] for e in data["in"] if e[0] == "creditfold.usage.v1")
        old = b'"creditfold.usage.v1",%d,%d,%d]' % (begin, end, count)
        new = {
            "does not join": b'"creditfold.usage.v1",%d,%d,%d]' % (begin - 1, end, count),
            "the topic does not hold them": b'"creditfold.usage.v1",%d,%d,%d]'
            % (begin, end, count + 1),
        }[why]
    report = replay.verify(changed(record, record.value.replace(old, new, 1)))
    assert why in report.first.why


def test_an_empty_log_agrees_with_itself():
    assert (0, 0) == verdict(Recorded([]))


def test_inputs_that_no_batch_has_taken_yet_are_waiting_and_no_difference():
    inputs = [r for r in RECORDS if r.topic.split(".")[1] in ("commands", "usage", "invoices")]
    report = replay.verify(Recorded(inputs))
    assert (0, len(inputs)) == (report.differences, report.waiting)


@pytest.mark.parametrize("text", [b"\\ud800", b"[" * 3_000 + b"]" * 3_000])
def test_no_audit_raises_on_half_a_character_or_a_deep_value(text):
    for record in (HEADERS[1], OUTCOMES[5]):
        value = b'{"x":"%s",' % text if text.startswith(b"\\") else b'{"x":%s,' % text
        log = changed(record, value + record.value[1:])
        assert 0 < sum(verdict(log)), value[:20]
