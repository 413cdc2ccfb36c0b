"""What a customer's state keeps of commitments."""

from __future__ import annotations

from msgspec import Struct

from creditfold.core.calendar import Every
from creditfold.core.commitment_facts import ShortfallMethod
from creditfold.core.exact import Exact


class Agreed(Struct, frozen=True):
    """A minimum in ledger steps of `unit`; what is missing costs `rate` of `currency` apiece."""

    unit: str
    exponent: int
    quantity: int
    expected: int | None
    rate: Exact
    currency: str


class Committed(Struct, frozen=True):
    """What a subscription commits to in each term that begins.

    `terms` have begun; the n-th begins at date `first + n - 1` of the grid that the clocks of
    `zone` count from `anchor`. The next begins or would begin `next_at`; None: no more does.
    """

    agreed: Agreed
    every: Every
    method: ShortfallMethod | None
    zone: str
    anchor: int = 0
    first: int = 0
    terms: int = 0
    next_at: int | None = None


class CommitmentTerm(Struct, frozen=True):
    """One term of a commitment, [begin, end): what counts towards it, in ledger steps as text.

    In minor units, `posted` of its shortfall is revenue, and `billed` of that is on
    invoices.
    `untold` are the percents of the way of which nobody has been told, `stated` is (statement,
    minor units) of what statements list and no invoice has billed.
    """

    subscription: str
    agreed: Agreed
    begin: int
    end: int
    proportional: bool
    counted: str = "0"
    posted: int = 0
    billed: int = 0
    ended: bool = False
    untold: tuple[int, ...] = ()
    stated: tuple[tuple[int, int], ...] = ()

    @property
    def currency(self) -> str:
        """What a shortfall is owed in."""
        return self.agreed.currency

    @property
    def open(self) -> int:
        """What invoices have not billed, or below zero, have billed too much."""
        return self.posted - self.billed if self.ended else 0


COMMITTED = "committed"
COMMITMENT_TERM = "commitment_term"
