"""Facts about credit that goes from one customer to another."""

from __future__ import annotations

from msgspec import Struct

from creditfold.core.exact import Exact
from creditfold.core.facts import DrawsOn, Kind, Money, Period, Rollover
from creditfold.core.scope import Scope
from creditfold.core.state import Periods


class CreditTransferred(Struct, frozen=True):
    """Unused credit goes to another customer."""

    transfer: str
    block: str
    quantity: Exact
    to: str


class TransferOffered(Struct, frozen=True):
    """Credit has left its sender for this customer, with all that it was granted as.

    Its `rollover` is what is left of that; `periods` are the dates that it may speak of.
    """

    transfer: str
    sender: str
    block: str
    kind: Kind
    unit: str
    quantity: Exact
    value: Money
    effective_at: int
    expires_at: int | None = None
    priority: int | None = None
    scope: Scope | None = None
    failed_period: Period | None = None
    lapses_to: str | None = None
    draws_on: DrawsOn = DrawsOn.USAGE
    rollover: Rollover | None = None
    periods: Periods | None = None


class TransferAccepted(Struct, frozen=True):
    """The other customer has the credit."""

    transfer: str
    receiver: str


class TransferReturned(Struct, frozen=True):
    """The other side refused the credit, and why: it comes back."""

    transfer: str
    receiver: str
    code: str
    detail: str
