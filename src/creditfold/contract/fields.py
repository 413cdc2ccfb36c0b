"""The kinds of field that events are made of: names, exact numbers, times, property values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from creditfold.contract.envelope import customer_id_fault
from creditfold.contract.exact_json import Number
from creditfold.contract.instants import (
    DURATION_PATTERN,
    INTERVAL_PATTERN,
    LOCAL_TIME_PATTERN,
    TIME_PATTERN,
    BadTimeError,
    parse_duration,
    parse_instant,
    parse_interval,
    parse_local_time,
)
from creditfold.core.calendar import Every, Expires, Until
from creditfold.core.exact import INT64_MAX, Exact, parse_decimal
from creditfold.core.policy import LATE_WINDOW_MAX
from creditfold.core.predicate import Value
from creditfold.core.program_facts import AnchoredAt, LocalTime
from creditfold.core.times import DAY, HOUR, SECOND

_T = TypeVar("_T")

NOT_EXACT = "number_not_exact"
INVALID = "invalid_value"

DECIMAL_PATTERN = r"^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?$"
UNSIGNED_PATTERN = r"^(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?$"
NAME_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f]*$"
NAME_CHARS_MAX = 255
REFERENCE_CHARS_MAX = 2 * NAME_CHARS_MAX + 2 + 19
"""Two names, two signs between and behind them, and a number."""
VALUE_CHARS_MAX = 1024
WAIT_MAX = 366 * DAY

_decimal_schema = {
    "anyOf": [{"type": "string", "pattern": DECIMAL_PATTERN}, {"type": "integer"}],
}
_unsigned_schema = {
    "anyOf": [{"type": "string", "pattern": UNSIGNED_PATTERN}, {"type": "integer", "minimum": 0}],
}
_value_schema = {
    "anyOf": [
        {"type": "string", "maxLength": VALUE_CHARS_MAX},
        {"type": "boolean"},
        {"type": "number"},
    ],
}
_time_schema = {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}


class Data(BaseModel):
    """The data of an input: strict, so that a mistyped field never passes. Null is absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def invalid(detail: str) -> PydanticCustomError:
    """The error of a value that no reader takes; the detail says what to write instead."""
    return PydanticCustomError(INVALID, "{detail}", {"detail": detail})


def _not_exact(detail: str) -> PydanticCustomError:
    return PydanticCustomError(NOT_EXACT, "{detail}", {"detail": detail})


def _exact(value: object) -> Exact:
    if type(value) is str:
        number = parse_decimal(value)
        if number is not None:
            return number
        if len(value) <= VALUE_CHARS_MAX and _is_decimal(value):
            raise _not_exact("at most 18 decimals and 64 bits of digits can be held exactly")
    elif type(value) is int:
        if -INT64_MAX <= value <= INT64_MAX:
            return Exact(value, 0)
        raise _not_exact("the integer is beyond 64 bits and cannot be held exactly")
    elif type(value) is Number:
        raise _not_exact(
            "write it as a decimal string: a JSON number with a fraction loses digits on its way"
        )
    raise invalid("write a decimal string such as 12.50, without exponent, plus or leading zeros")


def _is_decimal(text: str) -> bool:
    digits = text.removeprefix("-")
    whole, point, fraction = digits.partition(".")
    plain = digits.isascii() and whole.isdigit() and (fraction.isdigit() or not point)
    return plain and (whole == "0" or not whole.startswith("0"))


def _unsigned(value: object) -> Exact:
    number = _exact(value)
    if number.coefficient < 0:
        raise invalid("the amount cannot be negative here")
    return number


def _value(value: object) -> Value:
    if type(value) is str:
        if len(value) <= VALUE_CHARS_MAX:
            return value
        raise invalid(f"a text has at most {VALUE_CHARS_MAX} characters")
    if type(value) is bool:
        return value
    if type(value) is int:
        return _exact(value)
    if type(value) is Number:
        return _fraction(value.text)
    raise invalid("write a string, a number or a boolean")


def _ordered(value: object) -> Value:
    if isinstance(value, bool):
        raise invalid("only numbers and text have an order")
    return _value(value)


def _fraction(text: str) -> Exact:
    """The number of a property, whose writer may well have used an exponent."""
    number = parse_decimal(text)
    if number is None and len(text) <= VALUE_CHARS_MAX:
        sign, digits, exponent = Decimal(text).as_tuple()
        if isinstance(exponent, int) and abs(exponent) <= 40 and len(digits) <= 40:
            number = parse_decimal(f"{Decimal((sign, digits, exponent)):f}")
    if number is None:
        raise _not_exact("at most 18 decimals and 64 bits of digits can be held exactly")
    return number


def _time(value: object) -> int:
    if not isinstance(value, str):
        raise invalid("write a time as RFC 3339 with its zone, such as 2026-01-31T12:00:00Z")
    try:
        return parse_instant(value)
    except BadTimeError as error:
        raise invalid(str(error)) from None


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise invalid("write a duration such as PT72H")
    try:
        return parse_duration(value)
    except BadTimeError as error:
        raise invalid(str(error)) from None


def _late_window(value: object) -> int:
    window = _duration(value)
    if window > LATE_WINDOW_MAX:
        raise invalid("write at most P45D")
    return window


def _wait(value: object) -> int:
    wait = _duration(value)
    if not 0 < wait <= WAIT_MAX:
        raise invalid("write a duration above zero, of at most P366D")
    return wait


@cache
def time_zones() -> frozenset[str]:
    """The zones of the pinned tzdata package; the host's own database is not asked."""
    return frozenset((files("tzdata") / "zones").read_text("ascii").split())


def _zone(value: str) -> str:
    if value not in time_zones():
        raise invalid("write a zone of the IANA database, such as Europe/Zurich")
    return value


def _customer_id(value: str) -> str:
    fault = customer_id_fault(value)
    if fault is not None:
        raise invalid(fault)
    return value


def _read(value: object, parse: Callable[[str], _T], example: str) -> _T:
    if not isinstance(value, str):
        raise invalid(f"write text, such as {example}")
    try:
        return parse(value)
    except BadTimeError as error:
        raise invalid(str(error)) from None


def _interval(value: object) -> Every:
    return _read(value, lambda text: parse_interval(text, HOUR), "month or P2W")


def _anchor(value: object) -> AnchoredAt | LocalTime:
    if isinstance(value, str) and value in tuple(AnchoredAt):
        return AnchoredAt(value)
    shown, zone = _read(value, parse_local_time, "calendar or 2026-01-31T09:00")
    return LocalTime(shown, None if zone is None else _zone(zone))


def _expires(value: object) -> Expires:
    if isinstance(value, str) and value in tuple(Until):
        return Until(value)
    if isinstance(value, str) and not value.startswith("P") and value[:1].isdigit():
        return _time(value)
    return _read(value, lambda text: parse_interval(text, SECOND), "period_end or P3M")


def _program_id(value: str) -> str:
    if ":" in value:
        raise invalid("a program's id has no colon, since the ids of its blocks are built with it")
    return value


Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=NAME_CHARS_MAX, pattern=NAME_PATTERN)
]
Reference: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=REFERENCE_CHARS_MAX, pattern=NAME_PATTERN)
]
"""The id of something that may have been made of names, as `<sender>:<transfer>~<n>` is."""
Text: TypeAlias = Annotated[str, StringConstraints(max_length=2000)]
CustomerId: TypeAlias = Annotated[Name, AfterValidator(_customer_id)]
TimeZone: TypeAlias = Annotated[Name, AfterValidator(_zone)]

Quantity: TypeAlias = Annotated[Exact, PlainValidator(_exact), WithJsonSchema(_decimal_schema)]
"""A decimal string or a whole JSON number. Its sign is for the fold to judge."""

Amount: TypeAlias = Annotated[Exact, PlainValidator(_unsigned), WithJsonSchema(_unsigned_schema)]
"""As a quantity, and never negative."""

PropertyValue: TypeAlias = Annotated[Value, PlainValidator(_value), WithJsonSchema(_value_schema)]
"""Text, a boolean, or a number that is kept as an exact decimal."""

Operand: TypeAlias = Annotated[Value | None, PlainValidator(_value), WithJsonSchema(_value_schema)]
"""A property value that a model may leave out; null is none of its values."""

Ordered: TypeAlias = Annotated[
    Value | None,
    PlainValidator(_ordered),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "maxLength": VALUE_CHARS_MAX}, {"type": "number"}]}
    ),
]
"""A number or a text, which have an order; a model may leave it out."""

Time: TypeAlias = Annotated[int, PlainValidator(_time), WithJsonSchema(_time_schema)]
"""RFC 3339 with its zone, held as microseconds."""

ProgramId: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=NAME_PATTERN),
    AfterValidator(_program_id),
]
"""A name without a colon."""

Interval: TypeAlias = Annotated[
    Every,
    PlainValidator(_interval),
    WithJsonSchema({"type": "string", "pattern": INTERVAL_PATTERN}),
]
"""day, week, month, quarter, year, or an ISO 8601 duration of an hour to a hundred years."""

Anchor: TypeAlias = Annotated[
    AnchoredAt | LocalTime,
    PlainValidator(_anchor),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [each.value for each in AnchoredAt]},
                {"type": "string", "pattern": LOCAL_TIME_PATTERN},
            ]
        }
    ),
]
"""first_grant, subscription, calendar, or a local date and time with or without a zone."""

ExpiresAfter: TypeAlias = Annotated[
    Expires,
    PlainValidator(_expires),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [each.value for each in Until]},
                {"type": "string", "pattern": INTERVAL_PATTERN},
                _time_schema,
            ]
        }
    ),
]
"""period_end, never, a duration, or a time."""

LateWindow: TypeAlias = Annotated[
    int,
    PlainValidator(_late_window),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]

Duration: TypeAlias = Annotated[
    int,
    PlainValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
"""ISO 8601 in days, hours, minutes and seconds, held as microseconds."""

Wait: TypeAlias = Annotated[
    int,
    PlainValidator(_wait),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
"""A duration above zero, of at most 366 days."""
