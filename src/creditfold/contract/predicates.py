"""Predicates on the wire: `{"field": …, "<op>": …}`, joined by `all`, `any` and `not`."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from typing_extensions import TypeAliasType

from creditfold.contract.fields import Data, Name, Operand, Ordered, PropertyValue, invalid
from creditfold.core.predicate import AllOf, AnyOf, Not, Op, Predicate, Test

DEPTH_MAX = 8
TESTS_MAX = 64
CANDIDATES_MAX = 256


def _exactly_one(schema: dict[str, Any]) -> None:
    schema |= {"minProperties": 2, "maxProperties": 2}
    for field in schema["properties"].values():
        field.pop("default", None)


class TestData(Data):
    """One field of the usage's properties against exactly one operator."""

    __test__ = False  # a test runner must not collect it by its name
    model_config = ConfigDict(title="Test", json_schema_extra=_exactly_one)

    field: Name = Field(description="The property that is tested.")
    eq: Operand = Field(None, description="Equal, in type and in value.")
    ne: Operand = Field(None, description="Not equal; true also where the field is missing.")
    in_: list[PropertyValue] = Field(
        [],
        alias="in",
        min_length=1,
        max_length=CANDIDATES_MAX,
        description="Equal to one of these.",
    )
    gt: Ordered = Field(None, description="Greater: numbers by value, text by UTF-8 bytes.")
    ge: Ordered = Field(None, description="Greater or equal.")
    lt: Ordered = Field(None, description="Less.")
    le: Ordered = Field(None, description="Less or equal.")
    prefix: Name = Field("", description="A text that begins so.")
    exists: bool = Field(True, description="Whether the field is there at all.")

    @model_validator(mode="after")
    def _one_operator(self) -> TestData:
        given = self._given()
        if len(given) != 1:
            raise invalid(f"give exactly one operator besides field, not {len(given)}")
        return self

    def _given(self) -> list[Op]:
        return [op for op in Op if _attribute(op) in self.model_fields_set]

    def core(self) -> Predicate:
        """As the fold reads it."""
        op = self._given()[0]
        operand = getattr(self, _attribute(op))
        return Test(self.field, op, tuple(operand) if op is Op.IN else (operand,))


def _attribute(op: Op) -> str:
    return "in_" if op is Op.IN else op.value


class AllData(Data):
    """True where every part is."""

    model_config = ConfigDict(title="All")

    all_: list[PredicateData] = Field(
        alias="all", min_length=1, max_length=TESTS_MAX, description="The parts, all of which hold."
    )

    def core(self) -> Predicate:
        """As the fold reads it."""
        return AllOf(tuple(part.core() for part in self.all_))


class AnyData(Data):
    """True where at least one part is."""

    model_config = ConfigDict(title="Any")

    any_: list[PredicateData] = Field(
        alias="any",
        min_length=1,
        max_length=TESTS_MAX,
        description="The parts, one of which holds.",
    )

    def core(self) -> Predicate:
        """As the fold reads it."""
        return AnyOf(tuple(part.core() for part in self.any_))


class NotData(Data):
    """True where its part is not."""

    model_config = ConfigDict(title="Not")

    not_: PredicateData = Field(alias="not", description="The part that does not hold.")

    def core(self) -> Predicate:
        """As the fold reads it."""
        return Not(self.not_.core())


TAG = "~"
"""Begins the tags of the union, so that an error's path can leave them out."""


def _tag(value: object) -> str | None:
    if isinstance(value, dict):
        for name in ("field", "all", "any", "not"):
            if name in value:
                return TAG + name
    return None


PredicateData = TypeAliasType(
    "PredicateData",
    Annotated[
        Annotated[TestData, Tag("~field")]
        | Annotated[AllData, Tag("~all")]
        | Annotated[AnyData, Tag("~any")]
        | Annotated[NotData, Tag("~not")],
        Discriminator(
            _tag,
            custom_error_type="invalid_value",
            custom_error_message='write {"field": …, "<op>": …} or one of all, any, not',
        ),
    ],
)

for _model in (AllData, AnyData, NotData):
    _model.model_rebuild()


def _bounded(value: Any) -> Any:  # noqa: ANN401  # it is judged before its type is known
    """Refuses depth and size before any model recurses into them."""
    level, tests = [value], 0
    for _ in range(DEPTH_MAX):
        deeper: list[Any] = []
        for node in level:
            if not isinstance(node, dict):
                continue
            tests += "field" in node
            for name in ("all", "any"):
                if isinstance(node.get(name), list):
                    deeper += node[name]
            if "not" in node:
                deeper.append(node["not"])
        level = deeper
        if not level:
            break
    if level:
        raise invalid(f"a predicate nests at most {DEPTH_MAX} deep")
    if tests > TESTS_MAX:
        raise invalid(f"a predicate has at most {TESTS_MAX} tests")
    return value


Where: TypeAlias = Annotated[PredicateData, BeforeValidator(_bounded)]
