"""Facts about invoices: what was billed, and what was paid of it."""

from __future__ import annotations

from msgspec import Struct

from creditfold.core.exact import Exact
from creditfold.core.facts import Period, Recognition


class Sale(Struct, frozen=True):
    """A block that an invoice line sells; without an amount it is what the others leave."""

    block: str
    amount: Exact | None = None


class ArrearsRange(Struct, frozen=True):
    """Overage of one meter whose usage lies in [start, end)."""

    meter: str
    start: int
    end: int


class ProgramFunding(Struct, frozen=True):
    """What a program grants to a subscription, or to the customer, in [start, end)."""

    program: str
    start: int
    end: int
    subscription: str | None = None

    def enrolment(self, customer: str) -> str:
        """Of which enrolment the blocks are."""
        return f"{self.program}:{self.subscription or customer}"


class InvoiceLine(Struct, frozen=True):
    """One line: `amount` without tax. It sells, funds a program, bills arrears, or is earned.

    What is earned is earned at once, or over its period.
    """

    line: str
    amount: Exact
    tax: Exact | None = None
    product: str | None = None
    meter: str | None = None
    sells: tuple[Sale, ...] = ()
    arrears_for: tuple[str | ArrearsRange, ...] = ()
    funds: ProgramFunding | None = None
    period: Period | None = None


class InvoiceIssued(Struct, frozen=True):
    """An invoice went out."""

    invoice: str
    currency: str
    lines: tuple[InvoiceLine, ...]
    due_at: int | None = None
    recognition: Recognition | None = None
    balance_applied: Exact | None = None
    subscription: str | None = None


class InvoicePaid(Struct, frozen=True):
    """Cash came in for an invoice; a part payment pays the lines in order."""

    invoice: str
    amount: Exact
