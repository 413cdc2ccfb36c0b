"""The account itself, on the wire: its calendar, limits, overage and top-ups."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from creditfold.contract.fields import (
    Amount,
    Data,
    Name,
    PropertyValue,
    TimeZone,
    Wait,
    invalid,
)
from creditfold.contract.inputs import PROPERTIES_MAX
from creditfold.core import facts, top_up_facts
from creditfold.core.exact import DECIMALS_MAX, Exact

OverageName = Literal["bill", "carry", "buffer", "block"]


class TopUpData(Data):
    """When to ask for more of a unit, and for how much. A request closes the whole gap."""

    model_config = ConfigDict(title="TopUp")

    threshold: Amount = Field(
        description="At or below this it is asked for; the balance is what is usable, less carried "
        "overage and what holds have, plus what was asked for and is not answered."
    )
    add: Amount | None = Field(
        None, description="The smallest multiple of this that ends above the threshold."
    )
    target: Amount | None = Field(None, description="Or up to this balance; above the threshold.")
    min: Amount | None = Field(None, description="The least to ask for at a time.")
    max: Amount | None = Field(
        None, description="The most to ask for at a time; the rest waits for the answer."
    )
    cooldown: Wait | None = Field(None, description="How long after one the next may follow.")

    @model_validator(mode="after")
    def _possible(self) -> TopUpData:
        if (self.add is None) == (self.target is None):
            raise invalid("give either add or target")
        if self.target is not None and self.target.compared(self.threshold) <= 0:
            raise invalid("target is not above the threshold: it would be asked for at once again")
        least, most = _steps(self.min) or 0, _steps(self.max)
        if most is not None and (most == 0 or least > most):
            raise invalid("max is zero or below min: no amount would do")
        if self.add is not None:
            step = _steps(self.add)
            if not step:
                raise invalid("add is zero: it would close no gap")
            if most is not None and most // step < max(1, -(-least // step)):
                raise invalid("no multiple of add lies within min and max")
        return self

    def core(self) -> top_up_facts.TopUp:
        """As the fold reads it."""
        return top_up_facts.TopUp(
            self.threshold, self.add, self.target, self.min, self.max, self.cooldown or 0
        )


def _steps(amount: Exact | None) -> int | None:
    return None if amount is None else amount.scaled(DECIMALS_MAX)


class TopUpDeclined(Data):
    """A top-up that was asked for does not come, for instance since its payment failed."""

    notice: Name = Field(description="The notice that asked for it.")
    retry_after: Wait | None = Field(
        None, description="When to ask again, counted from the event; absent: with the next fact."
    )

    def body(self) -> top_up_facts.TopUpDeclined:
        """As the fold reads it."""
        return top_up_facts.TopUpDeclined(self.notice, self.retry_after or 0)


class CustomerCreated(Data):
    """A billing account begins."""

    currency: Name = Field(description="ISO 4217 code in which the customer is billed.")
    time_zone: TimeZone = Field("UTC", description="IANA zone of the customer's calendar.")
    attributes: dict[Name, PropertyValue] | None = Field(
        None, max_length=PROPERTIES_MAX, description="What is known about the customer."
    )
    credit_limits: dict[Name, Amount] | None = Field(
        None, max_length=PROPERTIES_MAX, description="How much may be held beyond credit, by unit."
    )
    overage: dict[Name, OverageName] | None = Field(
        None,
        max_length=PROPERTIES_MAX,
        description="What becomes of usage beyond credit, by unit or `default`: bill it, carry it "
        "until credit repays it, or (buffer, block) leave it uncovered; else policy "
        "overage.default.",
    )
    top_ups: dict[Name, TopUpData] | None = Field(
        None, max_length=PROPERTIES_MAX, description="Automatic top-ups, by unit."
    )

    def body(self) -> facts.CustomerCreated:
        """As the fold reads it."""
        return facts.CustomerCreated(
            self.currency,
            self.time_zone,
            self.attributes or {},
            self.credit_limits or {},
            {unit: facts.OveragePolicy(name) for unit, name in (self.overage or {}).items()},
            {unit: top_up.core() for unit, top_up in (self.top_ups or {}).items()},
        )


class CustomerUpdated(Data):
    """What changes of a customer; what is absent stays."""

    time_zone: TimeZone | None = Field(None, description="The new IANA zone.")
    attributes: dict[Name, PropertyValue | None] | None = Field(
        None, max_length=PROPERTIES_MAX, description="New values by name; null removes one."
    )
    credit_limits: dict[Name, Amount | None] | None = Field(
        None, max_length=PROPERTIES_MAX, description="New limits by unit; null removes one."
    )
    overage: dict[Name, OverageName | None] | None = Field(
        None,
        max_length=PROPERTIES_MAX,
        description="New choices by unit or `default`, for usage from now on; null removes one.",
    )
    top_ups: dict[Name, TopUpData | None] | None = Field(
        None, max_length=PROPERTIES_MAX, description="New top-ups by unit; null removes one."
    )

    def body(self) -> facts.CustomerUpdated:
        """As the fold reads it."""
        return facts.CustomerUpdated(
            self.time_zone,
            self.attributes or {},
            self.credit_limits or {},
            {
                unit: None if name is None else facts.OveragePolicy(name)
                for unit, name in (self.overage or {}).items()
            },
            {
                unit: None if top_up is None else top_up.core()
                for unit, top_up in (self.top_ups or {}).items()
            },
        )
