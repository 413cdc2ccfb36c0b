"""Credit that goes from one customer to another, on the wire.

`credit.transferred` is a command; the others are what partitions tell each other by transfers.v1.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from creditfold.contract.fields import (
    Anchor,
    CustomerId,
    Data,
    Interval,
    Name,
    Quantity,
    Reference,
    Text,
    Time,
    TimeZone,
    invalid,
)
from creditfold.contract.inputs import KindName, MoneyData, PeriodData
from creditfold.contract.terms import PRIORITY_MAX, RolloverData, ScopeData
from creditfold.core import facts, transfer_facts
from creditfold.core.program_facts import LocalTime
from creditfold.core.state import Periods

_transfer: Name = Field(description="The transfer's id, unique for its sender.")


class CreditTransferred(Data):
    """Unused credit goes to another customer; it comes back where that one cannot take it."""

    transfer: Name = _transfer
    block: Reference = Field(description="The block that it leaves.")
    quantity: Quantity = Field(description="How many of its unused units; above zero.")
    to: CustomerId = Field(description="The customer who gets it.")

    def body(self) -> transfer_facts.CreditTransferred:
        """As the fold reads it."""
        return transfer_facts.CreditTransferred(self.transfer, self.block, self.quantity, self.to)


class PeriodsData(Data):
    """The dates of the program that granted the credit."""

    model_config = ConfigDict(title="Periods")

    anchor: Anchor = Field(
        description="What they are counted from: the date and time on the zone's clocks."
    )
    every: Interval = Field(description="How far they are apart.")
    zone: TimeZone = Field(description="The zone.")

    @model_validator(mode="after")
    def _local(self) -> PeriodsData:
        if not isinstance(self.anchor, LocalTime) or self.anchor.zone is not None:
            raise invalid("anchor is a local date and time, and its zone stands in zone")
        return self

    def core(self) -> Periods:
        """As the fold reads it."""
        assert isinstance(self.anchor, LocalTime)
        return Periods(self.anchor.shown, self.every, self.zone)


class TransferOffered(Data):
    """Credit left its sender for the subject, with all that it was granted as."""

    transfer: Name = _transfer
    from_: CustomerId = Field(alias="from", description="The customer who sent it.")
    block: str = Field(description="The sender's block.")
    kind: KindName = Field(description="The block's kind.")
    unit: Name = Field(description="What it is counted in.")
    quantity: Quantity = Field(description="How much of the unit.")
    value: MoneyData = Field(description="What was paid for it.")
    effective_at: Time = Field(description="From when it may be drawn.")
    expires_at: Time | None = Field(None, description="The first instant at which it is gone.")
    priority: int | None = Field(None, ge=-PRIORITY_MAX, le=PRIORITY_MAX, description="As granted.")
    scope: ScopeData | None = Field(None, description="The usage it may pay for.")
    failed_period: PeriodData | None = Field(None, description="What it compensates.")
    lapses_to: Name | None = Field(None, description="The account that takes what lapses of it.")
    draws_on: Literal["usage", "invoice"] = Field("usage", description="What it may pay for.")
    rollover: RolloverData | None = Field(
        None, description="How it may still roll over: its caps are on what was sent."
    )
    periods: PeriodsData | None = Field(
        None, description="The dates of its program, by which what rolls over may end."
    )

    def body(self) -> transfer_facts.TransferOffered:
        """As the fold reads it."""
        return transfer_facts.TransferOffered(
            self.transfer,
            self.from_,
            self.block,
            facts.Kind(self.kind),
            self.unit,
            self.quantity,
            facts.Money(self.value.amount, self.value.currency),
            self.effective_at,
            self.expires_at,
            self.priority,
            None if self.scope is None else self.scope.core(),
            None if self.failed_period is None else self.failed_period.core(),
            self.lapses_to,
            facts.DrawsOn(self.draws_on),
            None if self.rollover is None else self.rollover.core(),
            None if self.periods is None else self.periods.core(),
        )


class TransferAccepted(Data):
    """The other customer has the credit that the subject sent."""

    transfer: Name = _transfer
    from_: CustomerId = Field(alias="from", description="The customer who has it.")

    def body(self) -> transfer_facts.TransferAccepted:
        """As the fold reads it."""
        return transfer_facts.TransferAccepted(self.transfer, self.from_)


class TransferReturned(Data):
    """The credit that the subject sent was refused, and comes back."""

    transfer: Name = _transfer
    from_: CustomerId = Field(alias="from", description="The customer who cannot take it.")
    code: Name = Field(description="Why: a stable code.")
    detail: Text = Field(description="The same for people.")

    def body(self) -> transfer_facts.TransferReturned:
        """As the fold reads it."""
        return transfer_facts.TransferReturned(self.transfer, self.from_, self.code, self.detail)
