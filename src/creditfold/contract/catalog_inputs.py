"""What is true for everyone, on the wire: units, meters, prices and the clock."""

from __future__ import annotations

from pydantic import ConfigDict, Field, model_validator

from creditfold.contract.fields import Amount, CustomerId, Data, Name, Time, invalid
from creditfold.contract.invoice_inputs import LINES_MAX
from creditfold.contract.predicates import Where
from creditfold.core import facts

VERSION_MAX = 2**53 - 1
EXPONENT_MAX = 12

VERSION = Field(ge=1, le=VERSION_MAX, description="Rises with each publication of this object.")


class UnitDeclared(Data):
    """A custom unit of credit. Currencies need no declaration."""

    unit: Name = Field(description="The unit's id, such as credits or tokens.")
    version: int = VERSION
    exponent: int = Field(6, ge=0, le=EXPONENT_MAX, description="Decimals that the ledger keeps.")
    name: Name | None = Field(None, description="What people call it.")
    meter: Name | None = Field(
        None, description="Where one unit is one of this meter: then no rate is needed."
    )

    def body(self) -> facts.UnitDeclared:
        """As the fold reads it."""
        return facts.UnitDeclared(self.unit, self.version, self.exponent, self.name, self.meter)


class MeterDeclared(Data):
    """A meter of a product."""

    meter: Name = Field(description="The meter's id, such as llm.output_tokens.")
    version: int = VERSION
    product: Name = Field(description="The product whose revenue its usage is.")
    exponent: int = Field(0, ge=0, le=EXPONENT_MAX, description="Decimals of its quantities.")
    unit_label: Name | None = Field(None, description="What people call one of it.")

    def body(self) -> facts.MeterDeclared:
        """As the fold reads it."""
        return facts.MeterDeclared(
            self.meter, self.version, self.product, self.exponent, self.unit_label
        )


class AppliesTo(Data):
    """Whose prices they are: one customer's, or those of everyone on a plan."""

    customer: CustomerId | None = Field(None, description="The one customer whom the card is for.")
    plan: Name | None = Field(
        None,
        description="The plan of subscriptions that the card is for; its customers' own go first.",
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> AppliesTo:
        if (self.customer is None) == (self.plan is None):
            raise invalid("name either the customer or the plan; for everyone leave applies_to out")
        return self


class RateData(Data):
    """The price of one of a meter, for usage whose properties match."""

    model_config = ConfigDict(title="Rate")

    meter: Name = Field(description="The meter that is priced.")
    unit: Name = Field(description="The unit of the price: a currency or a declared unit.")
    per_unit: Amount = Field(description="The exact price of one of the meter.")
    where: Where | None = Field(None, description="Only for usage with such properties.")

    def core(self) -> facts.Rate:
        """As the fold reads it."""
        where = None if self.where is None else self.where.core()
        return facts.Rate(self.meter, self.unit, self.per_unit, where)


class RateCardPublished(Data):
    """A version of a price list. The first rate that matches wins, per unit."""

    rate_card: Name = Field(description="The price list's id.")
    version: int = VERSION
    effective_from: Time = Field(description="Usage from this instant on is priced by it.")
    applies_to: AppliesTo | None = Field(None, description="Absent: for every customer.")
    rates: list[RateData] = Field(
        max_length=LINES_MAX, description="The prices, in order of precedence."
    )

    def body(self) -> facts.RateCardPublished:
        """As the fold reads it."""
        owner = self.applies_to
        return facts.RateCardPublished(
            self.rate_card,
            self.version,
            self.effective_from,
            tuple(rate.core() for rate in self.rates),
            None if owner is None else owner.customer,
            None if owner is None else owner.plan,
        )


class ClockHeld(Data):
    """An import of history begins: the wall clock does not move this log."""

    def body(self) -> facts.ClockHeld:
        """As the fold reads it."""
        return facts.ClockHeld()


class ClockReleased(Data):
    """The import is over: the wall clock moves this log again."""

    def body(self) -> facts.ClockReleased:
        """As the fold reads it."""
        return facts.ClockReleased()
