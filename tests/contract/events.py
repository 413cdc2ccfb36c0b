"""What the contract tests send: one good event, and ways to make it a bad one."""

from __future__ import annotations

from typing import Any

from creditfold.contract.decode import decode
from creditfold.contract.envelope import Undecodable, read_line
from creditfold.contract.exact_json import dump, parse
from creditfold.contract.examples import examples
from creditfold.contract.topics import CATALOG_TYPES, event_type
from creditfold.core.bodies import Body, Fact
from creditfold.core.facts import Malformed

USAGE = event_type("usage.recorded")
GRANT = event_type("credit.granted")

EXAMPLES = [(type_, name, event) for type_, name, event in examples()]
"""(type, name, structured event)."""


def line(type_: str = USAGE, data: Any = None, **attributes: Any) -> bytes:
    """A structured event as a line; an attribute of ... is left out. Data may be JSON text."""
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "tests",
        "type": type_,
        "time": "2026-11-22T12:00:00Z",
        "data": {"meter": "m", "quantity": 1} if data is None else data,
    }
    if type_ not in CATALOG_TYPES:
        event["subject"] = "acme"
    event |= attributes
    if isinstance(event["data"], (bytes, str)):
        text = event["data"]
        event["data"] = parse(text if isinstance(text, bytes) else text.encode())
    return dump({name: value for name, value in event.items() if value is not ...})


def fact(type_: str = USAGE, data: Any = None, **attributes: Any) -> Fact:
    """The fact of such a line."""
    return decode(read_line(line(type_, data, **attributes)), 0)


def body(type_: str = USAGE, data: Any = None) -> Body:
    """The body of a fact with such data."""
    return fact(type_, data).body


def refusal(type_: str = USAGE, data: Any = None) -> tuple[str, str]:
    """(code, path) of bad data."""
    found = body(type_, data)
    assert isinstance(found, Malformed), found
    path, _, advice = found.detail.partition(": ")
    assert advice
    return found.code.value, path


def unreadable(text: bytes) -> str:
    """The code under which the line is dead."""
    try:
        found = read_line(text)
    except Undecodable as error:
        return error.code.value if error.detail else "no detail"
    raise AssertionError(found)


def full(noun_verb: str) -> dict[str, Any]:
    """The data of the full example, free to be changed."""
    (event,) = (
        event for type_, name, event in EXAMPLES if (type_, name) == (event_type(noun_verb), "full")
    )
    data: dict[str, Any] = parse(dump(event["data"]))
    return data
