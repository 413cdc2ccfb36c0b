"""What happens to credit and payments after the fact, on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from creditfold.contract.fields import Amount, Data, Name, Quantity, Reference, Text, Time
from creditfold.contract.invoice_inputs import LINES_MAX
from creditfold.contract.terms import LIST_MAX
from creditfold.core import change_facts as facts
from creditfold.core.policy_facts import UsedPortion

_block: Reference = Field(description="The block's id.")
_unused: Quantity | None = Field(
    None, description="How many of its unused units; absent is all of them."
)
_reason: Text = Field(min_length=1, description="Why, for auditors.")


class CreditVoided(Data):
    """Unused credit is taken back; what was drawn stays drawn."""

    block: Reference = _block
    quantity: Quantity | None = _unused
    reason: Text = _reason

    def body(self) -> facts.CreditVoided:
        """As the fold reads it."""
        return facts.CreditVoided(self.block, self.quantity, self.reason)


class CreditAdjusted(Data):
    """How many units a block has is corrected; its price stays."""

    block: Reference = _block
    quantity: Quantity = Field(description="What to add or, with a minus, to take; never 0.")
    reason: Text = _reason

    def body(self) -> facts.CreditAdjusted:
        """As the fold reads it."""
        return facts.CreditAdjusted(self.block, self.quantity, self.reason)


class CreditRefunded(Data):
    """A refund of unused credit is approved; payment.refunded pays it out."""

    block: Reference = _block
    quantity: Quantity | None = _unused
    reason: Text = _reason

    def body(self) -> facts.CreditRefunded:
        """As the fold reads it."""
        return facts.CreditRefunded(self.block, self.quantity, self.reason)


class ExpiryChanged(Data):
    """A block that has not expired ends at another instant."""

    block: Reference = _block
    expires_at: Time = Field(description="The first instant at which it is gone; not yet past.")

    def body(self) -> facts.ExpiryChanged:
        """As the fold reads it."""
        return facts.ExpiryChanged(self.block, self.expires_at)


class PaymentRefunded(Data):
    """Cash went back to the customer: what was approved first; the rest is approved by this."""

    invoice: Name = Field(description="The invoice whose payment goes back.")
    amount: Amount = Field(description="What went back, with tax, in the invoice's currency.")
    blocks: list[Reference] | None = Field(
        None,
        min_length=1,
        max_length=LIST_MAX,
        description="The blocks that it is for; absent is all that the invoice sold.",
    )
    reason: Text | None = Field(None, description="Why, for auditors.")

    def body(self) -> facts.PaymentRefunded:
        """As the fold reads it."""
        return facts.PaymentRefunded(
            self.invoice, self.amount, tuple(self.blocks or ()), self.reason
        )


class PaymentDisputed(Data):
    """A chargeback was lost: the bank took the money back."""

    invoice: Name = Field(description="The invoice whose payment was taken back.")
    amount: Amount = Field(description="What was taken, with tax, in the invoice's currency.")
    blocks: list[Reference] | None = Field(
        None,
        min_length=1,
        max_length=LIST_MAX,
        description="The blocks that it is for; absent is all that the invoice sold.",
    )
    reason: Text | None = Field(None, description="Why, for auditors.")

    def body(self) -> facts.PaymentDisputed:
        """As the fold reads it."""
        return facts.PaymentDisputed(
            self.invoice, self.amount, tuple(self.blocks or ()), self.reason
        )


UsedPortionName = Literal["keep_receivable", "concede"]


class InvoiceVoided(Data):
    """An unpaid invoice is cancelled, as far as what it sold is unused."""

    invoice: Name = Field(description="The invoice's id.")
    used_portion: UsedPortionName | None = Field(
        None, description="What becomes of the part that was used; absent is the policy's choice."
    )
    reason: Text | None = Field(None, description="Why, for auditors.")

    def body(self) -> facts.InvoiceVoided:
        """As the fold reads it."""
        used = None if self.used_portion is None else UsedPortion(self.used_portion)
        return facts.InvoiceVoided(self.invoice, used, self.reason)


class InvoiceWrittenOff(Data):
    """What is open of an invoice will not be paid: the unused part is cancelled, the rest lost."""

    invoice: Name = Field(description="The invoice's id.")
    used_portion: UsedPortionName | None = Field(
        None, description="concede: a concession (4920); absent or else a credit loss (6500)."
    )
    reason: Text | None = Field(None, description="Why, for auditors.")

    def body(self) -> facts.InvoiceWrittenOff:
        """As the fold reads it."""
        used = None if self.used_portion is None else UsedPortion(self.used_portion)
        return facts.InvoiceWrittenOff(self.invoice, used, self.reason)


class CreditedData(Data):
    """Units of a block that a credit note takes."""

    model_config = ConfigDict(title="Credited")

    block: Reference = Field(description="A block that the line sold.")
    quantity: Quantity | None = Field(
        None, description="How many unused units; absent is as many as the amount is worth."
    )

    def core(self) -> facts.Credited:
        """As the fold reads it."""
        return facts.Credited(self.block, self.quantity)


class CreditNoteLineData(Data):
    """What a credit note gives back of one invoice line."""

    model_config = ConfigDict(title="CreditNoteLine")

    line: Name = Field(description="The invoice's line.")
    amount: Amount = Field(description="What is given back, without tax.")
    tax: Amount | None = Field(None, description="Tax that is given back; absent is none.")
    blocks: list[CreditedData] | None = Field(
        None,
        min_length=1,
        max_length=LIST_MAX,
        description="The blocks that give first; absent is all that the line sold.",
    )

    def core(self) -> facts.CreditNoteLine:
        """As the fold reads it."""
        return facts.CreditNoteLine(
            self.line, self.amount, self.tax, tuple(each.core() for each in self.blocks or ())
        )


class CreditNoteIssued(Data):
    """A part of an invoice is given back: unused credit first, the rest is a concession."""

    credit_note: Name = Field(description="The credit note's id, unique for the customer.")
    invoice: Name = Field(description="The invoice that it corrects.")
    lines: list[CreditNoteLineData] = Field(
        min_length=1, max_length=LINES_MAX, description="What is given back, by line."
    )
    to: Literal["invoice", "balance", "refund"] = Field(
        description="Off what is open, to the customer's balance, or owed back in cash."
    )

    def body(self) -> facts.CreditNoteIssued:
        """As the fold reads it."""
        return facts.CreditNoteIssued(
            self.credit_note,
            self.invoice,
            tuple(line.core() for line in self.lines),
            facts.CreditTo(self.to),
        )
