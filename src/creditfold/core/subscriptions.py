"""The life of a subscription: what each step does to grants is for the programs' terms to say."""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import commitments, ratable
from creditfold.core.calendar import END, local, period
from creditfold.core.draft import Draft
from creditfold.core.enrolment import unknown_subscription
from creditfold.core.predicate import Value
from creditfold.core.program_facts import (
    SubscriptionCancelled,
    SubscriptionChanged,
    SubscriptionPaused,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionStarted,
)
from creditfold.core.program_state import (
    SUBSCRIPTION,
    Pending,
    Subscription,
    SubscriptionStatus,
)
from creditfold.core.programs import plan
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.state import PROFILE, Phase, Profile

ACTIVE = SubscriptionStatus.ACTIVE
PAUSED = SubscriptionStatus.PAUSED
CANCELLED = SubscriptionStatus.CANCELLED


def start(draft: Draft, body: SubscriptionStarted) -> Rejection | None:
    """A subscription begins; its periods are counted from its anchor, else the trial's end."""
    committed = None if body.commitment is None else commitments.read(draft, body.commitment)
    if isinstance(committed, Rejection):
        return committed
    if draft.get(SUBSCRIPTION, body.subscription) is not None:
        return Rejection(
            Code.SUBSCRIPTION_EXISTS,
            f"subscription {body.subscription} exists: change or renew it, or use another id",
        )
    anchor = next(each for each in (body.anchor, body.trial_until, draft.time) if each is not None)
    record = Subscription(
        plan=body.plan,
        period=body.period,
        anchor=anchor,
        since=_since(draft),
        attributes=body.attributes,
        trial_until=body.trial_until,
        products=body.products,
    )
    profile: Profile = draft.get(PROFILE)
    subscriptions = tuple(sorted((*profile.subscriptions, body.subscription)))
    draft.put(PROFILE, "", replace(profile, subscriptions=subscriptions))
    _set(draft, body.subscription, record)
    if committed is None:
        return None
    since = max(draft.time, body.trial_until or 0)
    return commitments.start(draft, body.subscription, committed, anchor, since)


def change(draft: Draft, body: SubscriptionChanged) -> Rejection | None:
    """Another plan, other products and so on, now or when the period ends; another commitment."""
    committed = None if body.commitment is None else commitments.read(draft, body.commitment)
    known = _known(draft, body.subscription, ACTIVE, PAUSED)
    if isinstance(known, Rejection) or isinstance(committed, Rejection):
        return highest(each for each in (committed, known) if isinstance(each, Rejection))
    since, at_once = _since(draft), not body.at_period_end
    if at_once:
        _set(draft, body.subscription, _changed(known, body, since))
    else:
        pending = replace(_pending(draft, known), change=replace(body, commitment=None))
        _set(draft, body.subscription, replace(known, pending=pending))
    if committed is None:
        return None
    return commitments.change(draft, body.subscription, committed, since, at_once=at_once)


def renew(draft: Draft, body: SubscriptionRenewed) -> Rejection | None:
    """Take a cancellation back, before it has come or after."""
    known = _known(draft, body.subscription, ACTIVE, PAUSED, CANCELLED)
    if isinstance(known, Rejection):
        return known
    if known.status is CANCELLED:
        known = replace(known, status=ACTIVE, since=_since(draft))
    _set(draft, body.subscription, _without(known, CANCELLED))
    return commitments.renew(draft, body.subscription, _since(draft))


def pause(draft: Draft, body: SubscriptionPaused) -> Rejection | None:
    """Stop grants, now or when the period ends."""
    return _stop(draft, body.subscription, PAUSED, at_period_end=body.at_period_end)


def resume(draft: Draft, body: SubscriptionResumed) -> Rejection | None:
    """Let grants go on, or take a pause back that is still to come."""
    known = _known(draft, body.subscription, ACTIVE, PAUSED)
    if isinstance(known, Rejection):
        return known
    if known.status is PAUSED:
        known = replace(known, status=ACTIVE, since=_since(draft))
    _set(draft, body.subscription, _without(known, PAUSED))
    return None


def cancel(draft: Draft, body: SubscriptionCancelled) -> Rejection | None:
    """End it, now or when the period ends; what was granted stays by the programs' terms."""
    return _stop(draft, body.subscription, CANCELLED, at_period_end=body.at_period_end)


def fall_due(draft: Draft, subscription: str) -> None:
    """Its period ends, and with it comes what was put off until then."""
    known: Subscription = draft.get(SUBSCRIPTION, subscription)
    pending = known.pending
    assert pending is not None, f"subscription {subscription} is due, and nothing is pending"
    record = replace(known, pending=None)
    if pending.change is not None:
        record = _changed(record, pending.change, draft.time)
    if pending.status is not None:
        record = replace(record, status=pending.status, since=draft.time)
    _set(draft, subscription, record)
    if record.status is CANCELLED:
        ratable.end_early(draft, subscription)


def _stop(
    draft: Draft, subscription: str, status: SubscriptionStatus, *, at_period_end: bool
) -> Rejection | None:
    standing = (ACTIVE,) if status is PAUSED else (ACTIVE, PAUSED)
    known = _known(draft, subscription, *standing)
    if isinstance(known, Rejection):
        return known
    if at_period_end:
        pending = _pending(draft, known)
        _set(draft, subscription, replace(known, pending=replace(pending, status=status)))
    else:
        _set(draft, subscription, replace(_without(known, status), status=status))
        if status is CANCELLED:
            ratable.end_early(draft, subscription)
    return None


def _known(
    draft: Draft, subscription: str, *standing: SubscriptionStatus
) -> Subscription | Rejection:
    known: Subscription | None = draft.get(SUBSCRIPTION, subscription)
    if known is None:
        return unknown_subscription(subscription)
    if known.status not in standing:
        return Rejection(
            Code.SUBSCRIPTION_STATUS,
            f"subscription {subscription} is {known.status}: it would have to be "
            f"{' or '.join(standing)}",
        )
    return known


def _since(draft: Draft) -> int:
    """From when a change counts: a fact may be minutes ahead of the log, its effect may not."""
    return min(draft.time, draft.now)


def _pending(draft: Draft, known: Subscription) -> Pending:
    """What is put off already, else nothing, until the end of the period that now is."""
    if known.pending is not None:
        return known.pending
    profile: Profile = draft.get(PROFILE)
    zone = draft.catalog.zone(profile.time_zone)
    return Pending(period(local(known.anchor, zone), known.period, draft.time, zone)[1])


def _without(known: Subscription, status: SubscriptionStatus) -> Subscription:
    """The subscription without a step to this status that is still to come."""
    pending = known.pending
    if pending is None or pending.status is not status:
        return known
    left = None if pending.change is None else replace(pending, status=None)
    return replace(known, pending=left)


def _changed(known: Subscription, body: SubscriptionChanged, since: int) -> Subscription:
    attributes: dict[str, Value | None] = {**known.attributes, **body.attributes}
    return replace(
        known,
        plan=body.plan or known.plan,
        period=body.period or known.period,
        anchor=known.anchor if body.anchor is None else body.anchor,
        attributes={name: value for name, value in attributes.items() if value is not None},
        since=since,
        trial_until=known.trial_until if body.trial_until is None else body.trial_until,
        products=known.products if body.products is None else body.products,
    )


def _set(draft: Draft, subscription: str, record: Subscription) -> None:
    plan_now = None if record.status is CANCELLED else record.plan
    if not record.plans or record.plans[-1][1] != plan_now:
        record = replace(record, plans=(*record.plans, (_since(draft), plan_now)))
    draft.put(SUBSCRIPTION, subscription, record)
    pending = record.pending
    due = [] if pending is None or pending.at >= END else [pending.at]
    items = [(at, Phase.SUBSCRIPTION, subscription) for at in due]
    draft.reschedule(Phase.SUBSCRIPTION, (subscription,), items)
    plan(draft)
