"""Facts about what happens to credit, invoices and payments after the fact."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from creditfold.core.exact import Exact
from creditfold.core.policy_facts import UsedPortion


class CreditVoided(Struct, frozen=True):
    """Unused credit is taken back; without a quantity all that is unused."""

    block: str
    quantity: Exact | None
    reason: str


class CreditAdjusted(Struct, frozen=True):
    """How many units a block has is corrected, up or down; its price stays."""

    block: str
    quantity: Exact
    reason: str


class CreditRefunded(Struct, frozen=True):
    """Money for unused credit is owed back; without a quantity for all that is unused."""

    block: str
    quantity: Exact | None
    reason: str


class ExpiryChanged(Struct, frozen=True):
    """A block ends at another instant."""

    block: str
    expires_at: int


class PaymentRefunded(Struct, frozen=True):
    """Cash went back to the customer: what was approved of it first, then by itself."""

    invoice: str
    amount: Exact
    blocks: tuple[str, ...] = ()
    reason: str | None = None


class PaymentDisputed(Struct, frozen=True):
    """A chargeback was lost: the bank took the money back."""

    invoice: str
    amount: Exact
    blocks: tuple[str, ...] = ()
    reason: str | None = None


class InvoiceVoided(Struct, frozen=True):
    """An unpaid invoice is cancelled, as far as what it sold is unused."""

    invoice: str
    used_portion: UsedPortion | None = None
    reason: str | None = None


class InvoiceWrittenOff(Struct, frozen=True):
    """What is open of an invoice will not be paid."""

    invoice: str
    used_portion: UsedPortion | None = None
    reason: str | None = None


class Credited(Struct, frozen=True):
    """Units of a block that a credit note takes; without a quantity, what its amount is worth."""

    block: str
    quantity: Exact | None = None


class CreditNoteLine(Struct, frozen=True):
    """What a credit note gives back of an invoice line, without tax, and its tax."""

    line: str
    amount: Exact
    tax: Exact | None = None
    blocks: tuple[Credited, ...] = ()


class CreditTo(StrEnum):
    """Where a credit note goes: off what is open, to the customer's balance, or back in cash."""

    INVOICE = "invoice"
    BALANCE = "balance"
    REFUND = "refund"


class CreditNoteIssued(Struct, frozen=True):
    """A part of an invoice is given back."""

    credit_note: str
    invoice: str
    lines: tuple[CreditNoteLine, ...]
    to: CreditTo
