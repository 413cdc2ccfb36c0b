"""Usage as it was recorded, settled from a hold, corrected and retracted."""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import blocks, commitments, holds, journal, late, overage, reopening
from creditfold.core.demand import Demand, metered, too_much
from creditfold.core.draft import Draft
from creditfold.core.enrolment import unknown_subscription
from creditfold.core.facts import (
    HoldReleased,
    HoldSettled,
    HoldUse,
    OveragePolicy,
    UsageCorrected,
    UsageRecorded,
    UsageRetracted,
)
from creditfold.core.journal import Use
from creditfold.core.program_state import SUBSCRIPTION
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import HOLD, JOURNAL, SEEN, Hold, Seen, seen_key


def record(draft: Draft, body: UsageRecorded, source: str, id_: str) -> Rejection | None:
    """Draw usage in its place; of what comes after its window all is overage."""
    demand = metered(
        draft, body.meter, body.quantity, body.properties, body.amount, body.subscription
    )
    if isinstance(demand, Rejection):
        return demand
    if body.subscription is not None and draft.get(SUBSCRIPTION, body.subscription) is None:
        return unknown_subscription(body.subscription)
    if taken_until(draft) < draft.now:
        use = _use(draft, body, demand, source, id_, (draft.time, 0))
        _enter_overage(draft, use, demand)
    else:
        draft.stands = journal.standing(draft, draft.time)
        use = _use(draft, body, demand, source, id_, draft.stands)
        late.take(draft, use, demand)
    if draft.catalog.states:
        draft.use(use.usage, use.quantity)
    return None


def taken_until(draft: Draft) -> int:
    """The last recorded time at which usage of this time counts as if it had come in order."""
    return draft.time + draft.policy.late_window


def _enter_overage(draft: Draft, use: Use, demand: Demand) -> None:
    """No credit covers it, now or later: the past is closed, and what it drew cannot change."""
    policy = overage.rest_of(draft, demand).policy
    policy = OveragePolicy.BILL if policy.owed else policy
    unpaid = overage.enter(draft, demand, use.usage, policy)
    commitments.count_late(draft, replace(use, unpaid=unpaid))


def _use(
    draft: Draft,
    body: UsageRecorded,
    demand: Demand,
    source: str,
    id_: str,
    stands: tuple[int, int],
) -> Use:
    meter, (at, behind) = demand.meter, stands
    assert meter is not None
    return Use(  # by position, as an entry
        source,
        id_,
        draft.time,
        draft.now,
        meter.meter,
        meter.product,
        meter.exponent,
        demand.quantity,
        demand.quantity,
        body.properties,
        tuple(demand.prices.values()),
        at,
        behind,
        None if body.hold is None else body.hold.hold,
        body.hold is not None and body.hold.final,
        body.subscription,
    )


def settle(draft: Draft, body: HoldSettled, source: str, id_: str) -> Rejection | None:
    """The usage that a hold was for: less, as much or more; the hold ends with it."""
    hold: Hold | None = draft.get(HOLD, body.hold)
    meter = body.meter or (None if hold is None else hold.meter)
    properties = body.properties
    if properties is None:
        properties = {} if hold is None else hold.properties
    if body.quantity.coefficient == 0:
        return holds.release(draft, HoldReleased(body.hold))
    if meter is not None:
        read = metered(draft, meter, body.quantity, properties)
        if isinstance(read, Rejection):
            return read
    if hold is None:
        return holds.unknown(body.hold)
    if meter is None:
        return Rejection(
            Code.METER_MISSING,
            f"hold {body.hold} was placed in a unit: say which meter the usage is of",
        )
    final = HoldUse(body.hold, final=True)
    return record(draft, UsageRecorded(meter, body.quantity, properties, hold=final), source, id_)


def correct(draft: Draft, body: UsageCorrected | UsageRetracted) -> Rejection | None:
    """Give a usage another quantity; of a retracted one nothing is left."""
    source, id_ = body.usage.source, body.usage.id
    seen: Seen | None = draft.get(SEEN, seen_key(source, id_))
    use: Use | None = None
    if seen is not None and seen.until is not None:
        place = journal.usage_place(seen.at, seen.behind, source, id_)
        use = draft.get(JOURNAL, place)
    if seen is None or seen.until is None or use is None:
        return Rejection(
            Code.UNKNOWN_USAGE,
            f"usage {id_} of {source} is not known, or is older than late.window: "
            "name usage that was recorded",
        )
    if seen.until < draft.now:
        return Rejection(
            Code.TOO_LATE,
            f"usage {id_} of {source} could be corrected until late.window after its time: it "
            "stays as it is",
        )
    quantity = 0
    if isinstance(body, UsageCorrected) and body.quantity.coefficient:
        steps = blocks.steps(body.quantity, use.exponent, "quantity")
        if isinstance(steps, Rejection):
            return steps
        quantity = steps
    changed = replace(use, quantity=quantity)
    refusal = too_much(draft, use.meter, use.exponent, quantity, changed.costs)
    if refusal is not None:
        return refusal
    if quantity != use.quantity:
        refusal = late.correct(draft, use, changed)
        if refusal is not None:
            return refusal
        reopening.schedule(draft)
        draft.use(use.usage, quantity - use.quantity)
    return None
