"""What a customer's state keeps of invoices, and of what they leave to the customer."""

from __future__ import annotations

from msgspec import Struct

from creditfold.core.chart import Account
from creditfold.core.facts import Recognition


class Applied(Struct, frozen=True):
    """What credit of a block paid of a line, in minor units: `tax` of it was the line's tax.

    `value` is what the credit was worth, and left the block with it.
    """

    block: str
    amount: int
    tax: int
    value: int


class BilledLine(Struct, frozen=True):
    """An invoice line in minor units: `booked` of its gross is unconditional, `paid` is paid.

    `taxed` of what is booked is tax. `sells` is ((block, amount), …) in order; `arrears` lines are
    booked whole on issue. What is given back has left all of these; of it, `conceded` was for
    credit that stays drawn, so it still counts for what the blocks are funded by. What credit has
    paid, `applied`, is in none of them either.
    """

    line: str
    amount: int
    tax: int
    booked: int = 0
    paid: int = 0
    product: str | None = None
    sells: tuple[tuple[str, int], ...] = ()
    arrears: bool = False
    taxed: int = 0
    conceded: int = 0
    applied: tuple[Applied, ...] = ()

    @property
    def gross(self) -> int:
        """With tax."""
        return self.amount + self.tax

    @property
    def income(self) -> Account:
        """Where it is earned, unless it sells credit."""
        return Account.OVERAGE if self.arrears else Account.SUBSCRIPTION

    @property
    def unbooked(self) -> int:
        """What is not booked yet, without tax."""
        return self.amount - (self.booked - self.taxed)


class Invoice(Struct, frozen=True):
    """An invoice, how far it is booked and paid, and what is approved to go back in cash.

    `closed` says that it was voided or written off: what is left of it is kept as it is.
    """

    currency: str
    recognition: Recognition
    lines: tuple[BilledLine, ...]
    payable: int = 0
    closed: bool = False


class Balance(Struct, frozen=True):
    """Minor units of one currency that credit notes left to the customer, not yet applied."""

    amount: int


class CreditNote(Struct, frozen=True):
    """A credit note that was issued; its id is used up."""

    invoice: str


class Funding(Struct, frozen=True):
    """A grant named this invoice line before the invoice came."""

    block: str


INVOICE = "invoice"
FUNDING = "funding"
BALANCE = "balance"
CREDIT_NOTE = "credit_note"
