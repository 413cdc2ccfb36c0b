"""Burning: which blocks pay for a use, in the burn order; what none covers is overage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from creditfold.core import holds, overage
from creditfold.core.blocks import exhaust
from creditfold.core.counted import Usage
from creditfold.core.demand import Demand, burn_order, declared, draw_from
from creditfold.core.draft import Draft
from creditfold.core.entries import AVAILABLE, DRAWN, EXPIRED, ISSUED
from creditfold.core.journal import Use
from creditfold.core.state import HOLD, Hold, Terms


def burn(draft: Draft, use: Use, demand: Demand, reserved: Mapping[str, int] = {}) -> Use:
    """Draw the use from its hold, then from the blocks that are valid at its time; what it drew.

    Usage has happened: where its hold is not open, or has too little, it is drawn all the same.
    What is `reserved` of blocks in the hold stays there.
    """
    if use.quantity == 0:
        return use
    usage = use.usage
    hold = None if use.hold is None else _hold(draft, use.hold, use.time)
    if use.hold is not None and hold is not None:
        holds.draw(draft, use.hold, hold, demand, usage, reserved)
    if hold is None or not demand.paid:
        _draw(draft, demand, usage)
    unpaid = None
    if not demand.paid:
        unpaid = overage.enter(draft, demand, usage)
        if use.hold is not None and hold is not None:
            holds.give_up_credit(draft, use.hold, unpaid.unit, unpaid.amount)
    if use.hold is not None and hold is not None and use.final:
        holds.end(draft, use.hold)
    drawn: dict[str, int] = {}
    for move in draft.moves:
        if move.to is DRAWN:
            drawn[move.block] = drawn.get(move.block, 0) + move.amount
    return replace(use, slices=tuple(drawn.items()), unpaid=unpaid)


def _hold(draft: Draft, id_: str, time: int) -> Hold | None:
    """The hold, if it is open and will be at the usage's time."""
    hold: Hold | None = draft.get(HOLD, id_)
    return hold if hold is not None and time < hold.expires_at else None


def unwound(draft: Draft, use: Use) -> Use:
    """What of its slices the use still needs at its quantity: the last burned goes back first."""
    demand = demand_of(draft, use)
    kept: list[tuple[str, int]] = []
    for block_id, amount in use.slices:
        terms = draft.granted(block_id)
        if demand.paid or not demand.ask(terms.unit):
            continue
        assert demand.rest is not None
        part = min(demand.rest.amount, amount)
        demand.pay(part)
        if part:
            kept.append((block_id, part))
    unpaid = None
    if use.quantity and not demand.paid:
        policy = None if use.unpaid is None else use.unpaid.policy
        unpaid = overage.rest_of(draft, demand, policy)
    return replace(use, slices=tuple(kept), unpaid=unpaid)


def burn_more(draft: Draft, use: Use, changed: Use) -> Use:
    """Draw what was added as if it were usage of its own; the use as it then is.

    What no block covers of it goes the way of what none covered before.
    """
    demand = demand_of(draft, replace(changed, quantity=changed.quantity - use.quantity))
    _draw(draft, demand, use.usage)
    slices = Counter(dict(use.slices))
    slices.update({move.block: move.amount for move in draft.moves if move.to is DRAWN})
    unpaid = use.unpaid
    if not demand.paid:
        more = overage.rest_of(draft, demand, None if unpaid is None else unpaid.policy)
        before = unpaid or replace(more, amount=0, quantity=0)
        amount, quantity = before.amount + more.amount, before.quantity + more.quantity
        unpaid = replace(before, amount=amount, quantity=quantity)
    return replace(changed, slices=tuple(slices.items()), unpaid=unpaid)


def demand_of(draft: Draft, use: Use) -> Demand:
    """What a use asks for, by the prices that it came with."""
    meter = declared(draft, use.meter, use.product)
    return Demand(use.time, use.costs, meter, use.quantity, use.properties)


def _draw(draft: Draft, demand: Demand, usage: Usage) -> None:
    """Draw from the blocks in order."""
    exhausted: set[str] = set()
    for block_id in burn_order(draft):
        terms = draft.granted(block_id)
        if demand.covered_by(terms):
            if _draw_block(draft, block_id, terms, usage, demand):
                exhausted.add(block_id)
            if demand.paid:
                break
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
        asleep = ISSUED if block.issued else EXPIRED if block.expired else None
        if asleep is not None:
            assert not block.available, f"block {block_id} is {asleep} and available at once"
            draft.move(block_id, terms, asleep, AVAILABLE, part)
        # What a hold has keeps the rest from being breakage yet.
        reopened = asleep is EXPIRED and not block.held
        draw_from(draft, demand, block_id, terms, AVAILABLE, part, usage, reopened=reopened)
        # Others draw from it no more, though a hold may yet give something back.
        draft.exhausted |= part == left
    return block.spent
