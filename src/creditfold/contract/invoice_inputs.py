"""Invoices and their payment, on the wire."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from creditfold.contract.fields import Amount, Data, Name, ProgramId, Reference, Time, invalid
from creditfold.contract.inputs import PeriodData
from creditfold.contract.terms import LIST_MAX
from creditfold.core import facts, invoice_facts
from creditfold.core.times import DAY

LINES_MAX = 1000
PERIOD_MAX = 36_525 * DAY

RecognitionName = Literal["on_issue", "on_due", "on_payment"]


class SaleData(Data):
    """A block that an invoice line sells."""

    model_config = ConfigDict(title="Sale")

    block: Reference = Field(description="The block's id; its grant may arrive later.")
    amount: Amount | None = Field(
        None, description="The part of the line's amount; absent is what the others leave."
    )

    def core(self) -> invoice_facts.Sale:
        """As the fold reads it."""
        return invoice_facts.Sale(self.block, self.amount)


class ArrearsRangeData(Data):
    """All overage of a meter whose usage lies in [from, to)."""

    model_config = ConfigDict(title="ArrearsRange")

    meter: Name = Field(description="The meter whose overage is billed.")
    from_: Time = Field(alias="from", description="The first instant that is billed.")
    to: Time = Field(description="The first instant that is no longer billed.")

    def core(self) -> invoice_facts.ArrearsRange:
        """As the fold reads it."""
        return invoice_facts.ArrearsRange(self.meter, self.from_, self.to)


class ProgramFundingData(Data):
    """What a program grants in [from, to)."""

    model_config = ConfigDict(title="ProgramFunding")

    program: ProgramId = Field(description="The program whose blocks the line pays for.")
    subscription: Name | None = Field(
        None, description="The subscription that it grants for; absent: for the customer."
    )
    from_: Time = Field(alias="from", description="The first instant of grants that it pays for.")
    to: Time = Field(description="The first instant of grants that it no longer pays for.")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.to <= self.from_:
            raise invalid("to is not after from: the line would pay for nothing")
        return self

    def core(self) -> invoice_facts.ProgramFunding:
        """As the fold reads it."""
        return invoice_facts.ProgramFunding(self.program, self.from_, self.to, self.subscription)


Arrears = Annotated[
    Annotated[Reference, Tag("~id")] | Annotated[ArrearsRangeData, Tag("~range")],
    Discriminator(lambda value: "~range" if isinstance(value, dict) else "~id"),
]


class InvoiceLineData(Data):
    """One line of an invoice. One that neither sells, funds nor bills arrears is earned.

    It is earned over its period, or at once where it has none.
    """

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
        description="The overage that the line bills: ids of overage or statements, or a meter and "
        "a range.",
    )
    funds: ProgramFundingData | None = Field(
        None, description="The program whose blocks have equal parts of the line as their price."
    )
    period: PeriodData | None = Field(
        None, description="The time over which the line is earned, of at most a hundred years."
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.period is not None and self.period.to - self.period.from_ > PERIOD_MAX:
            raise invalid("period is longer than a hundred years: check from and to")
        return self

    def core(self) -> invoice_facts.InvoiceLine:
        """As the fold reads it."""
        return invoice_facts.InvoiceLine(
            self.line,
            self.amount,
            self.tax,
            self.product,
            self.meter,
            tuple(sale.core() for sale in self.sells or ()),
            tuple(
                part if isinstance(part, str) else part.core() for part in self.arrears_for or ()
            ),
            None if self.funds is None else self.funds.core(),
            None if self.period is None else self.period.core(),
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
    subscription: Name | None = Field(
        None, description="The subscription that it bills: its end is that of the lines' periods."
    )

    def body(self) -> invoice_facts.InvoiceIssued:
        """As the fold reads it."""
        return invoice_facts.InvoiceIssued(
            self.invoice,
            self.currency,
            tuple(line.core() for line in self.lines),
            self.due_at,
            None if self.recognition is None else facts.Recognition(self.recognition),
            self.balance_applied,
            self.subscription,
        )


class InvoicePaid(Data):
    """Cash came in for an invoice; a part payment pays its lines in order."""

    invoice: Name = Field(description="The invoice that is paid.")
    amount: Amount = Field(description="What came in, with tax, in the invoice's currency.")

    def body(self) -> invoice_facts.InvoicePaid:
        """As the fold reads it."""
        return invoice_facts.InvoicePaid(self.invoice, self.amount)
