"""Holds, on the wire: credit set aside for usage that is to come."""

from __future__ import annotations

from pydantic import Field, model_validator

from creditfold.contract.fields import Amount, Data, Name, PropertyValue, Quantity, Time, invalid
from creditfold.contract.inputs import PROPERTIES_MAX
from creditfold.core import facts


class HoldPlaced(Data):
    """Set aside an amount of a unit, or what a quantity of a meter costs, until it is used."""

    hold: Name = Field(description="The hold's id; free again once the hold has ended.")
    unit: Name | None = Field(None, description="The unit, for usage of any meter.")
    meter: Name | None = Field(None, description="The meter, where the usage is known already.")
    properties: dict[Name, PropertyValue] | None = Field(
        None, max_length=PROPERTIES_MAX, description="The usage's properties, with a meter."
    )
    quantity: Quantity = Field(description="How much of the unit or meter; above zero.")
    expires_at: Time = Field(description="The instant at which it ends by itself.")

    @model_validator(mode="after")
    def _of_one_thing(self) -> HoldPlaced:
        if (self.unit is None) == (self.meter is None):
            raise invalid("name either the unit or the meter that is held")
        if self.meter is None and self.properties is not None:
            raise invalid("properties go with a meter; name it, or leave them out")
        return self

    def body(self) -> facts.HoldPlaced:
        """As the fold reads it."""
        return facts.HoldPlaced(
            self.hold,
            self.quantity,
            self.expires_at,
            self.unit or "",
            self.meter,
            self.properties or {},
        )


class HoldSettled(Data):
    """What was used of a hold: less, as much, or more. The hold ends, the rest goes back."""

    hold: Name = Field(description="The hold.")
    quantity: Amount = Field(description="How much of the meter was used; zero is none of it.")
    meter: Name | None = Field(None, description="The meter; absent is the hold's.")
    properties: dict[Name, PropertyValue] | None = Field(
        None, max_length=PROPERTIES_MAX, description="The usage's; absent are the hold's."
    )

    def body(self) -> facts.HoldSettled:
        """As the fold reads it."""
        return facts.HoldSettled(self.hold, self.quantity, self.meter, self.properties)


class HoldReleased(Data):
    """A hold is given back."""

    hold: Name = Field(description="The hold.")

    def body(self) -> facts.HoldReleased:
        """As the fold reads it."""
        return facts.HoldReleased(self.hold)
