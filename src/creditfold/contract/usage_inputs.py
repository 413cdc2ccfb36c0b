"""Usage, on the wire: recorded, corrected and retracted."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from creditfold.contract.fields import Data, Name, PropertyValue, Quantity, Text
from creditfold.contract.inputs import PROPERTIES_MAX
from creditfold.core import facts


class RatedAmountData(Data):
    """A price that the product has already worked out."""

    model_config = ConfigDict(title="RatedAmount")

    unit: Name = Field(description="The unit of the price: a currency or a declared unit.")
    quantity: Quantity = Field(description="The price, in that unit.")


class HoldUseData(Data):
    """The hold that usage was announced with."""

    model_config = ConfigDict(title="HoldUse")

    hold: Name = Field(description="The hold's id. Usage of one that has ended is taken too.")
    final: bool = Field(False, description="true: it was the last; the rest is released.")


class UsageRecorded(Data):
    """A quantity of a meter was used, at the event's time."""

    meter: Name = Field(description="What the usage counts; declared by meter.declared.")
    quantity: Quantity = Field(description="How much of the meter was used; above zero.")
    properties: dict[Name, PropertyValue] | None = Field(
        None,
        max_length=PROPERTIES_MAX,
        description="What rates and scopes may test: text, booleans, exact numbers.",
    )
    amount: RatedAmountData | None = Field(
        None, description="The price, where the product has rated the usage itself."
    )
    hold: HoldUseData | None = Field(None, description="The hold whose credit goes first.")
    subscription: Name | None = Field(
        None, description="The subscription under which statements count it."
    )

    def body(self) -> facts.UsageRecorded:
        """As the fold reads it."""
        amount, hold = self.amount, self.hold
        return facts.UsageRecorded(
            self.meter,
            self.quantity,
            self.properties or {},
            None if amount is None else facts.RatedAmount(amount.unit, amount.quantity),
            None if hold is None else facts.HoldUse(hold.hold, hold.final),
            self.subscription,
        )


class UsageRefData(Data):
    """A usage that was recorded, by its identity."""

    model_config = ConfigDict(title="UsageRef")

    source: Text = Field(min_length=1, description="The source of its event.")
    id: Text = Field(min_length=1, description="The id of its event.")

    def core(self) -> facts.UsageRef:
        """As the fold reads it."""
        return facts.UsageRef(self.source, self.id)


class UsageCorrected(Data):
    """A usage was of another quantity than was said."""

    usage: UsageRefData = Field(description="The usage that was recorded.")
    quantity: Quantity = Field(description="Its right quantity; the new absolute value.")
    reason: Text | None = Field(None, description="Why, for people.")

    def body(self) -> facts.UsageCorrected:
        """As the fold reads it."""
        return facts.UsageCorrected(self.usage.core(), self.quantity, self.reason)


class UsageRetracted(Data):
    """A usage has not happened."""

    usage: UsageRefData = Field(description="The usage that was recorded.")
    reason: Text | None = Field(None, description="Why, for people.")

    def body(self) -> facts.UsageRetracted:
        """As the fold reads it."""
        return facts.UsageRetracted(self.usage.core(), self.reason)
