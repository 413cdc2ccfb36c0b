"""Predicates and scopes: what matches, what never does, and that a type is never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.core.exact import Exact
from creditfold.core.predicate import AllOf, AnyOf, Not, Op, Predicate, Test, holds
from creditfold.core.scope import Filter, Scope

ONE, TWO, TENTH = Exact(1, 0), Exact(2, 0), Exact(1, 1)
FIELDS = {"model": "gpt-4o", "size": TWO, "batch": True, "empty": "", "zero": Exact(0, 0)}


def one(field: str, op: Op, *operand: object) -> Test:
    return Test(field, op, operand)  # type: ignore[arg-type]  # the rows are of every type


@pytest.mark.parametrize(
    ("expected", "test"),
    [
        (True, one("model", Op.EQ, "gpt-4o")),
        (False, one("model", Op.EQ, "gpt-4")),
        (True, one("size", Op.EQ, TWO)),
        (False, one("size", Op.EQ, "2")),
        (False, one("batch", Op.EQ, ONE)),
        (False, one("batch", Op.EQ, "true")),
        (True, one("batch", Op.EQ, True)),
        (True, one("zero", Op.EQ, Exact(0, 0))),
        (False, one("zero", Op.EQ, False)),
        (True, one("model", Op.NE, "gpt-4")),
        (False, one("model", Op.NE, "gpt-4o")),
        (True, one("size", Op.NE, "2")),
        (True, one("model", Op.IN, "gpt-4", "gpt-4o")),
        (False, one("model", Op.IN, "gpt-4", TWO)),
        (True, one("size", Op.GT, ONE)),
        (False, one("size", Op.GT, TWO)),
        (True, one("size", Op.GE, TWO)),
        (True, one("size", Op.LT, Exact(21, 1))),
        (False, one("size", Op.LT, TWO)),
        (True, one("size", Op.LE, TWO)),
        (False, one("size", Op.LE, TENTH)),
        (True, one("model", Op.GT, "gpt-4")),
        (False, one("model", Op.GT, TWO)),
        (False, one("size", Op.GT, "1")),
        (False, one("batch", Op.GT, ONE)),
        (True, one("model", Op.PREFIX, "gpt-")),
        (False, one("model", Op.PREFIX, "o")),
        (True, one("empty", Op.PREFIX, "")),
        (False, one("size", Op.PREFIX, "2")),
        (True, one("model", Op.EXISTS, True)),
        (False, one("model", Op.EXISTS, False)),
        (True, one("empty", Op.EXISTS, True)),
    ],
)
def test_an_operator_compares_by_value_and_never_across_types(expected, test):
    assert expected is holds(test, FIELDS)


@pytest.mark.parametrize(
    ("expected", "op", "operand"),
    [
        (False, Op.EQ, "x"),
        (True, Op.NE, "x"),
        (False, Op.IN, "x"),
        (False, Op.GT, ONE),
        (False, Op.GE, ONE),
        (False, Op.LT, ONE),
        (False, Op.LE, ONE),
        (False, Op.PREFIX, ""),
        (False, Op.EXISTS, True),
        (True, Op.EXISTS, False),
    ],
)
def test_on_a_missing_field_only_exists_and_ne_can_match(expected, op, operand):
    assert expected is holds(one("absent", op, operand), FIELDS)


@pytest.mark.parametrize(
    ("expected", "op", "operand"),
    [
        (True, Op.EQ, "api"),
        (True, Op.EQ, "disk"),
        (False, Op.EQ, "llm"),
        (False, Op.NE, "disk"),
        (True, Op.NE, "llm"),
        (True, Op.PREFIX, "di"),
        (False, Op.PREFIX, "l"),
        (True, Op.GE, "disk"),
        (False, Op.GT, "disk"),
        (True, Op.LT, "b"),
        (True, Op.LE, "api"),
        (True, Op.EXISTS, True),
        (False, Op.EXISTS, False),
    ],
)
def test_of_several_texts_one_has_to_pass_and_none_may_be_equal(expected, op, operand):
    fields = {"products": ("api", "disk")}
    assert expected is holds(Test("products", op, (operand,)), fields)
    assert expected is not holds(Not(Test("products", op, (operand,))), fields)
    several = Test("products", Op.IN, ("llm", "disk"))
    assert holds(several, fields)
    assert not holds(several, {"products": ("api",)})


@given(st.text(), st.text())
def test_texts_order_as_their_utf8_bytes_do(left, right):
    try:
        expected = left.encode() > right.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate cannot reach the core: the wire is UTF-8
    assert expected is holds(one("field", Op.GT, right), {"field": left})


_leaves = st.booleans().map(lambda yes: one("model", Op.EXISTS, yes))
_trees: st.SearchStrategy[Predicate] = st.recursive(
    _leaves,
    lambda deeper: st.one_of(
        st.lists(deeper, min_size=1, max_size=3).map(tuple).map(AllOf),
        st.lists(deeper, min_size=1, max_size=3).map(tuple).map(AnyOf),
        deeper.map(Not),
    ),
)


def truth(predicate: Predicate) -> bool:
    if isinstance(predicate, AllOf):
        return all(map(truth, predicate.parts))
    if isinstance(predicate, AnyOf):
        return any(map(truth, predicate.parts))
    if isinstance(predicate, Not):
        return not truth(predicate.part)
    return bool(predicate.operand[0])


@given(_trees)
def test_all_any_and_not_join_as_logic_does(predicate):
    assert truth(predicate) is holds(predicate, FIELDS)


LARGE = one("size", Op.EQ, TWO)
CALLS = Filter(meters=("calls",))


@pytest.mark.parametrize(
    ("expected", "scope"),
    [
        (True, Scope()),
        (True, Scope(include=CALLS)),
        (False, Scope(include=Filter(meters=("gb", "tokens")))),
        (True, Scope(include=Filter(meters=("gb", "calls")))),
        (True, Scope(include=Filter(products=("api", "llm")))),
        (False, Scope(include=Filter(products=("llm",)))),
        (True, Scope(include=Filter(where=LARGE))),
        (False, Scope(include=Filter(where=Not(LARGE)))),
        (True, Scope(include=Filter(("api",), ("calls",), LARGE))),
        (False, Scope(include=Filter(("llm",), ("calls",), LARGE))),
        (False, Scope(include=Filter(("api",), ("gb",), LARGE))),
        (False, Scope(include=Filter(("api",), ("calls",), Not(LARGE)))),
        (False, Scope(exclude=CALLS)),
        (True, Scope(exclude=Filter(meters=("gb",)))),
        (True, Scope(exclude=Filter(("api",), ("gb",)))),
        (False, Scope(include=CALLS, exclude=Filter(where=LARGE))),
        (False, Scope(include=CALLS, exclude=CALLS)),
    ],
)
def test_a_scope_is_or_inside_a_list_and_across_lists_and_exclude_wins(expected, scope):
    assert expected is scope.matches("api", "calls", FIELDS)


@pytest.mark.parametrize(
    ("count", "scope"),
    [
        (0, Scope()),
        (1, Scope(include=CALLS)),
        (3, Scope(include=Filter(("api",), ("calls", "gb"), LARGE))),
        (4, Scope(Filter(("api",), ("calls",), LARGE), Filter(meters=("gb",)))),
    ],
)
def test_a_scope_has_as_many_dimensions_as_lists_restrict(count, scope):
    assert count == scope.dimensions
