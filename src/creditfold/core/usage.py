"""Usage: which blocks pay, in the burn order; what none covers is overage."""

from __future__ import annotations

from creditfold.core import holds, overage, revenue
from creditfold.core.blocks import exhaust
from creditfold.core.demand import Demand, burn_order, metered
from creditfold.core.draft import Draft, Usage
from creditfold.core.entries import Place
from creditfold.core.facts import HoldReleased, HoldSettled, HoldUse, UsageRecorded
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import HOLD, Hold, Terms


def record(draft: Draft, body: UsageRecorded, usage_id: str) -> Rejection | None:
    """Draw the usage from its hold, then from the blocks that are valid at its event time.

    Usage has happened: where its hold is not open, or has too little, it is drawn all the same.
    """
    demand = metered(draft, body.meter, body.quantity, body.properties, body.amount)
    if isinstance(demand, Rejection):
        return demand
    assert demand.meter is not None
    usage = Usage(usage_id, demand.meter.meter, demand.meter.product)
    hold: Hold | None = None if body.hold is None else draft.get(HOLD, body.hold.hold)
    if body.hold is not None and hold is not None:
        holds.draw(draft, body.hold.hold, hold, demand, usage)
    _draw(draft, demand, usage)
    if not demand.paid:
        over = overage.enter(draft, demand, usage)
        if body.hold is not None:
            holds.give_up_credit(draft, body.hold.hold, *over)
    if body.hold is not None and hold is not None and body.hold.final:
        holds.end(draft, body.hold.hold)
    return None


def settle(draft: Draft, body: HoldSettled, usage_id: str) -> Rejection | None:
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
    return record(draft, UsageRecorded(meter, body.quantity, properties, hold=final), usage_id)


def _draw(draft: Draft, demand: Demand, usage: Usage) -> None:
    """Draw from the blocks in order."""
    exhausted: set[str] = set()
    for block_id in burn_order(draft):
        if demand.paid:
            break
        terms = draft.terms(block_id)
        assert terms is not None
        if demand.covered_by(terms) and _draw_block(draft, block_id, terms, usage, demand):
            exhausted.add(block_id)
    if exhausted:
        exhaust(draft, exhausted)


def _draw_block(draft: Draft, block_id: str, terms: Terms, usage: Usage, demand: Demand) -> bool:
    """Pay what the block can of the rest; whether nothing is left in it that usage could draw.

    Usage may come ahead of the log's clock by minutes, or behind it within the window: of a
    block whose interval contains the event time, what it draws is activated or reopened for it.
    """
    block = draft.edit_block(block_id)
    left = block.available + block.issued + block.expired
    if not left or not demand.ask(terms.unit):
        return block.spent
    rest = demand.rest
    assert rest is not None
    part = min(rest.amount, left)
    if part:
        asleep = Place.ISSUED if block.issued else Place.EXPIRED if block.expired else None
        if asleep is not None:
            assert not block.available, f"block {block_id} is {asleep} and available at once"
            draft.move(block_id, terms, asleep, Place.AVAILABLE, part)
        draft.move(
            block_id,
            terms,
            Place.AVAILABLE,
            Place.DRAWN,
            part,
            usage=usage,
            rate=rest.price.rate,
            owed=rest.owed,
        )
        demand.pay(part)
        reopened = asleep is Place.EXPIRED
        revenue.post_draw(draft, block_id, terms, part, usage.product, reopened=reopened)
    return block.spent
