"""An envelope is read in both modes alike, or refused with the one code that fits."""

import pytest

from contract.events import EXAMPLES, USAGE, line, unreadable
from creditfold.contract.envelope import (
    EVENT_BYTES_MAX,
    Envelope,
    Undecodable,
    customer_id_fault,
    read_line,
    read_record,
    write_binary,
    write_structured,
)
from creditfold.contract.exact_json import dump
from creditfold.contract.topics import event_type

VALUE = b'{"meter":"m","quantity":1}'
UNIT = event_type("unit.declared")


def headers(**changed: bytes | None) -> list[tuple[str, bytes]]:
    found = {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"tests",
        "ce_type": USAGE.encode(),
        "ce_time": b"2026-11-22T12:00:00Z",
        "content-type": b"application/json",
    } | {name.replace("content_type", "content-type"): value for name, value in changed.items()}
    return [(name, value) for name, value in found.items() if value is not None]


def dead(key: bytes | None = b"acme", value: bytes | None = VALUE, **changed: bytes | None) -> str:
    with pytest.raises(Undecodable) as caught:
        read_record(key, value, headers(**changed))
    assert caught.value.detail
    return caught.value.code.value


@pytest.mark.parametrize("event", [event for _, _, event in EXAMPLES])
def test_binary_and_structured_say_the_same(event):
    envelope = read_line(dump(event))  # through text, since an example holds Python's floats
    key, value, found = write_binary(envelope)
    assert envelope == read_record(key, value, found)
    assert envelope == read_line(write_structured(envelope))
    structured = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    assert envelope == read_record(key, write_structured(envelope), structured)
    assert (key, value, found) == write_binary(read_record(key, value, found))


def test_the_key_alone_names_the_customer():
    assert read_record(b"acme", VALUE, headers()).subject == "acme"
    structured = [("content-type", b"application/cloudevents+json")]
    assert read_record(b"acme", line(subject=...), structured).subject == "acme"


def test_header_names_have_no_case_and_unknown_ones_are_passed_over():
    upper = [(name.upper(), value) for name, value in headers()]
    assert read_record(b"acme", VALUE, headers()) == read_record(b"acme", VALUE, upper)
    more = [*headers(), ("ce_traceparent", b"\xff"), ("x", None), ("x", b"2")]
    assert read_record(b"acme", VALUE, headers()) == read_record(b"acme", VALUE, more)


def test_an_event_without_content_type_is_json():
    assert read_record(b"acme", VALUE, headers(content_type=None)).data == {
        "meter": "m",
        "quantity": 1,
    }


@pytest.mark.parametrize(
    ("code", "case"),
    [
        ("tombstone", {"value": None}),
        ("too_large", {"value": b" " * (EVENT_BYTES_MAX + 1)}),
        ("not_json", {"value": b""}),
        ("not_json", {"value": b'{"meter":NaN}'}),
        ("not_json", {"content_type": b"application/avro"}),
        ("not_an_object", {"value": b"[]"}),
        ("not_an_object", {"value": b'"text"'}),
        ("not_cloudevents", {"ce_specversion": None}),
        ("not_cloudevents", {"ce_specversion": b"0.3"}),
        ("not_cloudevents", {"ce_id": None}),
        ("not_cloudevents", {"ce_id": b""}),
        ("not_cloudevents", {"ce_id": b"\xff"}),
        ("not_cloudevents", {"ce_source": None}),
        ("not_cloudevents", {"ce_type": None}),
        ("not_json", {"content_type": b"application/cloudevents-batch+json"}),
        ("not_json", {"content_type": b"application/cloudevents+avro"}),
        ("id_too_long", {"ce_id": b"x" * 10_240}),
        ("id_too_long", {"ce_id": "é".encode() * 128}),
        ("id_too_long", {"ce_source": b"x" * 256}),
        ("id_too_long", {"ce_id": b"a\nb"}),
        ("id_too_long", {"ce_source": "a\x85b".encode()}),
        ("bad_time", {"ce_time": None}),
        ("bad_time", {"ce_time": b"2026-11-22T12:00:00"}),
        ("bad_time", {"ce_recordedtime": b"yesterday"}),
        ("null_key", {"key": None}),
        ("null_key", {"key": b""}),
        ("null_key", {"key": None, "ce_subject": b"acme"}),
        ("wrong_key", {"ce_subject": b"other"}),
        ("wrong_key", {"key": b"\xff"}),
        ("wrong_key", {"key": b"x" * 256}),
        ("wrong_key", {"key": b"a\x00b"}),
        ("wrong_key", {"key": "e\u0301".encode()}),
        ("wrong_key", {"ce_type": UNIT.encode()}),
        ("wrong_key", {"key": None, "ce_type": UNIT.encode(), "ce_subject": b"acme"}),
    ],
)
def test_a_bad_record_has_its_code(code, case):
    assert code == dead(**case)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("not_json", b""),
        ("not_json", b"\n"),
        ("not_json", b"{"),
        ("not_json", line(data_base64="e30=")),
        ("not_json", line(datacontenttype="text/plain")),
        ("not_json", line(datacontenttype=1)),
        ("not_an_object", b"1"),
        ("not_an_object", line(data=[])),
        ("not_cloudevents", b"{}"),
        ("not_cloudevents", line(specversion=1)),
        ("not_cloudevents", line(id=7)),
        ("not_cloudevents", line(subject=7)),
        ("id_too_long", line(id="x" * 10_240)),
        ("id_too_long", line(type_="x" * 256)),
        ("bad_time", line(time="2026-11-22T12:00:00")),
        ("bad_time", line(time=1795348800)),
        ("null_key", line(subject=...)),
        ("wrong_key", line(subject="")),
        ("wrong_key", line(type_=UNIT, subject="acme")),
        ("too_large", b"x" * 5_000_000),
    ],
)
def test_a_bad_line_has_its_code(code, text):
    assert code == unreadable(text)


def test_an_attribute_that_stands_twice_is_refused():
    with pytest.raises(Undecodable, match="twice"):
        read_record(b"acme", VALUE, [*headers(), ("ce_id", b"2")])


def test_a_type_that_nobody_knows_is_readable_with_a_customer_and_without():
    type_ = event_type("program.imagined")
    assert read_line(line(type_, subject=...)).subject is None
    assert read_line(line(type_)).subject == "acme"
    assert read_record(None, VALUE, headers(ce_type=type_.encode())).subject is None


def test_the_longest_names_pass():
    assert read_line(line(id="é" * 127, source="x" * 255, subject="€" * 85)).subject == "€" * 85


def test_an_event_without_data_has_none():
    assert read_line(line(event_type("clock.held"), data=...)).data == {}


@pytest.mark.parametrize("text", ["acme", "Zürich 7", "顧客", "a\u00a0b", "\u200d"])
def test_a_customer_id_may_be_any_text(text):
    assert customer_id_fault(text) is None


@pytest.mark.parametrize("text", ["", "a\tb", "a\x7fb", "é\x9f", "e\u0301", "x" * 256, "€" * 86])
def test_a_customer_id_is_short_and_has_one_spelling(text):
    assert customer_id_fault(text)


def test_written_bytes_are_fully_determined():
    envelope = Envelope("1", "s", USAGE, "acme", 0, {"b": 1, "a": "x"}, 1)
    assert write_binary(envelope) == (
        b"acme",
        b'{"a":"x","b":1}',
        (
            ("ce_specversion", b"1.0"),
            ("ce_id", b"1"),
            ("ce_source", b"s"),
            ("ce_type", USAGE.encode()),
            ("ce_time", b"1970-01-01T00:00:00Z"),
            ("ce_subject", b"acme"),
            ("ce_recordedtime", b"1970-01-01T00:00:00.000001Z"),
            ("content-type", b"application/json"),
        ),
    )
