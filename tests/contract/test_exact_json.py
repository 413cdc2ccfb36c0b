"""No number of the wire ever becomes a binary float, and no bytes can upset the parser."""

import pytest

from creditfold.contract.exact_json import DEPTH_MAX, NotJsonError, Number, dump, parse


@pytest.mark.parametrize(
    "text",
    [
        b"0.1000000000000000055",
        b"1e400",
        b"-1E-400",
        b"1.0",
        b"-0.0",
        b"123456789012345678901234567890.5",
    ],
)
def test_a_fraction_keeps_its_text(text):
    assert Number(text.decode()) == parse(text)
    assert text == dump(parse(text))


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, -(2**64) - 1, 10**400 + 1])
def test_an_integer_keeps_every_digit(number):
    assert number == parse(str(number).encode())
    assert str(number).encode() == dump(number)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"[1,]",
        b"01",
        b"'a'",
        b"\xef\xbb\xbf1",
        b'"\xff"',
        b'"\\ud800"',
        b'"a\nb"',
        b"1 2",
        b"{",
        b'{"a"}',
        b"9" * 5000,
        b"\x00",
    ],
)
def test_what_is_not_json_is_said_to_be_none(text):
    with pytest.raises(NotJsonError):
        parse(text)


def test_depth_is_bounded_by_the_text_alone_and_not_by_the_callers_stack():
    def from_further_down(frames: int) -> object:
        return from_further_down(frames - 1) if frames else parse(b"[" * 64 + b"]" * 64)

    assert from_further_down(0) == from_further_down(700)
    for text in (b"[" * (DEPTH_MAX + 1), b'{"a":' * 100_000, b'["",' * 65 + b"1" + b"]" * 65):
        with pytest.raises(NotJsonError, match="nests deeper"):
            parse(text)


def test_brackets_in_text_are_no_depth():
    assert parse(dump(['[{\\"' * 100])) == ['[{\\"' * 100]


def test_canonical_json_sorts_keys_at_every_level():
    assert (
        dump(parse(b'{ "b" : 2, "a": {"y": "\\u00e9", "x": 1.50} }'))
        == b'{"a":{"x":1.50,"y":"\xc3\xa9"},"b":2}'
    )
