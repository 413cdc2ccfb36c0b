"""A predicate has one meaning: one operator a test, within bounds, as the core reads it."""

from typing import Any

import pytest

from contract.events import GRANT, body, refusal
from creditfold.contract.exact_json import parse
from creditfold.core.exact import Exact
from creditfold.core.predicate import AllOf, AnyOf, Not, Op, Test
from creditfold.core.scope import Filter


def grant(where: Any) -> dict[str, Any]:
    return {
        "block": "b",
        "kind": "paid",
        "unit": "USD",
        "quantity": 1,
        "scope": {"include": {"where": where}},
    }


def nested(depth: int) -> dict[str, Any]:
    predicate: dict[str, Any] = {"field": "a", "eq": 1}
    for _ in range(depth - 1):
        predicate = {"not": predicate}
    return predicate


@pytest.mark.parametrize(
    ("where", "predicate"),
    [
        ({"field": "a", "eq": "x"}, Test("a", Op.EQ, ("x",))),
        ({"field": "a", "ne": True}, Test("a", Op.NE, (True,))),
        ({"field": "a", "in": ["x", 1, False]}, Test("a", Op.IN, ("x", Exact(1, 0), False))),
        ({"field": "a", "gt": parse(b"0.5")}, Test("a", Op.GT, (Exact(5, 1),))),
        ({"field": "a", "ge": 1}, Test("a", Op.GE, (Exact(1, 0),))),
        ({"field": "a", "lt": "m"}, Test("a", Op.LT, ("m",))),
        ({"field": "a", "le": 1}, Test("a", Op.LE, (Exact(1, 0),))),
        ({"field": "a", "prefix": "gpt-"}, Test("a", Op.PREFIX, ("gpt-",))),
        ({"field": "a", "exists": False}, Test("a", Op.EXISTS, (False,))),
        (
            {"all": [{"any": [{"field": "a", "eq": 1}]}, {"not": {"field": "b", "eq": 2}}]},
            AllOf(
                (
                    AnyOf((Test("a", Op.EQ, (Exact(1, 0),)),)),
                    Not(Test("b", Op.EQ, (Exact(2, 0),))),
                )
            ),
        ),
    ],
)
def test_a_predicate_is_read_as_the_core_reads_it(where, predicate):
    assert Filter(where=predicate) == body(GRANT, grant(where)).scope.include


@pytest.mark.parametrize(
    ("code", "path", "where"),
    [
        ("invalid_value", "", {}),
        ("invalid_value", "", []),
        ("invalid_value", "", "a == 1"),
        ("invalid_value", "", {"eq": 1}),
        ("invalid_value", "", {"field": "a"}),
        ("invalid_value", "", {"field": "a", "eq": 1, "ne": 2}),
        ("invalid_value", "", {"field": "a", "exists": True, "eq": 1}),
        ("invalid_value", ".eq", {"field": "a", "eq": None}),
        ("invalid_value", ".eq", {"field": "a", "eq": [1]}),
        ("invalid_value", ".in", {"field": "a", "in": []}),
        ("invalid_value", ".in", {"field": "a", "in": "x"}),
        ("invalid_value", ".in", {"field": "a", "in": [1] * 257}),
        ("invalid_value", ".gt", {"field": "a", "gt": True}),
        ("invalid_value", ".prefix", {"field": "a", "prefix": 1}),
        ("invalid_value", ".prefix", {"field": "a", "prefix": ""}),
        ("invalid_value", ".exists", {"field": "a", "exists": "yes"}),
        ("invalid_value", ".field", {"field": "", "eq": 1}),
        ("number_not_exact", ".eq", {"field": "a", "eq": parse(b"1e99")}),
        ("unknown_field", ".like", {"field": "a", "like": "x"}),
        ("unknown_field", ".any", {"all": [{"field": "a", "eq": 1}], "any": []}),
        ("unknown_field", ".eq", {"not": {"field": "a", "eq": 1}, "eq": 1}),
        ("invalid_value", ".all", {"all": []}),
        ("invalid_value", ".all[1]", {"all": [{"field": "a", "eq": 1}, {}]}),
        ("invalid_value", ".not", {"not": {"field": "a"}}),
        ("invalid_value", "", nested(9)),
        ("invalid_value", "", nested(60)),
        ("invalid_value", "", {"any": [{"all": [{"field": "a", "eq": 1}] * 33}] * 2}),
    ],
)
def test_a_bad_predicate_has_its_code_and_path(code, path, where):
    assert (code, f"scope.include.where{path}") == refusal(GRANT, grant(where))


def test_eight_levels_and_sixty_four_tests_are_read():
    assert body(GRANT, grant(nested(8))).scope
    assert body(GRANT, grant({"any": [{"field": "a", "eq": n} for n in range(64)]})).scope
