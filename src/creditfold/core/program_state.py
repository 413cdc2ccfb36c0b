"""What a customer's state keeps of programs and subscriptions."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from creditfold.core.calendar import END, Every
from creditfold.core.predicate import Value
from creditfold.core.program_facts import Program, SubscriptionChanged


class Cut(Struct, frozen=True):
    """How to shorten a grant: its block holds what of `whole` falls to the time from `begin` on.

    `whole` is in ledger steps and for all of a period of `length` microseconds.
    """

    block: str
    whole: int
    begin: int
    length: int


class Enrolment(Struct, frozen=True):
    """What a program has granted to one subject: `granted` blocks so far, the first at `first`.

    The last grant covers the time up to `until`. Where the program gives a last period only its
    share, `cut` says how to shorten the grant if the cover ends early, and `was_cut` that it did.
    """

    granted: int
    first: int
    until: int
    cut: Cut | None = None
    was_cut: bool = False


class Attachment(Struct, frozen=True):
    """A program that was attached to the customer, or detached from it.

    Without terms of its own it is the published program.
    """

    attached: bool
    since: int
    effective_from: int = 0
    effective_to: int | None = None
    terms: Program | None = None


class SubscriptionStatus(StrEnum):
    """Whether programs grant for a subscription."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Pending(Struct, frozen=True):
    """What a subscription becomes when its period ends; None is unchanged."""

    at: int
    status: SubscriptionStatus | None = None
    change: SubscriptionChanged | None = None


class Subscription(Struct, frozen=True):
    """A subscription as it is, and what becomes of it at its period's end.

    `anchor` is what its periods are counted from, `since` when it last changed. `plans` are those
    whose prices it has had, each from an instant on; of none while it is cancelled.
    """

    plan: str
    period: Every
    anchor: int
    since: int
    attributes: dict[str, Value]
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    trial_until: int | None = None
    pending: Pending | None = None
    plans: tuple[tuple[int, str | None], ...] = ()
    products: tuple[str, ...] = ()

    def in_trial(self, time: int) -> bool:
        """Whether its trial lasts at the instant."""
        return self.trial_until is not None and time < self.trial_until

    def plan_at(self, time: int) -> str | None:
        """The plan at an instant, by what is known; None before it began and once it has ended."""
        pending = self.pending
        if pending is not None and time >= pending.at:
            if pending.status is SubscriptionStatus.CANCELLED:
                return None
            if pending.change is not None and pending.change.plan is not None:
                return pending.change.plan
        return next((plan for since, plan in reversed(self.plans) if since <= time), None)

    @property
    def granted_until(self) -> int:
        """When programs stop granting for it, by what is known."""
        if self.status is not SubscriptionStatus.ACTIVE:
            return 0
        pending = self.pending
        return END if pending is None or pending.status is None else pending.at


ENROLMENT = "enrolment"
ATTACHMENT = "attachment"
SUBSCRIPTION = "subscription"
