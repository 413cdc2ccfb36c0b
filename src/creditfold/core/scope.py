"""Which usage a block may pay for: include and exclude lists; exclude wins."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from creditfold.core.predicate import Predicate, Value, holds, plain


class Filter(Struct, frozen=True):
    """Products, meters and properties: `or` inside a list, `and` across the lists given."""

    products: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()
    where: Predicate | None = None

    def matches(self, product: str, meter: str, properties: Mapping[str, Value]) -> bool:
        """Whether every list that is given has a match."""
        if self.products and product not in self.products:
            return False
        if self.meters and meter not in self.meters:
            return False
        return self.where is None or holds(self.where, properties)

    @property
    def dimensions(self) -> int:
        """How many lists restrict."""
        return bool(self.products) + bool(self.meters) + (self.where is not None)


class Scope(Struct, frozen=True):
    """Nothing included means everything."""

    include: Filter | None = None
    exclude: Filter | None = None

    def matches(self, product: str, meter: str, properties: Mapping[str, Value]) -> bool:
        """Whether usage of this meter with these properties is inside the scope."""
        if self.exclude is not None and self.exclude.matches(product, meter, properties):
            return False
        return self.include is None or self.include.matches(product, meter, properties)

    @property
    def dimensions(self) -> int:
        """How many lists restrict, on both sides."""
        return sum(side.dimensions for side in (self.include, self.exclude) if side is not None)


def written(scope: Scope) -> dict[str, object]:
    """The scope as the wire has it."""
    sides = {"include": scope.include, "exclude": scope.exclude}
    return {name: _written(side) for name, side in sides.items() if side is not None}


def _written(side: Filter) -> dict[str, object]:
    lists: dict[str, object] = {"products": side.products, "meters": side.meters}
    found = {name: each for name, each in lists.items() if each}
    return found if side.where is None else found | {"where": plain(side.where)}
