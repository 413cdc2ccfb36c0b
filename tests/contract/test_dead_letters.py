"""A dead letter keeps the original so that it can be read again, and always fits its topic."""

import hashlib
from base64 import b64decode

import pytest

from creditfold.contract.dead_letters import WHOLE_BYTES_MAX, dead_letter
from creditfold.contract.encode import dead_letter_record, structured
from creditfold.contract.envelope import Undecodable, Unreadable, read_record
from creditfold.contract.exact_json import parse
from creditfold.contract.outputs import OUTPUTS, DeadLetter

TOPIC = "creditfold.usage.v1"


def letter(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> DeadLetter:
    with pytest.raises(Undecodable) as caught:
        read_record(key, value, headers)
    return dead_letter(caught.value, TOPIC, 3, 17, 0, key, value, headers)


def test_the_original_can_be_read_again():
    found = letter(b"acme", b"\x00\xff", [("ce_id", b"\xfe"), ("x", None), ("x", b"")])
    assert b64decode(found.key.base64) == b"acme"
    assert b64decode(found.value.base64) == b"\x00\xff"
    assert [
        (header.name, None if header.base64 is None else b64decode(header.base64))
        for header in found.headers
    ] == [("ce_id", b"\xfe"), ("x", None), ("x", b"")]
    assert (
        found.topic, found.partition, found.offset, found.recorded_at,
    ) == (TOPIC, 3, 17, "1970-01-01T00:00:00Z")  # fmt: skip


def test_what_is_absent_is_told_from_what_is_empty():
    found = letter(None, None, [])
    assert (found.key, found.value, found.code) == (None, None, "tombstone")
    empty = letter(b"", b"", [])
    assert (empty.key.base64, empty.value.base64, empty.value.size) == ("", "", 0)


def test_a_large_original_leaves_head_size_and_hash():
    value = b"x" * (WHOLE_BYTES_MAX + 1)
    found = letter(b"acme", value, []).value
    assert found.base64 is None
    assert value.startswith(b64decode(found.head))
    assert (len(value), hashlib.sha256(value).hexdigest()) == (found.size, found.sha256)


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k" * 65_536, b"v" * 65_536, [("\x00" * 65_000, b"")]),
        (b"k" * 900_000, b"v" * 5_000_000, [("h", b"x" * 900_000)]),
        (b"k", b"v", [("", None)] * 300_000),
        (b"k", b"v", [("h", b"\xff" * 10)] * 100_000),
    ],
)
def test_every_letter_fits(key, value, headers):
    record = dead_letter_record(letter(key, value, headers), key)
    size = (
        len(record.value) + len(record.key or b"") + sum(len(n) + len(v) for n, v in record.headers)
    )
    assert size < 1_000_000
    event = parse(structured(record))
    OUTPUTS[event["type"]].model_validate(event["data"])


def test_headers_that_do_not_fit_are_counted():
    found = letter(b"k", b"v", [("h", b"x" * 1_000)] * 100)
    assert len(found.headers) + found.headers_left_out == 100
    assert 0 < found.headers_left_out < 100


def test_the_letter_has_the_originals_key_where_that_could_be_one():
    assert dead_letter_record(letter(b"acme", b"", []), b"acme").key == b"acme"
    assert dead_letter_record(letter(b"k" * 256, b"", []), b"k" * 256).key is None
    assert dead_letter_record(letter(None, b"", []), None).key is None


def test_its_id_is_where_the_record_stood():
    record = dead_letter_record(letter(None, b"", []), None)
    assert dict(record.headers)["ce_id"] == b"creditfold.usage.v1/3/17"


def test_a_letter_knows_every_code_and_no_other():
    codes = DeadLetter.model_json_schema()["properties"]["code"]["enum"]
    assert [code.value for code in Unreadable] == codes
