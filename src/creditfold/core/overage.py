"""What no block covers: billed, carried until credit repays it, or uncovered for good."""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import accrual, revenue
from creditfold.core.blocks import exhaust
from creditfold.core.demand import Demand, Rest, burn_order
from creditfold.core.draft import Draft, Usage
from creditfold.core.entries import Overage, Place
from creditfold.core.exact import decimal, half_even
from creditfold.core.facts import OveragePolicy, OverdraftCover
from creditfold.core.notices import tell
from creditfold.core.policy import Policy
from creditfold.core.state import (
    BLOCK,
    CARRIED,
    OVERAGE,
    PROFILE,
    Carried,
    OpenOverage,
    Phase,
    Profile,
)

DEFAULT = "default"


def policy_of(profile: Profile, policy: Policy, *units: str) -> OveragePolicy:
    """The customer's policy for the first of the units that has one, else for all, else ours."""
    for unit in (*units, DEFAULT):
        if unit in profile.overage:
            return profile.overage[unit]
    return policy.overage_default


def enter(draft: Draft, demand: Demand, usage: Usage) -> tuple[str, int]:
    """Enter what no block covered, and say so; its unit and amount.

    It is priced in the customer's currency, or without a price. What is neither billed nor carried
    is nobody's debt: it goes out, and is not open.
    """
    account, meter = draft.edit_account(), demand.meter
    assert meter is not None
    asked = () if demand.rest is None else (demand.rest.price.unit,)
    units = (*asked, account.currency, *sorted(demand.prices))
    policy = policy_of(draft.get(PROFILE), draft.policy, *units)
    uncovered = _uncovered(demand)
    over = Overage(
        f"{draft.outcome}.o1",
        meter.meter,
        meter.product,
        decimal(uncovered, meter.exponent),
        policy=None if policy is OveragePolicy.BILL else policy,
    )
    carried = Carried(
        usage.id,
        demand.quantity,
        uncovered,
        dict(demand.properties),
        tuple(demand.prices.values()),
        None if demand.rest is None else (demand.rest.price.unit, demand.rest.amount),
    )
    price = demand.prices.get(account.currency)
    if price is None or not policy.owed:
        unit, amount = f"meter:{meter.meter}", uncovered
        draft.overage.append(over)
        if not policy.owed:
            _tell(draft, "uncovered_usage", over)
            return unit, amount
        if policy is OveragePolicy.BILL or not demand.prices:
            _tell(draft, "unpriced_usage", over)
    else:
        rest = _in(demand, account.currency)
        unit, amount = price.unit, rest.amount
        draft.overage.append(
            replace(
                over,
                unit=unit,
                amount=decimal(amount, price.exponent),
                rate=price.rate,
                owed=rest.owed,
            )
        )
        accrual.accrue(draft, meter.meter, meter.product, unit, amount, price.exponent)
    if amount:
        account.overage = {**account.overage, unit: account.overage.get(unit, 0) + amount}
        open_ = OpenOverage(meter.meter, meter.product, draft.time, unit, amount)
        draft.put(OVERAGE, over.id, open_)
        if policy is OveragePolicy.CARRY:
            draft.put(CARRIED, over.id, carried)
            account.carried += 1
            draft.freed = True  # credit may be there that the usage was too late or early for
    return unit, amount


def _uncovered(demand: Demand) -> int:
    """What is left of the usage, in steps of its meter."""
    rest = demand.rest
    if rest is None:
        return demand.quantity
    return half_even(demand.quantity * rest.amount, rest.price.amount) if rest.amount else 0


def _in(demand: Demand, unit: str) -> Rest:
    """The rest in a unit; all of it where no block was asked."""
    price = demand.prices[unit]
    rest = Rest(price, price.amount) if demand.rest is None else replace(demand.rest)
    if rest.price.unit != unit:
        rest.move_to(price)
    return rest


def _tell(draft: Draft, what: str, over: Overage) -> None:
    tell(draft, what, meter=over.meter, product=over.product, quantity=over.quantity)


def schedule_repayment(draft: Draft) -> None:
    """Credit that became available repays carried overage before any other usage draws it.

    All that becomes available at an instant comes first, so that the burn order chooses among it.
    """
    if not draft.freed or not draft.edit_account().carried:
        return
    draft.unschedule(Phase.REPAYMENT, "")
    draft.schedule((draft.present, Phase.REPAYMENT, ""))


def repay(draft: Draft) -> None:
    """Draw what is carried, oldest first, from any block that could pay such usage now."""
    if draft.policy.overdraft_cover is OverdraftCover.NONE:
        return
    known = [
        (draft.get(OVERAGE, id_), id_, carried)
        for id_, carried in draft.scan(CARRIED)
        if draft.get(CARRIED, id_) is not None
    ]
    for open_, id_, carried in sorted(known, key=lambda each: (each[0].time, each[1])):
        _repay(draft, id_, open_, carried)


def _repay(draft: Draft, id_: str, open_: OpenOverage, carried: Carried) -> None:
    meter = draft.catalog.meters[open_.meter]
    prices = {price.unit: price for price in carried.prices}
    demand = Demand(draft.time, prices, meter, carried.quantity, carried.properties)
    if carried.rest is not None:
        unit, amount = carried.rest
        demand.rest = Rest(prices[unit], amount)
    drawn = _draw(draft, demand, Usage(carried.usage, open_.meter, open_.product), id_)
    if not drawn:
        return
    assert demand.rest is not None
    uncovered = _uncovered(demand)
    left = uncovered if open_.unit not in prices else _in(demand, open_.unit).amount
    _take_back(draft, id_, open_, open_.amount - left, carried.uncovered - uncovered)
    if left:
        draft.put(OVERAGE, id_, replace(open_, amount=left))
        rest = (demand.rest.price.unit, demand.rest.amount)
        draft.put(CARRIED, id_, replace(carried, uncovered=uncovered, rest=rest))
    else:
        draft.put(OVERAGE, id_, None)
        draft.put(CARRIED, id_, None)
        draft.edit_account().carried -= 1


def _draw(draft: Draft, demand: Demand, usage: Usage, overage: str) -> bool:
    """Draw what is available, in burn order; whether anything was."""
    exhausted: set[str] = set()
    drawn = False
    for block_id in burn_order(draft):
        terms, block = draft.terms(block_id), draft.get(BLOCK, block_id)
        assert terms is not None
        if demand.paid:
            break
        if not block.available or not demand.fits(terms) or not demand.ask(terms.unit):
            continue
        rest = demand.rest
        assert rest is not None
        part = min(rest.amount, block.available)
        draft.move(
            block_id,
            terms,
            Place.AVAILABLE,
            Place.DRAWN,
            part,
            usage=usage,
            rate=rest.price.rate,
            owed=rest.owed,
            repays=overage,
        )
        demand.pay(part)
        revenue.post_draw(draft, block_id, terms, part, usage.product, reopened=False)
        drawn = True
        if draft.edit_block(block_id).spent:
            exhausted.add(block_id)
    if exhausted:
        exhaust(draft, exhausted)
    return drawn


def _take_back(draft: Draft, id_: str, open_: OpenOverage, amount: int, quantity: int) -> None:
    """The overage is smaller by this: it goes out, and its accrual is taken back."""
    account = draft.edit_account()
    now = {**account.overage, open_.unit: account.overage[open_.unit] - amount}
    account.overage = {unit: left for unit, left in now.items() if left}
    meter = draft.catalog.meters[open_.meter]
    over = Overage(
        f"{draft.outcome}.o{len(draft.overage) + 1}",
        open_.meter,
        open_.product,
        decimal(-quantity, meter.exponent),
        policy=OveragePolicy.CARRY,
        reverses=id_,
    )
    exponent = draft.catalog.exponent(open_.unit)
    if exponent is not None:
        over = replace(over, unit=open_.unit, amount=decimal(-amount, exponent))
        if amount:
            accrual.accrue(draft, open_.meter, open_.product, open_.unit, -amount, exponent)
    draft.overage.append(over)
