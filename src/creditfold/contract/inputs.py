"""What a customer is granted, on the wire."""

from __future__ import annotations

from typing import Literal, Self

from msgspec.structs import replace
from pydantic import ConfigDict, Field, model_validator

from creditfold.contract.fields import (
    Amount,
    Data,
    Name,
    Quantity,
    Text,
    Time,
    invalid,
)
from creditfold.contract.terms import (
    PRIORITY_MAX,
    RolloverData,
    ScopeData,
)
from creditfold.core import facts
from creditfold.core.calendar import Until

PROPERTIES_MAX = 100

KindName = Literal["promotional", "goodwill", "sla", "included", "material_right", "paid", "buffer"]


class MoneyData(Data):
    """An amount of a currency."""

    model_config = ConfigDict(title="Money")

    amount: Amount = Field(description="The amount in the currency's major unit, as in 12.50.")
    currency: Name = Field(description="ISO 4217 code.")


class FundingData(Data):
    """The invoice line that sells a block."""

    model_config = ConfigDict(title="Funding")

    invoice: Name = Field(description="The invoice's id.")
    line: Name = Field(description="The line's id on that invoice.")


class PeriodData(Data):
    """A span of time."""

    model_config = ConfigDict(title="Period")

    from_: Time = Field(alias="from", description="Its first instant.")
    to: Time = Field(description="The first instant after it.")

    @model_validator(mode="after")
    def _lasts(self) -> PeriodData:
        if self.to <= self.from_:
            raise invalid("to is not after from: the period would be empty")
        return self

    def core(self) -> facts.Period:
        """As the fold reads it."""
        return facts.Period(self.from_, self.to)


class GrantData(Data):
    """What a block of credit is, whoever gives it and when."""

    kind: KindName = Field(
        description="paid: sold to the customer; promotional: free, never revenue; goodwill and "
        "sla: given for a failure, value is the price given back; included: part of a plan; "
        "material_right: an option or points that came with a sale, value is their part of its "
        "price; "
        "buffer: drawn after everything else."
    )
    unit: Name = Field(description="What the credit is counted in: a currency or declared unit.")
    quantity: Quantity = Field(description="How many of the unit; above zero.")
    value: MoneyData | None = Field(
        None,
        description="The price paid for the whole block, without tax, or for goodwill and sla the "
        "concession; absent is zero.",
    )
    priority: int | None = Field(
        None, ge=-PRIORITY_MAX, le=PRIORITY_MAX, description="Lower is drawn first, none last."
    )
    scope: ScopeData | None = Field(None, description="The usage it may pay for; absent is all.")
    draws_on: Literal["usage", "invoice"] = Field(
        "usage",
        description="invoice: it pays the lines of invoices in its currency, within its scope of "
        "products and meters, and no usage.",
    )
    usable: Literal["at_once", "when_funded"] = Field(
        "at_once",
        description="when_funded: not before all of its price is paid, or billed where the invoice "
        "is recognised on issue or on its due date.",
    )
    reason: Text | None = Field(None, description="Why it was given, for people.")

    @model_validator(mode="after")
    def _is_paid(self) -> Self:
        kind = facts.Kind(self.kind)
        if self.usable == "when_funded" and (kind.compensates or kind is facts.Kind.PROMOTIONAL):
            raise invalid(f"nobody pays for {self.kind} credit: leave usable out")
        return self

    @model_validator(mode="after")
    def _pays_invoices(self) -> Self:
        if self.draws_on == "invoice":
            if self.kind == "buffer":
                raise invalid("a buffer is for usage beyond credit: let it draw on usage")
            sides = () if self.scope is None else (self.scope.include, self.scope.exclude)
            if any(side is not None and side.where is not None for side in sides):
                raise invalid("lines have no properties: scope credit by products and meters")
        return self

    def granted(self) -> facts.CreditGranted:
        """As the fold reads it, without a block and dates."""
        value, scope = self.value, self.scope
        return facts.CreditGranted(
            block="",
            kind=facts.Kind(self.kind),
            unit=self.unit,
            quantity=self.quantity,
            value=None if value is None else facts.Money(value.amount, value.currency),
            priority=self.priority,
            scope=None if scope is None else scope.core(),
            reason=self.reason,
            draws_on=facts.DrawsOn(self.draws_on),
            when_funded=self.usable == "when_funded",
        )


class CreditGranted(GrantData):
    """A block of credit is given, valid from effective_at up to, not including, expires_at."""

    block: Name = Field(description="The new block's id, unique for the customer.")
    effective_at: Time | None = Field(
        None, description="From when it may be drawn; absent is the event's time."
    )
    expires_at: Time | None = Field(
        None, description="The first instant at which it is gone; absent is never."
    )
    funding: FundingData | None = Field(
        None, description="The invoice line that sells it; says the same as the line's sells."
    )
    rollover: RolloverData | None = Field(
        None, description="What goes on in a new block at expires_at; absent is nothing."
    )
    failed_period: PeriodData | None = Field(
        None, description="The service period that goodwill or sla credit makes up for."
    )
    tops_up: Name | None = Field(
        None, description="The notice that asked for it: each is answered once."
    )

    blends: list[Name] | None = Field(
        None,
        min_length=1,
        description="Blocks of the same kind and unit, whose unused part rolls into this one.",
    )

    @model_validator(mode="after")
    def _failure(self) -> CreditGranted:
        if self.rollover is not None and self.rollover.expires is Until.PERIOD_END:
            raise invalid("rollover.expires period_end is for programs: give a duration or a time")
        if self.failed_period is not None and not facts.Kind(self.kind).compensates:
            raise invalid("failed_period says what goodwill or sla credit makes up for; drop it")
        if self.tops_up is not None and self.draws_on == "invoice":
            raise invalid("tops_up answers for credit that usage may draw: draws_on usage")
        if self.usable == "when_funded" and (
            self.value is None or not self.value.amount.coefficient
        ):
            raise invalid("usable when_funded waits for the price: give value, or leave usable out")
        names = [self.block, *(self.blends or ())]
        if len(names) != len(set(names)):
            raise invalid("blends names other blocks than the new one, and each once")
        return self

    def body(self) -> facts.CreditGranted:
        """As the fold reads it."""
        funding = self.funding
        return replace(
            self.granted(),
            block=self.block,
            effective_at=self.effective_at,
            expires_at=self.expires_at,
            funding=None if funding is None else facts.FundingLine(funding.invoice, funding.line),
            rollover=None if self.rollover is None else self.rollover.core(),
            failed_period=None if self.failed_period is None else self.failed_period.core(),
            tops_up=self.tops_up,
            blends=tuple(self.blends or ()),
        )
