"""Holds: an amount set aside for usage that is to come, in blocks and then on the credit limit.

What is held stays usable for its hold until that ends, even where its block expires meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.blocks import exhaust
from creditfold.core.counted import Usage
from creditfold.core.demand import Demand, amount_of, burn_order, draw_from, metered
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import decimal
from creditfold.core.facts import HoldPlaced, HoldReleased
from creditfold.core.overage import policy_of
from creditfold.core.policy import Policy
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import BLOCK, HOLD, PROFILE, Account, Hold, Phase, Price, Profile, Terms


def place(draft: Draft, body: HoldPlaced) -> Rejection | None:
    """Set aside what the quantity costs, or say why it cannot be."""
    demand = _wanted(draft, body)
    if isinstance(demand, Rejection):
        return demand
    if body.expires_at <= draft.time:
        return Rejection(
            Code.EMPTY_INTERVAL, "expires_at is not after the hold's time: it would hold nothing"
        )
    if body.expires_at <= draft.now:
        return Rejection(
            Code.EMPTY_INTERVAL, "the hold comes after its end: send what was used without it"
        )
    if draft.get(HOLD, body.hold) is not None:
        return Rejection(
            Code.HOLD_EXISTS, f"hold {body.hold} is open: settle or release it, or use another id"
        )
    parts = list(_reserve(draft, demand, others=False))
    rest = _beyond(draft, demand, others=False)
    if rest is None:
        return _refusal(draft, demand)
    _set_aside(draft, body, parts, *rest)
    return None


def place_again(draft: Draft, body: HoldPlaced) -> None:
    """Set aside what a hold was promised, as it now can be: the promise stands.

    Of the same name there was none: one that had ended otherwise ends now.
    """
    if draft.get(HOLD, body.hold) is not None:
        end(draft, body.hold)
    demand = _wanted(draft, body)
    assert isinstance(demand, Demand)
    parts = list(_reserve(draft, demand, others=False))
    currency = draft.account.currency
    unit = min(demand.prices, key=lambda unit: (unit != currency, unit))
    price = demand.prices[unit]
    credit = price.amount if demand.rest is None else demand.rest.in_unit(price)
    _set_aside(draft, body, parts, unit if credit else "", credit)


def _wanted(draft: Draft, body: HoldPlaced) -> Demand | Rejection:
    if body.meter is not None:
        return metered(draft, body.meter, body.quantity, body.properties)
    return amount_of(draft, body.unit, body.quantity)


def _set_aside(
    draft: Draft, body: HoldPlaced, parts: list[tuple[str, Terms, int]], unit: str, credit: int
) -> None:
    for block_id, terms, amount in parts:
        draft.move(block_id, terms, Place.AVAILABLE, Place.HELD, amount, hold=body.hold)
    _keep(draft, unit, credit)
    draft.put(
        HOLD,
        body.hold,
        Hold(
            body.expires_at,
            tuple((block_id, amount) for block_id, _, amount in parts),
            unit,
            credit,
            body.meter,
            body.properties,
        ),
    )
    draft.schedule((body.expires_at, Phase.HOLD_END, body.hold))


def _reserve(draft: Draft, demand: Demand, *, others: bool) -> Iterator[tuple[str, Terms, int]]:
    """What each block would set aside; with `others`, as if no other hold were there."""
    for block_id in burn_order(draft):
        terms, block = draft.granted(block_id), draft.get(BLOCK, block_id)
        left = block.available + (block.held if others else 0)
        if left and demand.covered_by(terms) and demand.ask(terms.unit):
            assert demand.rest is not None
            part = min(demand.rest.amount, left)
            if part:
                demand.pay(part)
                yield block_id, terms, part
        if demand.paid:
            return


def _beyond(draft: Draft, demand: Demand, *, others: bool) -> tuple[str, int] | None:
    """The unit on whose credit limit what no block has fits whole, and how much that is.

    The customer's currency is asked first, in which overage is priced.
    """
    if demand.paid:
        return "", 0
    account = draft.account
    profile: Profile = draft.get(PROFILE)
    for unit in sorted(demand.prices, key=lambda unit: (unit != account.currency, unit)):
        price = demand.prices[unit]
        rest = price.amount if demand.rest is None else demand.rest.in_unit(price)
        if rest <= room(account, profile, draft.policy, unit, demand, others=others):
            return unit, rest
    return None


def room(
    account: Account,
    profile: Profile,
    policy: Policy,
    unit: str,
    demand: Demand,
    *,
    others: bool = False,
) -> int:
    """What neither open overage nor a hold has of the unit's credit limit; may be below zero.

    Where usage beyond credit is nobody's debt, there is no limit to go up to. With `others`, as if
    no other hold were there.
    """
    if not policy_of(profile, policy, demand, unit).owed:
        return 0
    taken = account.overage.get(unit, 0) + (0 if others else account.on_credit.get(unit, 0))
    return profile.credit_limits.get(unit, 0) - taken


def spendable(account: Account, profile: Profile, policy: Policy, at: int) -> dict[str, int]:
    """What a new hold for any usage could have at most at an instant, per unit."""

    def limit(unit: str) -> int:
        wanted = Demand(at, {unit: Price(unit, 0, 0, None)})
        return max(0, room(account, profile, policy, unit, wanted))

    units = account.usable.keys() | profile.credit_limits.keys()
    return {unit: account.usable.get(unit, 0) + limit(unit) for unit in units}


def _refusal(draft: Draft, demand: Demand) -> Rejection:
    """Whether there is too little, or enough that other holds have."""
    short = demand.rest
    alone = replace(demand, rest=None)
    for _ in _reserve(draft, alone, others=True):
        pass
    wants = "no credit may pay for it"
    if short is not None:
        missing = decimal(short.amount, short.price.exponent)
        wants = f"{missing} {short.price.unit} are missing"
    if demand.prices and _beyond(draft, alone, others=True) is not None:
        return Rejection(
            Code.HELD, f"there is enough, but other holds have it: {wants}; wait for one to end"
        )
    return Rejection(
        Code.NOT_ENOUGH, f"{wants}: grant credit, raise the credit limit, or hold less"
    )


def draw(
    draft: Draft,
    hold_id: str,
    hold: Hold,
    demand: Demand,
    usage: Usage,
    reserved: Mapping[str, int],
) -> None:
    """Draw usage from what its hold has, in the hold's order, but for what is `reserved` of blocks.

    That a block has expired since does not matter; that it cannot pay for this usage does.
    """
    left: list[tuple[str, int]] = []
    spent: set[str] = set()
    for block_id, amount in hold.parts:
        terms = draft.granted(block_id)
        part, most = 0, amount - reserved.get(block_id, 0)
        begun = demand.time >= terms.effective_at and most
        if begun and not demand.paid and demand.fits(terms) and demand.ask(terms.unit):
            assert demand.rest is not None
            part = min(demand.rest.amount, most)
        if part:
            draw_from(draft, demand, block_id, terms, Place.HELD, part, usage, hold=hold_id)
            _lapse(draft, block_id, terms)
            if draft.edit_block(block_id).spent:
                spent.add(block_id)
        if amount > part:
            left.append((block_id, amount - part))
    if spent:
        exhaust(draft, spent)
    draft.put(HOLD, hold_id, replace(hold, parts=tuple(left)))


def give_up(draft: Draft, hold_id: str, block_id: str, amount: int) -> None:
    """Let a hold go without an amount that it has of a block."""
    hold: Hold = draft.get(HOLD, hold_id)
    parts = dict(hold.parts)
    parts[block_id] -= amount
    left = tuple((id_, part) for id_, part in parts.items() if part)
    draft.put(HOLD, hold_id, replace(hold, parts=left))
    draft.move(block_id, draft.granted(block_id), Place.HELD, Place.AVAILABLE, amount, hold=hold_id)


def give_up_credit(draft: Draft, hold_id: str, unit: str, amount: int) -> None:
    """Usage of the hold became overage: that much is no longer set aside on the credit limit."""
    hold: Hold = draft.get(HOLD, hold_id)
    if hold.unit != unit:
        return
    part = min(hold.credit, amount)
    _keep(draft, unit, -part)
    draft.put(HOLD, hold_id, replace(hold, credit=hold.credit - part))


def release(draft: Draft, body: HoldReleased) -> Rejection | None:
    """Give back what a hold has."""
    if draft.get(HOLD, body.hold) is None:
        return unknown(body.hold)
    end(draft, body.hold)
    return None


def unknown(hold: str) -> Rejection:
    """The refusal of what is about a hold that is not open."""
    return Rejection(
        Code.UNKNOWN_HOLD,
        f"hold {hold} is not open: it was never placed, or has ended; usage without it is taken",
    )


def end(draft: Draft, hold_id: str) -> None:
    """Settled, released or timed out: what is left goes back, last reserved first."""
    hold: Hold = draft.get(HOLD, hold_id)
    draft.unschedule(Phase.HOLD_END, hold_id)
    draft.put(HOLD, hold_id, None)
    _keep(draft, hold.unit, -hold.credit)
    for block_id, amount in reversed(hold.parts):
        terms = draft.granted(block_id)
        lapsed = terms.expires_at is not None and terms.expires_at <= draft.expired_by
        to = Place.EXPIRED if lapsed else Place.AVAILABLE
        draft.move(block_id, terms, Place.HELD, to, amount, hold=hold_id)
        _lapse(draft, block_id, terms)


def _lapse(draft: Draft, block_id: str, terms: Terms) -> None:
    """A block that expired during its holds is breakage when the last of them ends."""
    if terms.expires_at is not None and not draft.edit_block(block_id).remaining:
        revenue.post_expiry(draft, block_id, terms, max(terms.expires_at, draft.time) - 1)


def _keep(draft: Draft, unit: str, amount: int) -> None:
    """Set aside more or less on the credit limit of a unit."""
    if amount:
        account = draft.account
        kept = {**account.on_credit, unit: account.on_credit.get(unit, 0) + amount}
        account.on_credit = {unit: amount for unit, amount in kept.items() if amount}
