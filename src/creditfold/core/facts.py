"""Facts: what happened, as the fold reads it. The wire form is described in creditfold.contract."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from creditfold.core.calendar import Expires
from creditfold.core.exact import Exact
from creditfold.core.predicate import Predicate, Value
from creditfold.core.rejections import Code
from creditfold.core.scope import Scope
from creditfold.core.top_up_facts import TopUp


class Kind(StrEnum):
    """What sort of credit a block is, in the order in which the key `kind` burns them.

    Promotional, goodwill and SLA credit is free by its kind, not by its value.
    """

    PROMOTIONAL = "promotional"
    GOODWILL = "goodwill"
    SLA = "sla"
    INCLUDED = "included"
    MATERIAL_RIGHT = "material_right"
    PAID = "paid"
    BUFFER = "buffer"

    @property
    def compensates(self) -> bool:
        """Whether a value is what the customer is let off, and nobody pays it."""
        return self in (Kind.GOODWILL, Kind.SLA)


class DrawsOn(StrEnum):
    """What credit pays for: usage as it happens, or lines of invoices when they are issued."""

    USAGE = "usage"
    INVOICE = "invoice"


class Recognition(StrEnum):
    """When billing becomes an unconditional right (ASC 606-10-45-4, Example 38)."""

    ON_ISSUE = "on_issue"
    ON_DUE = "on_due"
    ON_PAYMENT = "on_payment"


class OveragePolicy(StrEnum):
    """What becomes of usage that no block covers."""

    BILL = "bill"
    CARRY = "carry"
    BUFFER = "buffer"
    BLOCK = "block"

    @property
    def owed(self) -> bool:
        """Whether the customer owes it, in money or in credit; else it is uncovered for good."""
        return self is BILL or self is CARRY


BILL, CARRY = OveragePolicy.BILL, OveragePolicy.CARRY
"""What most usage is asked for; see `entries.ORIGIN`."""


class Malformed(Struct, frozen=True):
    """Readable as an event, not as what its type says: refused with the decoder's code."""

    code: Code
    detail: str


class CustomerCreated(Struct, frozen=True):
    """A billing account begins."""

    currency: str
    time_zone: str
    attributes: dict[str, Value]
    credit_limits: dict[str, Exact] = {}
    overage: dict[str, OveragePolicy] = {}
    top_ups: dict[str, TopUp] = {}


class CustomerUpdated(Struct, frozen=True):
    """What changes of a customer; absent is unchanged, a value of None is removed."""

    time_zone: str | None
    attributes: dict[str, Value | None]
    credit_limits: dict[str, Exact | None] = {}
    overage: dict[str, OveragePolicy | None] = {}
    top_ups: dict[str, TopUp | None] = {}


class Money(Struct, frozen=True):
    """An amount of a currency, as it was written."""

    amount: Exact
    currency: str


class Period(Struct, frozen=True):
    """[start, end)."""

    start: int
    end: int


class FundingLine(Struct, frozen=True):
    """The invoice line that sells a block."""

    invoice: str
    line: str


class Rollover(Struct, frozen=True, omit_defaults=True):
    """What of a block's unused rest goes on in a new block when it ends, and how often.

    The cap is the smaller of `quantity` and `percent` of the original grant; without either all
    rolls. It is topped up to `min_quantity`. Without `expires` the new block ends as the old one.
    """

    quantity: Exact | None = None
    percent: Exact | None = None
    min_quantity: Exact | None = None
    times: int = 1
    expires: Expires | None = None
    priority: int | None = None


class CreditGranted(Struct, frozen=True):
    """A block of credit: `quantity` of `unit`, valid in [effective_at, expires_at).

    It may be used at once, or `when_funded`.
    """

    block: str
    kind: Kind
    unit: str
    quantity: Exact
    value: Money | None = None
    effective_at: int | None = None
    expires_at: int | None = None
    priority: int | None = None
    scope: Scope | None = None
    funding: FundingLine | None = None
    failed_period: Period | None = None
    reason: str | None = None
    rollover: Rollover | None = None
    tops_up: str | None = None
    draws_on: DrawsOn = DrawsOn.USAGE
    when_funded: bool = False
    blends: tuple[str, ...] = ()


class RatedAmount(Struct, frozen=True):
    """A price that the product has already worked out, in one unit."""

    unit: str
    quantity: Exact


class HoldUse(Struct, frozen=True):
    """The hold that usage was announced with; `final` releases the rest of it."""

    hold: str
    final: bool = False


class UsageRecorded(Struct, frozen=True, gc=False):
    """A quantity of a meter was used."""

    meter: str
    quantity: Exact
    properties: dict[str, Value] = {}
    amount: RatedAmount | None = None
    hold: HoldUse | None = None
    subscription: str | None = None


class HoldPlaced(Struct, frozen=True):
    """Set aside a quantity of a meter, or where it names none, an amount of `unit`."""

    hold: str
    quantity: Exact
    expires_at: int
    unit: str = ""
    meter: str | None = None
    properties: dict[str, Value] = {}


class HoldSettled(Struct, frozen=True):
    """What was used of a hold: it ends. Meter and properties are the hold's unless given."""

    hold: str
    quantity: Exact
    meter: str | None = None
    properties: dict[str, Value] | None = None


class HoldReleased(Struct, frozen=True):
    """A hold is given back."""

    hold: str


class UsageRef(Struct, frozen=True):
    """A usage by its identity."""

    source: str
    id: str


class UsageCorrected(Struct, frozen=True):
    """A usage was of another quantity than was said; the new one is absolute."""

    usage: UsageRef
    quantity: Exact
    reason: str | None = None


class UsageRetracted(Struct, frozen=True):
    """A usage has not happened."""

    usage: UsageRef
    reason: str | None = None


class UnitDeclared(Struct, frozen=True):
    """A custom unit; where it names a meter, one unit is one of that meter."""

    unit: str
    version: int
    exponent: int
    name: str | None = None
    meter: str | None = None


class MeterDeclared(Struct, frozen=True):
    """A meter of a product."""

    meter: str
    version: int
    product: str
    exponent: int
    unit_label: str | None = None


class Rate(Struct, frozen=True):
    """The price of one of a meter in a unit, for usage whose properties match."""

    meter: str
    unit: str
    per_unit: Exact
    where: Predicate | None = None


class RateCardPublished(Struct, frozen=True):
    """A version of a price list, for one customer, for those of a plan, or else for all."""

    rate_card: str
    version: int
    effective_from: int
    rates: tuple[Rate, ...]
    customer: str | None = None
    plan: str | None = None

    @property
    def owner(self) -> tuple[str | None, str | None]:
        """Whose prices they are: of a customer, of a plan, or of neither."""
        return self.customer, self.plan


class ClockHeld(Struct, frozen=True):
    """An import of history begins: the wall clock does not move this log."""


class ClockReleased(Struct, frozen=True):
    """The import is over."""
