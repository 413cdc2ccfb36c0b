"""JSON in which no number ever becomes a binary float: integers stay whole, the rest stays text."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

DEPTH_MAX = 64
"""How deep a text may nest. The parser's own limit depends on the caller's stack: a replay could
come to another answer than the worker did."""


class Number:
    """A JSON number with a fraction or an exponent, as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Number({self.text!r})"


def _written(value: object) -> msgspec.Raw:
    if isinstance(value, Number):
        return msgspec.Raw(value.text.encode())
    raise NotImplementedError(f"{type(value).__name__} has no place in JSON")


_string = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_bracket = re.compile(rb"[\[\]{}]")
_decoder = msgspec.json.Decoder(float_hook=Number)
dump: Final = msgspec.json.Encoder(order="sorted", enc_hook=_written).encode
"""Canonical JSON: sorted keys, no white space, every `Number` as it was written."""


class NotJsonError(ValueError):
    """The bytes are not a JSON text, or one that nests or counts beyond reason."""


def parse(text: bytes) -> Any:  # noqa: ANN401  # any JSON value
    """The JSON value, its fractions as `Number`; NotJsonError where the bytes are no JSON."""
    if text.count(b"[") + text.count(b"{") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        raise NotJsonError(f"it nests deeper than {DEPTH_MAX}")
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotJsonError(str(error)) from None


def _depth(text: bytes) -> int:
    depth = deepest = 0
    for bracket in _bracket.findall(_string.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
