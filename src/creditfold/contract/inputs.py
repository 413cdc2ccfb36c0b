"""What happened to a customer, on the wire: credit and invoices."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec.structs import replace
from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

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
    LIST_MAX,
    PRIORITY_MAX,
    RolloverData,
    ScopeData,
)
from creditfold.core import facts
from creditfold.core.calendar import Until

PROPERTIES_MAX = 100
LINES_MAX = 1000

KindName = Literal["promotional", "goodwill", "sla", "included", "paid", "buffer"]
RecognitionName = Literal["on_issue", "on_due", "on_payment"]


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
    reason: Text | None = Field(None, description="Why it was given, for people.")

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

    @model_validator(mode="after")
    def _failure(self) -> CreditGranted:
        if self.rollover is not None and self.rollover.expires is Until.PERIOD_END:
            raise invalid("rollover.expires period_end is for programs: give a duration or a time")
        if self.failed_period is not None and not facts.Kind(self.kind).compensates:
            raise invalid("failed_period says what goodwill or sla credit makes up for; drop it")
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
        )


class SaleData(Data):
    """A block that an invoice line sells."""

    model_config = ConfigDict(title="Sale")

    block: Name = Field(description="The block's id; its grant may arrive later.")
    amount: Amount | None = Field(
        None, description="The part of the line's amount; absent is what the others leave."
    )

    def core(self) -> facts.Sale:
        """As the fold reads it."""
        return facts.Sale(self.block, self.amount)


class ArrearsRangeData(Data):
    """All overage of a meter whose usage lies in [from, to)."""

    model_config = ConfigDict(title="ArrearsRange")

    meter: Name = Field(description="The meter whose overage is billed.")
    from_: Time = Field(alias="from", description="The first instant that is billed.")
    to: Time = Field(description="The first instant that is no longer billed.")

    def core(self) -> facts.ArrearsRange:
        """As the fold reads it."""
        return facts.ArrearsRange(self.meter, self.from_, self.to)


Arrears = Annotated[
    Annotated[Name, Tag("~id")] | Annotated[ArrearsRangeData, Tag("~range")],
    Discriminator(lambda value: "~range" if isinstance(value, dict) else "~id"),
]


class InvoiceLineData(Data):
    """One line of an invoice. One that neither sells nor bills arrears is earned at once."""

    model_config = ConfigDict(title="InvoiceLine")

    line: Name = Field(description="The line's id, unique on the invoice.")
    product: Name | None = Field(None, description="The product that is billed.")
    meter: Name | None = Field(None, description="The meter that is billed.")
    amount: Amount = Field(description="The line's amount without tax.")
    tax: Amount | None = Field(None, description="Tax on the line; absent is none.")
    sells: list[SaleData] | None = Field(
        None, max_length=LIST_MAX, description="The credit blocks that the line sells."
    )
    arrears_for: list[Arrears] | None = Field(
        None,
        max_length=LINES_MAX,
        description="The overage that the line bills: overage ids, or a meter and a range.",
    )

    def core(self) -> facts.InvoiceLine:
        """As the fold reads it."""
        return facts.InvoiceLine(
            self.line,
            self.amount,
            self.tax,
            self.product,
            self.meter,
            tuple(sale.core() for sale in self.sells or ()),
            tuple(
                part if isinstance(part, str) else part.core() for part in self.arrears_for or ()
            ),
        )


class InvoiceIssued(Data):
    """An invoice went out to the customer."""

    invoice: Name = Field(description="The invoice's id, unique for the customer.")
    currency: Name = Field(description="ISO 4217 code of all its amounts.")
    due_at: Time | None = Field(None, description="When it falls due.")
    recognition: RecognitionName | None = Field(
        None, description="When billing is an unconditional right; absent is the policy's choice."
    )
    lines: list[InvoiceLineData] = Field(
        min_length=1, max_length=LINES_MAX, description="Its lines, in the order of payment."
    )
    balance_applied: Amount | None = Field(
        None, description="What of the customer's balance pays it at once."
    )

    def body(self) -> facts.InvoiceIssued:
        """As the fold reads it."""
        return facts.InvoiceIssued(
            self.invoice,
            self.currency,
            tuple(line.core() for line in self.lines),
            self.due_at,
            None if self.recognition is None else facts.Recognition(self.recognition),
            self.balance_applied,
        )


class InvoicePaid(Data):
    """Cash came in for an invoice; a part payment pays its lines in order."""

    invoice: Name = Field(description="The invoice that is paid.")
    amount: Amount = Field(description="What came in, with tax, in the invoice's currency.")

    def body(self) -> facts.InvoicePaid:
        """As the fold reads it."""
        return facts.InvoicePaid(self.invoice, self.amount)
