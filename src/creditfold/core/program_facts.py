"""Facts about programs and subscriptions: who gets which credit when, without a further call."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from creditfold.core.calendar import Every, Expires
from creditfold.core.commitment_facts import Commitment
from creditfold.core.facts import CreditGranted, OveragePolicy
from creditfold.core.predicate import Predicate, Value, fields_of


class AnchoredAt(StrEnum):
    """What a program's dates are counted from, where it is no fixed date."""

    FIRST_GRANT = "first_grant"
    SUBSCRIPTION = "subscription"
    CALENDAR = "calendar"


class LocalTime(Struct, frozen=True):
    """A date and time on the clocks of a zone; without one, of the customer's."""

    shown: int
    zone: str | None = None


class Proration(Struct, frozen=True):
    """Whether a period that is not covered whole gets its share, by the second, or the whole."""

    first: bool = False
    last: bool = False


class Trial(StrEnum):
    """When a program grants to a subscription with a trial, where not as to any other."""

    AFTER = "after"
    ONLY = "only"


class Program(Struct, frozen=True):
    """What is granted when: `grant` is a template, its block and dates are not in force.

    Without `every` it grants once. Where it `resets`, a new grant ends the ones before it, and
    where it `drops`, with them the carried overage that its credit could have repaid. `overage`
    says what becomes of usage that its credit could pay and none covers. One that speaks of the
    `trial` grants after it, or in it alone, and what is granted for a trial ends with it.
    """

    grant: CreditGranted
    expires: Expires
    every: Every | None = None
    anchor: AnchoredAt | LocalTime = AnchoredAt.FIRST_GRANT
    proration: Proration = Proration()
    resets: bool = False
    drops: bool = False
    overage: OveragePolicy | None = None
    trial: Trial | None = None

    def by_subscription(self, who: Predicate | None) -> bool:
        """Whether it grants to each subscription, and not to a customer once."""
        if self.anchor is AnchoredAt.SUBSCRIPTION or self.trial is not None:
            return True
        return who is not None and any(f.startswith("subscription.") for f in fields_of(who))


class ProgramPublished(Struct, frozen=True):
    """A version of an allocation rule for all whom `who` is true of."""

    program: str
    version: int
    effective_from: int
    who: Predicate
    terms: Program
    effective_to: int | None = None


class ProgramEnded(Struct, frozen=True):
    """From an instant on the program grants nothing more."""

    program: str
    version: int
    effective_from: int


class ProgramAttached(Struct, frozen=True):
    """A program for this one customer: the published one, or one of its own."""

    program: str
    terms: Program | None = None
    effective_from: int | None = None
    effective_to: int | None = None


class ProgramDetached(Struct, frozen=True):
    """This one customer gets nothing more by the program, whoever else does."""

    program: str


class ProgramReset(Struct, frozen=True):
    """Now is as the end of a period: what is unused rolls over or ends, and is granted anew."""

    program: str
    subscription: str | None = None


class SubscriptionStarted(Struct, frozen=True):
    """A subscription begins; with a trial its periods are counted from the trial's end."""

    subscription: str
    plan: str
    period: Every
    anchor: int | None = None
    trial_until: int | None = None
    attributes: dict[str, Value] = {}
    commitment: Commitment | None = None
    products: tuple[str, ...] = ()


class SubscriptionChanged(Struct, frozen=True):
    """What changes of a subscription; absent is unchanged, an attribute of None is removed."""

    subscription: str
    plan: str | None = None
    period: Every | None = None
    anchor: int | None = None
    attributes: dict[str, Value | None] = {}
    at_period_end: bool = False
    commitment: Commitment | None = None
    trial_until: int | None = None
    products: tuple[str, ...] | None = None


class SubscriptionRenewed(Struct, frozen=True):
    """It goes on: a cancellation is taken back, or a cancelled subscription begins again."""

    subscription: str


class SubscriptionPaused(Struct, frozen=True):
    """No program grants anything for it until it is resumed."""

    subscription: str
    at_period_end: bool = False


class SubscriptionResumed(Struct, frozen=True):
    """It goes on where it was paused; a pause that is still to come is taken back."""

    subscription: str


class SubscriptionCancelled(Struct, frozen=True):
    """It ends."""

    subscription: str
    at_period_end: bool = False
