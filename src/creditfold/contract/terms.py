"""Terms of credit on the wire: which usage it may pay for, and what becomes of its rest."""

from __future__ import annotations

from pydantic import ConfigDict, Field, model_validator

from creditfold.contract.fields import Data, ExpiresAfter, Name, Quantity, invalid
from creditfold.contract.predicates import Where
from creditfold.core import facts
from creditfold.core.scope import Filter, Scope

LIST_MAX = 256
PRIORITY_MAX = 2**31 - 1
TIMES_MAX = 1_000_000


class FilterData(Data):
    """Usage by product, meter and properties: or inside a list, and across the lists."""

    model_config = ConfigDict(title="Filter", json_schema_extra={"minProperties": 1})

    products: list[Name] | None = Field(
        None, min_length=1, max_length=LIST_MAX, description="Any of these products."
    )
    meters: list[Name] | None = Field(
        None, min_length=1, max_length=LIST_MAX, description="Any of these meters."
    )
    where: Where | None = Field(None, description="A predicate over the usage's properties.")

    @model_validator(mode="after")
    def _restricts(self) -> FilterData:
        if self.products is None and self.meters is None and self.where is None:
            raise invalid("an empty filter says nothing; leave it out, or name what it filters")
        return self

    def core(self) -> Filter:
        """As the fold reads it."""
        return Filter(
            tuple(self.products or ()),
            tuple(self.meters or ()),
            None if self.where is None else self.where.core(),
        )


class ScopeData(Data):
    """Which usage a block may pay for: exclude wins; nothing included means everything."""

    model_config = ConfigDict(title="Scope")

    include: FilterData | None = Field(None, description="Only this usage.")
    exclude: FilterData | None = Field(None, description="Never this usage.")

    def core(self) -> Scope | None:
        """As the fold reads it; a scope that restricts nothing is none."""
        if self.include is None and self.exclude is None:
            return None
        return Scope(
            None if self.include is None else self.include.core(),
            None if self.exclude is None else self.exclude.core(),
        )


class RolloverData(Data):
    """What of the unused rest goes on in a new block when a block ends."""

    model_config = ConfigDict(title="Rollover")

    quantity: Quantity | None = Field(None, description="At most so many of the unit.")
    percent: Quantity | None = Field(
        None, description="At most so many percent of the original grant; with no cap, all."
    )
    min_quantity: Quantity | None = Field(None, description="Topped up to so many.")
    times: int = Field(1, ge=1, le=TIMES_MAX, description="How often the same credit may roll.")
    expires: ExpiresAfter | None = Field(
        None,
        description="When the new block ends: never, period_end, after a duration, or at a time. "
        "Absent: when the old one would have, or after as long again.",
    )
    priority: int | None = Field(
        None, ge=-PRIORITY_MAX, le=PRIORITY_MAX, description="Absent: that of the old block."
    )

    @model_validator(mode="after")
    def _positive(self) -> RolloverData:
        for name in ("quantity", "percent", "min_quantity"):
            given = getattr(self, name)
            if given is not None and given.coefficient <= 0:
                raise invalid(f"{name} is above 0: to let nothing roll over, leave rollover out")
        return self

    def core(self) -> facts.Rollover:
        """As the fold reads it."""
        return facts.Rollover(
            self.quantity,
            self.percent,
            self.min_quantity,
            self.times,
            self.expires,
            self.priority,
        )
