"""A record's bytes are fully determined by what it says, and validate against its schema."""

import json

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from contract.events import EXAMPLES
from creditfold.contract import outputs
from creditfold.contract.encode import (
    batch_record,
    digest,
    notice_record,
    outcome_record,
    posting_record,
    sealed,
    structured,
)
from creditfold.contract.examples import CUSTOMER, NOON
from creditfold.contract.topics import topic_of
from creditfold.core.entries import Cause, Notice, Outcome, Posting, Status, canonical
from creditfold.log.records import Output

CAUSE = Cause("s", "1", "creditfold.usage.recorded.v1", "ab", "creditfold.usage.v1", 3, 9)
OUTCOME = Outcome(
    "o1", Status.APPLIED, CAUSE, "Zoë", effective_at=NOON, balances={"b": "1", "a": "2"}
)
POSTING = Posting(
    "o1.p1", "o1.j1", 1, "c", "us_gaap", "R", "2026-11-22", "2026-11", "1000", "1100", 5, "USD", 2,
    "o1", "ab", {"z": 1, "a": "2"},
)  # fmt: skip
BATCH = outputs.Batch(
    batch=1,
    now=NOON,
    code=outputs.Version(behaviour=1, tz="2026b"),
    in_=(("creditfold.usage.v1", 0, 3, 2),),
    due=0,
    prev="",
    out="0" * 64,
)


def test_an_outcome_is_written_in_one_way():
    assert Output(
        "creditfold.ledger.v1",
        "Zoë".encode(),
        b'{"balances":{"a":"2","b":"1"},"cause":{"content":"ab","id":"1","offset":9,"partition":3,'
        b'"source":"s","topic":"creditfold.usage.v1","type":"creditfold.usage.recorded.v1"},'
        b'"customer":"Zo\xc3\xab","effective_at":"2026-11-22T12:00:00Z","outcome":"o1",'
        b'"status":"applied"}',
        (
            ("ce_specversion", b"1.0"),
            ("ce_id", b"o1"),
            ("ce_source", b"creditfold"),
            ("ce_type", b"creditfold.ledger.outcome.v1"),
            ("ce_time", NOON.encode()),
            ("ce_subject", "Zoë".encode()),
            ("content-type", b"application/json"),
        ),
    ) == outcome_record(OUTCOME)


@pytest.mark.parametrize(
    ("status", "id_"),
    [
        (Status.APPLIED, b"o1.3"),  # the catalog's, which every partition answers
        (Status.REJECTED, b"o1.rejected"),
        (Status.DUPLICATE, b"o1.duplicate"),
        (Status.DEAD_LETTER, b"creditfold.usage.v1/3/9"),
    ],
)
def test_an_outcomes_id_says_what_became_of_the_input(status, id_):
    record = outcome_record(Outcome("o1", status, CAUSE, recorded_at=NOON))
    headers = dict(record.headers)
    assert (id_, NOON.encode()) == (headers["ce_id"], headers["ce_time"])
    assert (record.key, "ce_subject" in headers) == (None, False)


def test_a_catalog_outcome_has_no_key_and_no_subject():
    record = outcome_record(Outcome("o1", Status.APPLIED, CAUSE, effective_at=NOON))
    assert record.key is None
    assert "ce_subject" not in dict(record.headers)


def test_postings_notices_and_headers_go_to_their_topics():
    notice = Notice("n1", "unpriced_usage", "c", "o1", NOON)
    for record, topic, id_, key in (
        (
            posting_record(POSTING, NOON, canonical(POSTING)),
            "creditfold.revenue.v1",
            b"o1.p1",
            b"c",
        ),
        (notice_record(notice, canonical(notice)), "creditfold.notices.v1", b"n1", b"c"),
        (batch_record(BATCH, 4), "creditfold.ledger.v1", b"4/1", None),
    ):
        headers = dict(record.headers)
        assert (topic, id_, key) == (record.topic, headers["ce_id"], record.key)
        assert record.topic == topic_of(headers["ce_type"].decode()).name


def test_a_batch_header_reads_as_the_design_has_it():
    assert json.loads(batch_record(BATCH, 0).value) == {
        "batch": 1,
        "now": NOON,
        "code": {"behaviour": 1, "tz": "2026b"},
        "in": [["creditfold.usage.v1", 0, 3, 2]],
        "due": 0,
        "prev": "",
        "out": "0" * 64,
    }


def test_a_line_is_the_record_in_structured_mode():
    record = posting_record(POSTING, NOON, canonical(POSTING))
    event = json.loads(structured(record))
    assert json.loads(record.value) == event.pop("data")
    read = from_binary(KafkaMessage(dict(record.headers), None, record.value), JSONFormat())
    attributes = dict(read.get_attributes())
    attributes["time"] = NOON
    assert attributes == event
    assert b"\n" not in structured(record)


def test_absent_fields_are_left_out():
    for type_, _, event in EXAMPLES:
        if "ledger" in type_ or "revenue" in type_:
            assert None not in event["data"].values()


def test_the_chain_covers_every_part_of_every_record_and_their_order():
    records = [outcome_record(OUTCOME), posting_record(POSTING, NOON, canonical(POSTING))]
    first = digest(b"", records)
    assert first == digest(b"", list(records))
    changed = [
        digest(b"x", records),
        digest(b"", records[::-1]),
        digest(b"", records[:1]),
        digest(b"", [records[0]._replace(value=b"{}"), records[1]]),
        digest(b"", [records[0]._replace(key=None), records[1]]),
        digest(b"", [records[0]._replace(topic="x"), records[1]]),
        digest(b"", [records[0]._replace(headers=()), records[1]]),
        digest(b"", []),
    ]
    assert len({first, *changed}) == 1 + len(changed)


def test_the_examples_are_the_customers():
    assert {CUSTOMER, None} == {event.get("subject") for _, _, event in EXAMPLES}


def test_the_digest_covers_every_field_of_the_header():
    out = sealed(BATCH, []).out
    changes = [
        {"batch": BATCH.batch + 1},
        {"now": "2026-01-02T03:04:05Z"},
        {"due": BATCH.due + 1},
        {"prev": "0" * 64},
        {"in_": (("creditfold.usage.v1", 0, 1, 1),)},
        {"code": BATCH.code.model_copy(update={"tz": "other"})},
        {"code": BATCH.code.model_copy(update={"behaviour": 99})},
    ]
    changed = [sealed(BATCH.model_copy(update=change), []).out for change in changes]
    assert len({out, *changed}) == 1 + len(changes)
    assert out == sealed(BATCH.model_copy(update={"out": "f" * 64}), []).out
