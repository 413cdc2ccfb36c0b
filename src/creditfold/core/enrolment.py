"""Who is enrolled in which program, and when the next grant is due: a pure look at the state.

A grant covers the time from its instant to the program's next date. The next is due when the cover
ends, or where the customer begins to match after that: so a period is granted once, and who leaves
and comes back within it waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from creditfold.core.calendar import END, Zone, calendar_anchor, local, period
from creditfold.core.catalog import Span
from creditfold.core.draft import Draft
from creditfold.core.predicate import Fields, Value, holds
from creditfold.core.program_facts import AnchoredAt, LocalTime, Program, Trial
from creditfold.core.program_state import (
    ATTACHMENT,
    SUBSCRIPTION,
    Attachment,
    Enrolment,
    Subscription,
)
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import PROFILE, Periods, Profile


class Subject(Struct, frozen=True):
    """A customer, or one of its subscriptions, as one program sees it."""

    id: str
    since: int
    until: int
    spans: tuple[Span, ...]
    fields: Fields | None
    zone_name: str
    anchor: int | None
    trial_until: int | None = None

    def matches(self, span: Span) -> bool:
        """Whether the program grants to it in this span; without fields it does whoever it is."""
        if span.terms is None or span.who is None or self.fields is None:
            return span.terms is not None
        return holds(span.who, self.fields)

    def at(self, instant: int) -> Program | None:
        """The terms by which it is granted credit at the instant, if it is."""
        if instant < self.until:
            for span in self.spans:
                if span.begin <= instant < span.end:
                    return span.terms if self.matches(span) else None
        return None

    def next_match(self, instant: int) -> int | None:
        """The first instant from this one on at which it is granted credit."""
        instant = max(instant, self.since)
        for span in self.spans:
            found = max(span.begin, instant)
            if found < min(span.end, self.until) and self.matches(span):
                return found
        return None

    def match_end(self, instant: int) -> int:
        """When what is granted at the instant ends, by all that is known of it."""
        end = instant
        for span in self.spans:
            if span.begin <= end < span.end and self.matches(span):
                end = span.end
        return max(instant, min(end, self.until))

    def latest(self, terms: Program) -> int:
        """When what these terms grant ends whatever they say: what is for a trial, with it."""
        if terms.trial is not Trial.ONLY:
            return END
        assert self.trial_until is not None, "a program for trials grants to one without"
        return self.trial_until


def subjects(draft: Draft, program: str) -> Iterator[Subject]:
    """Those of the customer that the program sees: itself, or each subscription that is active."""
    profile: Profile = draft.get(PROFILE)
    attached: Attachment | None = draft.get(ATTACHMENT, program)
    published = draft.catalog.programs.get(program, ())
    spans: tuple[Span, ...]
    if attached is not None and attached.terms is not None:
        end = END if attached.effective_to is None else attached.effective_to
        spans = (Span(attached.effective_from, end, attached.terms, None),)
        by_subscription = attached.terms.by_subscription(None)
    else:
        spans = draft.catalog.spans(program, draft.account.looked)
        by_subscription = bool(published) and published[0].by_subscription
    if attached is None:
        since = profile.since
    elif attached.attached:
        since = max(draft.account.created_at, attached.since)
    else:
        since, spans = 0, ()
    fields: dict[str, Value] | None = None
    if attached is None:
        fields = {f"customer.attributes.{name}": v for name, v in profile.attributes.items()}
        fields["customer.id"] = draft.customer
    if not by_subscription:
        zone = profile.time_zone
        yield Subject(f"{program}:{draft.customer}", since, END, spans, fields, zone, None)
        return
    for id_ in profile.subscriptions:
        held: Subscription = draft.get(SUBSCRIPTION, id_)
        yield Subject(
            f"{program}:{id_}",
            max(since, held.since),
            held.granted_until,
            tuple(part for span in spans for part in _around_trial(span, held.trial_until)),
            fields and {**fields, **_fields_of(held)},
            profile.time_zone,
            held.anchor,
            held.trial_until,
        )


def _fields_of(held: Subscription) -> Fields:
    """What `who` may test of a subscription."""
    fields: dict[str, Value | tuple[str, ...]] = {
        f"subscription.attributes.{name}": value for name, value in held.attributes.items()
    }
    fields["subscription.plan"] = held.plan
    if held.products:
        fields["subscription.products"] = held.products
    return fields


def _around_trial(span: Span, trial_until: int | None) -> Iterator[Span]:
    """What the span says to a subscription whose trial ends then, or that has none."""
    terms = span.terms
    if terms is None or terms.trial is None:
        yield span
        return
    ends = span.begin if trial_until is None else min(max(span.begin, trial_until), span.end)
    silent = replace(span, terms=None, who=None)
    in_trial, after = (span, silent) if terms.trial is Trial.ONLY else (silent, span)
    if span.begin < ends:
        yield replace(in_trial, end=ends)
    if ends < span.end:
        yield replace(after, begin=ends)


def subject(draft: Draft, enrolment: str) -> Subject | None:
    """The subject of an enrolment, where the program still sees it."""
    program = enrolment.partition(":")[0]
    return next((each for each in subjects(draft, program) if each.id == enrolment), None)


def known_programs(draft: Draft) -> Iterable[str]:
    """All programs that may concern the customer, in the order of their ids."""
    profile: Profile = draft.get(PROFILE)
    return sorted({*draft.catalog.programs, *profile.attached})


def next_due(draft: Draft, found: Subject, enrolment: Enrolment | None) -> int | None:
    """When something is due for the subject: a grant, or the early end of what was granted.

    What was granted ends at no instant before its grant, however old the fact is that asks. A grant
    and its cut are two outcomes, and what tells them apart is their instant.
    """
    if enrolment is None:
        return found.next_match(0)
    if enrolment.cut is not None:
        granted_at = draft.granted(enrolment.cut.block).granted_at
        now = max(granted_at, min(draft.time, draft.now))
        if now < enrolment.until:
            end = found.match_end(now)
            if end < enrolment.until:
                return max(end, granted_at + 1)
    return found.next_match(enrolment.until + enrolment.was_cut)


def grid(
    draft: Draft, found: Subject, terms: Program, first: int, instant: int
) -> tuple[int, int] | None:
    """The period of the program that holds the instant; None where it grants once."""
    dates = periods(draft, found, terms, first)
    return None if dates is None else period_at(draft, dates, instant)


def periods(draft: Draft, found: Subject, terms: Program, first: int) -> Periods | None:
    """The dates of the program for the subject; None where it grants once."""
    if terms.every is None:
        return None
    anchor, name = terms.anchor, found.zone_name
    if isinstance(anchor, LocalTime) and anchor.zone is not None:
        name = anchor.zone
    shown = _shown(found, terms, first, draft.catalog.zone(name))
    return Periods(shown, terms.every, name)


def period_at(draft: Draft, dates: Periods, instant: int) -> tuple[int, int]:
    """The period that holds the instant."""
    return period(dates.anchor, dates.every, instant, draft.catalog.zone(dates.zone))


def _shown(found: Subject, terms: Program, first: int, zone: Zone) -> int:
    """The anchor as local time."""
    anchor = terms.anchor
    if isinstance(anchor, LocalTime):
        return anchor.shown
    if anchor is AnchoredAt.CALENDAR:
        assert terms.every is not None
        return calendar_anchor(terms.every)
    if anchor is AnchoredAt.SUBSCRIPTION:
        assert found.anchor is not None, "a program by subscription sees subscriptions"
        first = found.anchor
    return local(first, zone)


def unknown_subscription(subscription: str) -> Rejection:
    """The refusal of what names a subscription that was never started."""
    return Rejection(
        Code.UNKNOWN_SUBSCRIPTION,
        f"subscription {subscription} is not known: send subscription.started first",
    )
