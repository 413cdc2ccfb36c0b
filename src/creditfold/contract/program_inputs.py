"""Programs and subscriptions on the wire: who gets which credit when, without a further call."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace
from pydantic import ConfigDict, Field, model_validator

from creditfold.contract.catalog_inputs import VERSION
from creditfold.contract.commitment_inputs import CommitmentData
from creditfold.contract.customer_inputs import OverageName
from creditfold.contract.fields import (
    Anchor,
    Data,
    ExpiresAfter,
    Interval,
    Name,
    ProgramId,
    PropertyValue,
    Time,
    invalid,
)
from creditfold.contract.inputs import PROPERTIES_MAX, GrantData
from creditfold.contract.predicates import Where
from creditfold.contract.terms import LIST_MAX, RolloverData
from creditfold.core import program_facts as facts
from creditfold.core.calendar import Until
from creditfold.core.facts import OveragePolicy
from creditfold.core.predicate import fields_of

FIELDS = ("customer.id", "subscription.plan", "subscription.products")
PREFIXES = ("customer.attributes.", "subscription.attributes.")

_at_period_end = Field(False, description="Only when the period ends that the time lies in.")
_subscription = Field(description="The subscription's id, unique for the customer.")
_program = Field(description="The program's id.")


class TemplateData(GrantData):
    """The block that a program makes each time; its id and dates are the program's to say."""

    model_config = ConfigDict(title="Template")

    expires: ExpiresAfter = Field(
        description="When each block ends: period_end, never, after a duration, or at a time."
    )


class ProrationData(Data):
    """What a period gives that is not covered whole."""

    model_config = ConfigDict(title="Proration")

    first: Literal["none", "by_second"] = Field(
        "none", description="none: all of it; by_second: the share that is left when it begins."
    )
    last: Literal["none", "by_second"] = Field(
        "none", description="none: all of it; by_second: the share until it ends early."
    )


class ResetData(Data):
    """What a new period does to the one before."""

    model_config = ConfigDict(title="Reset")

    overage: Literal["keep", "drop"] = Field(
        description="What becomes of open carried overage that the program's credit could repay: "
        "it stays, or nobody owes it any more."
    )


class TermsData(Data):
    """What is granted when, whoever gets it."""

    grant: TemplateData = Field(description="The block that is made each time.")
    every: Interval | None = Field(None, description="How often; absent is once.")
    anchor: Anchor | None = Field(
        None,
        description="What the dates are counted from, in the customer's zone: first_grant (where "
        "absent), subscription, calendar, or a local date and time.",
    )
    proration: ProrationData | None = Field(None, description="Absent: a part counts as a whole.")
    rollover: RolloverData | None = Field(
        None,
        description="What goes on in a new block when one ends; the cap is on all that stands of "
        "what rolled over, and the oldest is trimmed first.",
    )
    reset: ResetData | None = Field(
        None, description="A new grant ends the ones before it, whenever they would have ended."
    )
    overage: OverageName | None = Field(
        None,
        description="What becomes of usage that its credit could pay and none covers, while its "
        "last grant counts; what the customer says goes first.",
    )
    trial: Literal["after", "only"] | None = Field(
        None,
        description="after: a subscription gets nothing until its trial has ended; only: it gets "
        "this in its trial alone, and what it got ends with the trial at the latest. Absent: a "
        "trial changes nothing.",
    )
    effective_to: Time | None = Field(None, description="From then on it grants nothing.")

    @model_validator(mode="after")
    def _agrees(self) -> TermsData:
        if self.every is None:
            for name in ("anchor", "proration", "reset"):
                if getattr(self, name) is not None:
                    raise invalid(f"{name} is about dates that recur: give every, or drop it")
            if self.grant.expires is Until.PERIOD_END:
                raise invalid("expires period_end needs periods: give every, or another expires")
        drops = self.reset is not None and self.reset.overage == "drop"
        if self.grant.draws_on == "invoice" and (drops or self.overage is not None):
            raise invalid("credit for invoices pays no usage: keep overage, and leave overage out")
        return self

    def terms(self) -> facts.Program:
        """As the fold reads it."""
        share = self.proration or ProrationData()
        return facts.Program(
            replace(
                self.grant.granted(),
                rollover=None if self.rollover is None else self.rollover.core(),
            ),
            self.grant.expires,
            self.every,
            facts.AnchoredAt.FIRST_GRANT if self.anchor is None else self.anchor,
            facts.Proration(share.first == "by_second", share.last == "by_second"),
            self.reset is not None,
            self.reset is not None and self.reset.overage == "drop",
            None if self.overage is None else OveragePolicy(self.overage),
            None if self.trial is None else facts.Trial(self.trial),
        )


class ProgramPublished(TermsData):
    """A version of an allocation rule. What has been granted stays."""

    program: ProgramId = _program
    version: int = VERSION
    effective_from: Time = Field(description="From when it grants.")
    who: Where = Field(
        description="To whom: a predicate over customer.id, customer.attributes.<name>, "
        "subscription.plan, subscription.attributes.<name> and subscription.products, of which one "
        "has to pass a test; ne: none is equal."
    )

    @model_validator(mode="after")
    def _known_fields(self) -> ProgramPublished:
        for field in fields_of(self.who.core()):
            if field not in FIELDS and not field.startswith(PREFIXES):
                raise invalid(f"who cannot test {field}: write one of {FIELDS + PREFIXES}")
        return self

    def body(self) -> facts.ProgramPublished:
        """As the fold reads it."""
        return facts.ProgramPublished(
            self.program,
            self.version,
            self.effective_from,
            self.who.core(),
            self.terms(),
            self.effective_to,
        )


class ProgramEnded(Data):
    """A program grants nothing more from an instant on. What has been granted stays."""

    program: ProgramId = _program
    version: int = VERSION
    effective_from: Time = Field(description="From when it grants nothing.")

    def body(self) -> facts.ProgramEnded:
        """As the fold reads it."""
        return facts.ProgramEnded(self.program, self.version, self.effective_from)


class DefinitionData(TermsData):
    """A program of one customer's own."""

    model_config = ConfigDict(title="Definition")

    effective_from: Time | None = Field(
        None, description="From when it grants; absent is the event's time."
    )


class ProgramAttached(Data):
    """A program for this customer alone, or the published one whatever its who says."""

    program: ProgramId = _program
    definition: DefinitionData | None = Field(
        None, description="Its own terms; absent are those of the published program."
    )

    def body(self) -> facts.ProgramAttached:
        """As the fold reads it."""
        own = self.definition
        if own is None:
            return facts.ProgramAttached(self.program)
        return facts.ProgramAttached(
            self.program, own.terms(), own.effective_from, own.effective_to
        )


class ProgramDetached(Data):
    """The program grants this customer nothing more, whoever else it is for."""

    program: ProgramId = _program

    def body(self) -> facts.ProgramDetached:
        """As the fold reads it."""
        return facts.ProgramDetached(self.program)


class ProgramReset(Data):
    """Now is as the end of a period: what is unused rolls over or ends, and is granted anew."""

    program: ProgramId = _program
    subscription: Name | None = Field(
        None, description="Only for this subscription; absent: for all that the program grants to."
    )

    def body(self) -> facts.ProgramReset:
        """As the fold reads it."""
        return facts.ProgramReset(self.program, self.subscription)


class SubscriptionStarted(Data):
    """A subscription begins."""

    subscription: Name = _subscription
    plan: Name = Field(description="What is subscribed to; programs and prices test it.")
    period: Interval = Field(description="How long its periods are.")
    anchor: Time | None = Field(
        None, description="What its periods are counted from; absent is trial_until, else the time."
    )
    trial_until: Time | None = Field(
        None, description="When its trial ends; programs say what it does to their grants."
    )
    attributes: dict[Name, PropertyValue] | None = Field(
        None, max_length=PROPERTIES_MAX, description="What is known about it."
    )
    commitment: CommitmentData | None = Field(
        None, description="The least that is used, or paid for, in each term."
    )
    products: list[Name] | None = Field(
        None, max_length=LIST_MAX, description="The products in it; programs test them."
    )

    def body(self) -> facts.SubscriptionStarted:
        """As the fold reads it."""
        return facts.SubscriptionStarted(
            self.subscription,
            self.plan,
            self.period,
            self.anchor,
            self.trial_until,
            self.attributes or {},
            None if self.commitment is None else self.commitment.core(),
            tuple(self.products or ()),
        )


class SubscriptionChanged(Data):
    """What changes of a subscription; what is absent stays."""

    subscription: Name = _subscription
    plan: Name | None = Field(None, description="The new plan.")
    period: Interval | None = Field(None, description="The new length of its periods.")
    anchor: Time | None = Field(None, description="What its periods are counted from now.")
    trial_until: Time | None = Field(
        None, description="When its trial ends now; what was granted for it stays as it is."
    )
    attributes: dict[Name, PropertyValue | None] | None = Field(
        None, max_length=PROPERTIES_MAX, description="New values by name; null removes one."
    )
    commitment: CommitmentData | None = Field(
        None,
        description="The new minimum, in the same unit: of the term that runs and those after it, "
        "with at_period_end of the next term and those after it.",
    )
    products: list[Name] | None = Field(
        None, max_length=LIST_MAX, description="All products that are in it now."
    )
    at_period_end: bool = _at_period_end

    def body(self) -> facts.SubscriptionChanged:
        """As the fold reads it."""
        return facts.SubscriptionChanged(
            self.subscription,
            self.plan,
            self.period,
            self.anchor,
            self.attributes or {},
            self.at_period_end,
            None if self.commitment is None else self.commitment.core(),
            self.trial_until,
            None if self.products is None else tuple(self.products),
        )


class SubscriptionRenewed(Data):
    """It goes on: its cancellation is taken back, before or after it came."""

    subscription: Name = _subscription

    def body(self) -> facts.SubscriptionRenewed:
        """As the fold reads it."""
        return facts.SubscriptionRenewed(self.subscription)


class SubscriptionPaused(Data):
    """Programs grant nothing for it until it is resumed."""

    subscription: Name = _subscription
    at_period_end: bool = _at_period_end

    def body(self) -> facts.SubscriptionPaused:
        """As the fold reads it."""
        return facts.SubscriptionPaused(self.subscription, self.at_period_end)


class SubscriptionResumed(Data):
    """It goes on where it was paused; a pause that is still to come is taken back."""

    subscription: Name = _subscription

    def body(self) -> facts.SubscriptionResumed:
        """As the fold reads it."""
        return facts.SubscriptionResumed(self.subscription)


class SubscriptionCancelled(Data):
    """It ends. What was granted for it stays, by the programs' terms."""

    subscription: Name = _subscription
    at_period_end: bool = _at_period_end

    def body(self) -> facts.SubscriptionCancelled:
        """As the fold reads it."""
        return facts.SubscriptionCancelled(self.subscription, self.at_period_end)
