"""JSON in which no number ever becomes a binary float: integers stay whole, the rest stays text."""

from __future__ import annotations

from typing import Any

import msgspec


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


_decoder = msgspec.json.Decoder(float_hook=Number)
_encoder = msgspec.json.Encoder(order="sorted", enc_hook=_written)


class NotJsonError(ValueError):
    """The bytes are not a JSON text, or one that nests or counts beyond reason."""


def parse(text: bytes) -> Any:  # noqa: ANN401  # any JSON value
    """The JSON value, its fractions as `Number`; NotJsonError where the bytes are no JSON."""
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotJsonError(str(error)) from None


def dump(value: object) -> bytes:
    """Canonical JSON: sorted keys, no white space, every `Number` as it was written."""
    return _encoder.encode(value)
