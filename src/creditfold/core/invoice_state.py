"""What a customer's state keeps of invoices, and of what they leave to the customer."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from creditfold.core.chart import Account
from creditfold.core.exact import half_even
from creditfold.core.facts import Recognition


class Applied(Struct, frozen=True):
    """What credit of a block paid of a line, in minor units: `tax` of it was the line's tax.

    `value` is what the credit was worth, and left the block with it.
    """

    block: str
    amount: int
    tax: int
    value: int


class Tranches(Struct, frozen=True):
    """How a line funds the blocks that a program grants in [start, end), equal parts in turn.

    `rest` minor units are for `periods` grants, of which `done` have had `given`. Once it has
    `ended` no block is funded any more.
    """

    enrolment: str
    start: int
    end: int
    rest: int
    periods: int
    done: int = 0
    given: int = 0
    ended: bool = False

    @property
    def next(self) -> int:
        """What the next block gets, by running total."""
        done = min(self.done + 1, self.periods)
        return max(0, half_even(self.rest * done, self.periods) - self.given)

    def less(self, amount: int) -> Tranches:
        """What is left, spread anew, after an amount went back."""
        left = max(1, self.periods - self.done)
        return replace(self, rest=self.rest - self.given - amount, periods=left, done=0, given=0)


class Ratable(Struct, frozen=True):
    """How a line is earned over [start, end), by time or with an equal share for each month.

    Of the line `earned` minor units are revenue. The subscription's end may have `ended` it
    before its time: of what is earned, `early` was for service that was still to come.
    """

    start: int
    end: int
    by_months: bool
    subscription: str | None = None
    earned: int = 0
    early: int = 0
    ended: bool = False

    @property
    def delivered(self) -> int:
        """What was earned by giving the service."""
        return self.earned - self.early

    def less(self, amount: int) -> Ratable:
        """What was earned before its time is earned no more, once it has gone back."""
        back = amount if self.ended else 0
        return replace(self, earned=self.earned - back, early=self.early - back)


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
    tranches: Tranches | None = None
    ratable: Ratable | None = None

    @property
    def gross(self) -> int:
        """With tax."""
        return self.amount + self.tax

    @property
    def income(self) -> Account:
        """Where what sells no credit is booked: as income, or until it is earned or allotted."""
        if self.ratable is not None:
            return Account.SUBSCRIPTION if self.ratable.ended else Account.UNALLOTTED
        if self.tranches is not None:
            return Account.BREAKAGE if self.tranches.ended else Account.UNALLOTTED
        return Account.OVERAGE if self.arrears else Account.SUBSCRIPTION

    @property
    def for_credit(self) -> bool:
        """Whether what is billed is credit."""
        return bool(self.sells) or self.tranches is not None

    @property
    def allotted(self) -> int:
        """How far the line is for blocks, in the order of funding."""
        return sum(amount for _, amount in self.sells)

    @property
    def by_credit(self) -> int:
        """What the credit was worth that paid of the line, without the tax that it paid."""
        return sum(each.value - each.tax for each in self.applied)

    @property
    def worth(self) -> int:
        """What a line that is earned over time earns in all."""
        return self.amount + self.conceded + self.by_credit

    @property
    def deferred(self) -> int:
        """What is booked of it and not earned; below zero, what is earned and not booked."""
        assert self.ratable is not None
        booked = self.booked - self.taxed + self.conceded + self.by_credit
        return booked - self.ratable.earned

    def sides(self, change: int) -> tuple[tuple[Account, int], ...]:
        """Where so much more, or less, of the line stands: earned and not booked comes first."""
        if self.ratable is None:
            return ((self.income, abs(change)),)
        unbilled = max(0, -self.deferred)
        moved = abs(max(0, -self.deferred - change) - unbilled)
        return ((Account.UNBILLED, moved), (Account.UNALLOTTED, abs(change) - moved))

    def unallotted(self, net: int) -> int:
        """What of the first so many minor units is for service or blocks that are still to come."""
        if self.ratable is not None:
            return max(0, net + self.conceded + self.by_credit - self.ratable.delivered)
        if self.tranches is None or self.tranches.ended:
            return 0
        return max(0, net + self.conceded - self.allotted)

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


class Funded(Struct, frozen=True):
    """The (invoice, line) that fund what a program grants to one subject."""

    lines: tuple[tuple[str, str], ...]


class Funding(Struct, frozen=True):
    """A grant named this invoice line before the invoice came."""

    block: str


INVOICE = "invoice"
FUNDING = "funding"
FUNDED = "funded"
BALANCE = "balance"
CREDIT_NOTE = "credit_note"
