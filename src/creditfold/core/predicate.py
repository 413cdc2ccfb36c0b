"""Predicates as plain data: tests of a field, joined by all, any and not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TypeAlias, assert_never

from msgspec import Raw, Struct

from creditfold.core.exact import Exact

Value: TypeAlias = str | bool | Exact
Fields: TypeAlias = Mapping[str, Value | tuple[str, ...]]
"""What is tested; a field with several texts is never empty, but missing."""


class Op(StrEnum):
    """How a field is tested. On a missing field only `exists` and `ne` can match."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    PREFIX = "prefix"
    EXISTS = "exists"


class Test(Struct, frozen=True, tag="test"):
    """One field against one operand; `operand` holds several values for `in` alone."""

    __test__ = False  # a test runner must not collect it by its name
    field: str
    op: Op
    operand: tuple[Value, ...]


class AllOf(Struct, frozen=True, tag="all"):
    """True where every part is."""

    parts: tuple[Predicate, ...]


class AnyOf(Struct, frozen=True, tag="any"):
    """True where at least one part is."""

    parts: tuple[Predicate, ...]


class Not(Struct, frozen=True, tag="not"):
    """True where its part is not."""

    part: Predicate


Predicate: TypeAlias = Test | AllOf | AnyOf | Not


def holds(predicate: Predicate, fields: Fields) -> bool:
    """Whether the predicate is true of these fields."""
    match predicate:
        case Test():
            return _passes(predicate, fields.get(predicate.field))
        case AllOf(parts):
            return all(holds(part, fields) for part in parts)
        case AnyOf(parts):
            return any(holds(part, fields) for part in parts)
        case Not(part):
            return not holds(part, fields)


def fields_of(predicate: Predicate) -> Iterator[str]:
    """The fields that the predicate tests."""
    match predicate:
        case Test():
            yield predicate.field
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from fields_of(part)
        case Not(part):
            yield from fields_of(part)


def _passes(test: Test, value: Value | tuple[str, ...] | None) -> bool:
    op, operand = test.op, test.operand
    if isinstance(value, tuple):  # one of several is enough, and for `ne` none may be equal
        passes = (_passes(test, each) for each in value)
        return all(passes) if op is Op.NE else any(passes)
    if op is Op.EXISTS:
        return (value is not None) is operand[0]
    if op is Op.NE:
        return value is None or not _equal(value, operand[0])
    if value is None:
        return False
    if op is Op.EQ or op is Op.IN:
        return any(_equal(value, candidate) for candidate in operand)
    if op is Op.PREFIX:
        return isinstance(value, str) and value.startswith(str(operand[0]))
    order = _order(value, operand[0])
    if order is None:
        return False
    return {Op.GT: order > 0, Op.GE: order >= 0, Op.LT: order < 0, Op.LE: order <= 0}[op]


def _equal(left: Value, right: Value) -> bool:
    # A bool is an int to Python, and "1", 1 and true are three different things to a price list.
    return type(left) is type(right) and left == right


def _order(left: Value, right: Value) -> int | None:
    """-1, 0 or 1 for two numbers or two texts (by UTF-8 bytes); None where there is no order."""
    if isinstance(left, Exact) and isinstance(right, Exact):
        return left.compared(right)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)  # code points order as UTF-8 bytes do
    return None


def plain(predicate: Predicate) -> dict[str, object]:
    """The predicate as the data that it was read from."""
    match predicate:
        case AllOf(parts):
            return {"all": [plain(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [plain(part) for part in parts]}
        case Not(part):
            return {"not": plain(part)}
        case Test(field, op, operand):
            values = [_plain(value) for value in operand]
            return {"field": field, op.value: values if op is Op.IN else values[0]}
        case _:
            assert_never(predicate)


def _plain(value: Value) -> object:
    """A number as JSON has it: its digits, and never through a float."""
    return Raw(str(value).encode()) if isinstance(value, Exact) else value
