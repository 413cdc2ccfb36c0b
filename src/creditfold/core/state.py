"""The state: many small records under (customer, kind, id), which the fold asks for by key.

A customer with a million remembered usage events costs no more per event than a new one, since an
event touches only the records that it needs. Catalog records live under the empty customer.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Final, Protocol, TypeAlias

from msgspec import Struct

from creditfold.core.calendar import END, Every
from creditfold.core.exact import Exact, pow10
from creditfold.core.facts import DrawsOn, Kind, OveragePolicy, Period, Rollover
from creditfold.core.predicate import Value
from creditfold.core.scope import Scope
from creditfold.core.uncovered import GivenOverage

_USAGE: Final = DrawsOn.USAGE  # as `entries.ORIGIN`


class Account(Struct, gc=False):
    """The head of a customer: what nearly every fact touches, and nothing else.

    `usable` is per unit in ledger steps. `overage` is what is neither repaid nor invoiced, in
    steps of the unit of its price, or of `meter:<meter>` where it has none. `on_credit` is what
    holds have set aside on the credit limit. `carried` counts the overage that credit may repay,
    and `owed` is what credit of each unit would repay of it.
    `full` is what was usable when credit last became available from a grant, `unpaid` what will be
    once it is paid.
    `tops_up` are the units that are topped up when they are low, `commitments` the terms that
    usage may still count in.
    `next_due` is the earliest instant in the agenda. `looked` is how many publications of programs
    the agenda has taken in.
    `front` and `boundary` are the last places in the journal, of anything and of what changed who
    pays; up to `pruned_to` it has been dropped, and up to `settled` nothing is folded again.
    """

    currency: str
    created_at: int
    seq: int = 0
    head: str = ""
    next_due: int | None = None
    looked: int = 0
    usable: dict[str, int] = {}
    overage: dict[str, int] = {}
    on_credit: dict[str, int] = {}
    carried: int = 0
    owed: dict[str, int] = {}
    full: dict[str, int] = {}
    tops_up: tuple[str, ...] = ()
    commitments: tuple[str, ...] = ()
    front: str = ""
    boundary: str = ""
    pruned_to: int = -(2**62)
    unpaid: dict[str, int] = {}
    settled: str = ""


class Profile(Struct, frozen=True):
    """What people said about a customer and no draw from a block reads.

    `credit_limits` is per unit in ledger steps, `overage` a policy per unit or for `default`,
    `overage_by` that of programs by their enrolments.
    `since` is when the attributes last changed.
    """

    time_zone: str
    attributes: dict[str, Value]
    credit_limits: dict[str, int] = {}
    overage: dict[str, OveragePolicy] = {}
    overage_by: dict[str, GivenOverage] = {}
    since: int = 0
    subscriptions: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()

    def decides_as(self, other: Profile) -> bool:
        """Whether overage goes by the same policies."""
        return (self.overage, self.overage_by) == (other.overage, other.overage_by)


class Periods(Struct, frozen=True, gc=False):
    """The dates of a program: every so long from an anchor, as the clocks of a zone show it."""

    anchor: int
    every: Every
    zone: str


class Terms(Struct, frozen=True, gc=False):
    """What a block was granted as; another expiry, or a line that funds its program, adds to it.

    `lapses_to` is the account that takes what expires of a concession; a block without one is
    no concession that was accrued. `enrolment` is that of the program that granted it,
    which `recurs` or granted once. `rolled` counts how often credit has rolled over into it,
    `periods` are its program's, where it may roll over.
    `transferred_from` is the `<customer>:<block>` that it came from. `tranche` is its part of lines
    that fund its program: a price that came with them, beside the `value` of the grant. So is what
    was `blended` into it when it was granted, of the blocks that it `blends`, whose units it has.
    Credit that may be used when it is funded was `granted_from` an instant on; its `effective_at`
    is the end of the calendar until it is, and then not before.
    """

    kind: Kind
    unit: str
    exponent: int
    quantity: int
    value: int
    currency: str
    granted_at: int
    effective_at: int
    expires_at: int | None = None
    priority: int | None = None
    scope: Scope | None = None
    reason: str | None = None
    failed_period: Period | None = None
    lapses_to: str | None = None
    enrolment: str | None = None
    recurs: bool = False
    rollover: Rollover | None = None
    rolled_from: str | None = None
    rolled: int = 0
    periods: Periods | None = None
    transferred_from: str | None = None
    draws_on: DrawsOn = DrawsOn.USAGE
    tranche: int = 0
    granted_from: int | None = None
    blends: tuple[str, ...] = ()
    blended: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is yet to be paid, and may not be used before."""
        return self.effective_at == END

    @property
    def starts(self) -> int:
        """From when it may be used, as far as that is known."""
        waits_from = self.granted_from if self.waits else None
        return self.effective_at if waits_from is None else waits_from

    @property
    def rolls_on(self) -> bool:
        """Whether it came to be by a rollover, and may have been more or less."""
        return self.rolled_from is not None and self.rollover is not None

    @property
    def pays_usage(self) -> bool:
        """Whether usage and holds may have it: it counts as usable."""
        return self.draws_on is _USAGE

    @property
    def free(self) -> bool:
        """Whether the burn order counts the block as free: by its kind, not by a concession."""
        if self.kind is Kind.INCLUDED:
            return not self.cost
        return self.kind is Kind.PROMOTIONAL or self.kind.compensates

    @property
    def price(self) -> int:
        """The revenue that drawing all of it gives: a concession that is not accrued has none."""
        return 0 if self.kind.compensates and self.lapses_to is None else self.value

    @property
    def cost(self) -> int:
        """What was asked for it; a concession was bought by nobody."""
        return self.for_sale + self.tranche + self.blended

    @property
    def for_sale(self) -> int:
        """The most that invoice lines may ask for it."""
        return 0 if self.kind.compensates else self.value


class Block(Struct, gc=False):
    """Where a block's units are, in ledger steps, and its money now, in minor units of `currency`.

    `value` is what it is worth in all, `released` the part that left with units (voided, refunded,
    rolled out, transferred out, applied to invoices). `sold` is what invoice lines ask for it,
    `funded` the part that is unconditional or paid; a line may sell a block before its grant
    arrives. `lines` are the (invoice, line) that sell it. `products` holds, per product, [units
    drawn, revenue posted]; `breakage` is posted too. Of a material right's units `unlikely` is the
    part that nobody is expected to draw, as it was estimated when revenue was last posted.
    `rolled_into` is where its units went when it ended; `blended_into` where grants took them, with
    what of their value is not funded yet.
    """

    issued: int = 0
    available: int = 0
    held: int = 0
    drawn: int = 0
    expired: int = 0
    voided: int = 0
    refunded: int = 0
    rolled_out: int = 0
    transferred_out: int = 0
    applied: int = 0
    value: int = 0
    released: int = 0
    sold: int = 0
    funded: int = 0
    currency: str = ""
    products: dict[str, tuple[int, int]] = {}
    breakage: int = 0
    lines: tuple[tuple[str, str], ...] = ()
    rolled_into: str | None = None
    unlikely: Exact | None = None
    blended_into: tuple[tuple[str, int], ...] = ()

    @property
    def remaining(self) -> int:
        """Units that can still be drawn without reopening anything."""
        return self.issued + self.available + self.held

    @property
    def spent(self) -> bool:
        """Whether nothing is left that any usage or hold could still have."""
        return not (self.remaining or self.expired)

    @property
    def unused(self) -> int:
        """Units that no usage and no hold has."""
        return self.issued + self.available

    @property
    def units(self) -> int:
        """Units that `worth` is spread over: all but those that left with their share of it."""
        return self.remaining + self.drawn + self.expired

    @property
    def quantity(self) -> int:
        """All units: what was granted, and adjusted since."""
        left = self.voided + self.refunded + self.rolled_out + self.transferred_out
        return self.units + left + self.applied

    @property
    def worth(self) -> int:
        """The value of `units`."""
        return self.value - self.released

    @property
    def pace(self) -> tuple[int, int]:
        """(V, E): with u units drawn, HE(V*u/E) is earned; E is what is expected to be drawn."""
        if self.unlikely is None:
            return self.worth, self.units
        scale = pow10(self.unlikely.decimals)
        expected = self.units * (scale - self.unlikely.coefficient)
        return self.worth * scale, max(expected, self.drawn * scale)


class Wallet(Struct):
    """The blocks that may still pay for acceptable usage, sorted by `order`."""

    order: tuple[str, ...]
    blocks: tuple[str, ...] = ()


class Phase(IntEnum):
    """The order of what falls due at one instant. The numbers leave room, and are stored."""

    HOLD_END = 5
    ROLLOVER = 10
    EXPIRY = 20
    ACTIVATION = 40
    SUBSCRIPTION = 45
    REFILL = 50
    REOPEN = 51
    COMMITMENT = 52
    STATEMENT = 53
    REPAYMENT = 55
    RATABLE = 58
    INVOICE_DUE = 60
    TRANCHES_END = 63
    EXPIRING = 70
    COMMITMENT_PROGRESS = 75
    TOP_UP = 80


Item: TypeAlias = tuple[int, Phase, str]
"""(instant, phase, subject): a block, a subscription, an enrolment, an invoice."""


class Agenda(Struct):
    """What falls due for a customer, sorted."""

    items: tuple[Item, ...] = ()


class Passed(Struct, frozen=True):
    """A fact of this time and identity is in no journal, and to be forgotten with those that are.

    Its id holds all that there is to know: the time, then the identity.
    """


class Seen(Struct, frozen=True, gc=False):
    """A fact that was applied: the content under its identity, and until when it is kept.

    `until` is the last recorded time at which the fact can come again (None: always); beyond it
    the record means nothing and may be dropped at any time. `at` and `behind` say where usage
    stands in the journal.
    """

    content: bytes
    until: int | None = None
    at: int = 0
    behind: int = 0


class Hold(Struct, frozen=True, gc=False):
    """What an open hold has: amounts of blocks in burn order, and `credit` on the limit of `unit`.

    `meter` and `properties` say what it is for, where it was placed for a meter.
    """

    expires_at: int
    parts: tuple[tuple[str, int], ...]
    unit: str = ""
    credit: int = 0
    meter: str | None = None
    properties: dict[str, Value] = {}


class Transfer(Struct, frozen=True):
    """Credit that was sent to another customer: what left, and whether the answer is open."""

    to: str
    block: str
    amount: int
    value: int
    open: bool = True


class Price(Struct, frozen=True, gc=False):
    """A full cost in steps of a unit, and the rate that made it (None: the product did)."""

    unit: str
    exponent: int
    amount: int
    rate: str | None


class Chain(Struct, frozen=True):
    """Sequence and hash of the catalog's own outcomes."""

    seq: int
    head: str


Key: TypeAlias = tuple[str, str, str]
"""(customer, kind, id)."""


class State(Protocol):
    """What the fold reads. Values that it hands out are never changed in place."""

    def get(self, key: Key, /) -> Any:  # noqa: ANN401  # the kind in the key says which record
        """The record under the key, or None."""

    def scan(self, customer: str, kind: str, start: str = "", /) -> Iterable[tuple[str, Any]]:
        """The records of one kind of a customer as (id, record), by id, from an id on."""


ACCOUNT = "account"
PROFILE = "profile"
TERMS = "terms"
BLOCK = "block"
WALLET = "wallet"
AGENDA = "agenda"
SEEN = "seen"
PASSED = "passed"
HOLD = "hold"
TRANSFER = "transfer"
CHAIN = "chain"
JOURNAL = "journal"


def seen_key(source: str, id_: str) -> str:
    """A fact's identity as the id of a record."""
    return f"{source}\0{id_}"
