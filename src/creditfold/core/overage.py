"""What no block covers: billed, carried until credit repays it, or uncovered for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from creditfold.core import accrual, statements
from creditfold.core.blocks import exhaust
from creditfold.core.counted import Usage
from creditfold.core.demand import Demand, Rest, burn_order, declared, draw_from
from creditfold.core.draft import Draft
from creditfold.core.entries import Overage, Place
from creditfold.core.exact import decimal, half_even
from creditfold.core.facts import BILL, CARRY, OveragePolicy
from creditfold.core.notices import tell
from creditfold.core.overage_state import CARRIED, OVERAGE, Carried, OpenOverage
from creditfold.core.policy import Policy
from creditfold.core.policy_facts import OverdraftCover
from creditfold.core.state import (
    AGENDA,
    BLOCK,
    PROFILE,
    Agenda,
    Phase,
    Profile,
)
from creditfold.core.uncovered import Reach, Repaid, Unpaid

DEFAULT = "default"


def policy_of(profile: Profile, policy: Policy, demand: Demand, *units: str) -> OveragePolicy:
    """The customer's policy for the first of the units that has one, else for all; else that of
    the first program by its id whose credit could pay the demand and whose grant covers its time;
    else ours.
    """
    if profile.overage:
        for unit in (*units, DEFAULT):
            if unit in profile.overage:
                return profile.overage[unit]
    for _, given in sorted(profile.overage_by.items()):
        if demand.time < given.until and demand.reached(given.reach.unit, given.reach.scope):
            return given.policy
    return policy.overage_default


def rest_of(draft: Draft, demand: Demand, policy: OveragePolicy | None = None) -> Unpaid:
    """What no block covered: in the customer's currency where that prices it, else in the meter.

    What is neither billed nor carried is nobody's debt, and has no price. The policy is the
    customer's where it is not given.
    """
    meter = demand.meter
    assert meter is not None
    currency = draft.account.currency
    asked = () if demand.rest is None else (demand.rest.price.unit,)
    units = (*asked, currency, *sorted(demand.prices))
    policy = policy or policy_of(draft.get(PROFILE), draft.policy, demand, *units)
    uncovered = _uncovered(demand)
    rest = None if demand.rest is None else (demand.rest.price.unit, demand.rest.amount)
    if currency in demand.prices and policy.owed:
        amount = _in(demand, currency).amount
        return Unpaid(currency, amount, uncovered, policy, rest)
    return Unpaid(f"meter:{meter.meter}", uncovered, uncovered, policy, rest)


def enter(
    draft: Draft, demand: Demand, usage: Usage, policy: OveragePolicy | None = None
) -> Unpaid:
    """Enter what no block covered, and keep it open where it is owed.

    The policy is the customer's where it is not given.
    """
    unpaid = rest_of(draft, demand, policy)
    id_ = f"{draft.outcome}.o1"
    if not draft.units_only:
        _say(draft, id_, demand, usage, unpaid)
    if unpaid.policy.owed:
        keep_open(draft, id_, usage, unpaid.unit, unpaid.amount, unpaid.policy)
        carry(draft, id_, usage, demand, unpaid)
    return unpaid


def _say(draft: Draft, id_: str, demand: Demand, usage: Usage, unpaid: Unpaid) -> None:
    """Send it, and accrue it; tell people where it has no price or nobody owes it."""
    meter = demand.meter
    assert meter is not None
    price = demand.prices.get(unpaid.unit)
    over = Overage(
        id_,
        meter.meter,
        meter.product,
        decimal(unpaid.quantity, meter.exponent),
        None if price is None else unpaid.unit,
        None if price is None else decimal(unpaid.amount, price.exponent),
        None if price is None else price.rate,
        None if price is None or demand.rest is None else _in(demand, unpaid.unit).owed,
        None if unpaid.policy is BILL else unpaid.policy,
    )
    if price is not None:
        pass
    elif not unpaid.policy.owed:
        _tell(draft, "uncovered_usage", over)
    elif unpaid.policy is BILL or not demand.prices:
        _tell(draft, "unpriced_usage", over)
    draft.uncover(over, usage, unpaid.quantity, unpaid.amount)
    if price is not None:
        accrual.accrue(
            draft, meter.meter, meter.product, unpaid.unit, unpaid.amount, price.exponent
        )


def keep_open(
    draft: Draft, id_: str, usage: Usage, unit: str, more: int, policy: OveragePolicy
) -> None:
    """Let so much more of a usage be open, until an invoice bills it or credit repays it."""
    if not more:
        return
    account = draft.account
    left = {**account.overage, unit: account.overage.get(unit, 0) + more}
    if not left[unit]:
        del left[unit]
    account.overage = left
    open_: OpenOverage | None = draft.get(OVERAGE, id_)
    if open_ is None:
        open_ = OpenOverage(usage.meter, usage.product, usage.time, unit, 0)
    stated = open_.stated
    number = statements.number(draft, usage) if policy is BILL else None
    if number is not None:
        parts = Counter(dict(stated))
        parts[number] += more
        stated = tuple(sorted((n, part) for n, part in parts.items() if part))
    open_ = replace(open_, amount=open_.amount + more, stated=stated)
    draft.put(OVERAGE, id_, open_ if open_.amount or stated else None)


def carry(draft: Draft, id_: str, usage: Usage, demand: Demand, unpaid: Unpaid) -> None:
    """Keep what credit needs to know to repay it, where the policy is that it does."""
    if unpaid.policy is not CARRY or not unpaid.amount:
        return
    carried = Carried(
        usage,
        demand.quantity,
        unpaid.quantity,
        dict(demand.properties),
        tuple(demand.prices.values()),
        unpaid.rest,
    )
    keep_carried(draft, id_, carried)
    # Credit may be there that the usage was too late or early for.
    draft.carried_at = max(draft.present, demand.time)


def keep_carried(draft: Draft, id_: str, carried: Carried | None) -> None:
    """Set what is carried under the id, or that nothing is, and what credit would repay by that."""
    before: Carried | None = draft.get(CARRIED, id_)
    if before is None and carried is None:
        return
    account = draft.account
    account.carried += (carried is not None) - (before is not None)
    owed = dict(account.owed)
    for each, sign in ((before, -1), (carried, 1)):
        for unit, amount in () if each is None else each.owed():
            owed[unit] = owed.get(unit, 0) + sign * amount
    account.owed = {unit: amount for unit, amount in owed.items() if amount}
    draft.put(CARRIED, id_, carried)


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
    account = draft.account
    instants = {draft.present} if draft.freed else set()
    since = draft.carried_at
    # What is carried as it happens has found no credit, unless there is some that it may not draw.
    if since is not None and (since > draft.present or _available(draft)):
        instants.add(since)
    for at in sorted(instants):
        agenda: Agenda = draft.get(AGENDA) or Agenda()
        if not any(item[:2] == (at, Phase.REPAYMENT) for item in agenda.items):
            # Credit may come several times in one instant, and each repayment is an outcome.
            draft.schedule((at, Phase.REPAYMENT, f"{account.seq}"))


def repay(draft: Draft) -> None:
    """Draw what is carried, oldest first, from any block that could pay such usage now."""
    if draft.policy.overdraft_cover is OverdraftCover.NONE or not _available(draft):
        return
    for id_, open_, carried in _carried(draft):
        if _repay(draft, id_, open_, carried) and not _available(draft):
            return


def _available(draft: Draft) -> bool:
    """Whether any block has something that could repay."""
    blocks = [draft.get(BLOCK, block_id) for block_id in burn_order(draft)]
    return any(block.available for block in blocks)


def drop(draft: Draft, ended: Reach) -> None:
    """What credit of this reach could have repaid is uncovered from now on: its period ended."""
    draft.dropped = (*draft.dropped, ended)
    for id_, open_, carried in _carried(draft):
        if _asked(draft, open_, carried).reached(ended.unit, ended.scope):
            whole = _all_of(draft, id_, open_, carried)
            _reduce(draft, carried, whole)
            keep_carried(draft, id_, None)
            _give_up(draft, whole)


def _give_up(draft: Draft, less: Repaid) -> None:
    """What was owed is uncovered from now on."""
    usage = less.usage
    over = Overage(
        f"{draft.outcome}.o{len(draft.overage) + 1}",
        usage.meter,
        usage.product,
        decimal(less.quantity, less.exponent),
        policy=OveragePolicy.BLOCK,
        usage=usage.id,
    )
    draft.uncover(over, usage, less.quantity, 0)
    _tell(draft, "uncovered_usage", over)


def _carried(draft: Draft) -> Iterator[tuple[str, OpenOverage, Carried]]:
    """What is carried, the oldest first."""
    known = [
        (draft.get(OVERAGE, id_), id_, carried)
        for id_, carried in draft.scan(CARRIED)
        if draft.get(CARRIED, id_) is not None
    ]
    for open_, id_, carried in sorted(known, key=lambda each: (each[0].time, each[1])):
        yield id_, open_, carried


def _asked(draft: Draft, open_: OpenOverage, carried: Carried) -> Demand:
    """What is left to be paid of the usage, by the credit that there now is."""
    meter = declared(draft, open_.meter, open_.product)
    prices = {price.unit: price for price in carried.prices}
    demand = Demand(draft.time, prices, meter, carried.quantity, carried.properties)
    if carried.rest is not None:
        unit, amount = carried.rest
        demand.rest = Rest(prices[unit], amount)
    return demand


def _repay(draft: Draft, id_: str, open_: OpenOverage, carried: Carried) -> bool:
    """Draw what can be had for it; whether that was anything."""
    demand = _asked(draft, open_, carried)
    slices = _draw(draft, demand, carried.usage, id_)
    if not slices:
        return False
    assert demand.rest is not None
    uncovered = _uncovered(demand)
    left = uncovered if open_.unit not in demand.prices else _in(demand, open_.unit).amount
    less = replace(
        _all_of(draft, id_, open_, carried),
        amount=open_.amount - left,
        quantity=carried.uncovered - uncovered,
        slices=tuple(slices),
    )
    _reduce(draft, carried, less)
    if left:
        rest = (demand.rest.price.unit, demand.rest.amount)
        keep_carried(draft, id_, replace(carried, uncovered=uncovered, rest=rest))
    else:
        keep_carried(draft, id_, None)
    return True


def _draw(
    draft: Draft, demand: Demand, usage: Usage, overage: str
) -> Sequence[tuple[str, int, str | None]]:
    """Draw what is available, in burn order; of each block how much, and by which rate."""
    exhausted: set[str] = set()
    drawn: list[tuple[str, int, str | None]] = []
    for block_id in burn_order(draft):
        terms, block = draft.granted(block_id), draft.get(BLOCK, block_id)
        if demand.paid:
            break
        if not block.available or not demand.fits(terms) or not demand.ask(terms.unit):
            continue
        rest = demand.rest
        assert rest is not None
        part = min(rest.amount, block.available)
        draw_from(draft, demand, block_id, terms, Place.AVAILABLE, part, usage, repays=overage)
        drawn.append((block_id, part, rest.price.rate))
        if draft.edit_block(block_id).spent:
            exhausted.add(block_id)
    if exhausted:
        exhaust(draft, exhausted)
    return drawn


def _all_of(draft: Draft, id_: str, open_: OpenOverage, carried: Carried) -> Repaid:
    rates = {price.unit: price.rate for price in carried.prices}
    return Repaid(
        id_,
        carried.usage,
        draft.catalog.meters[open_.meter].exponent,
        open_.unit,
        rates.get(open_.unit),
        open_.amount,
        carried.uncovered,
    )


def _reduce(draft: Draft, carried: Carried, less: Repaid) -> None:
    """Carried overage is smaller by this: it goes out, and its accrual is taken back."""
    draft.repaid.append(less)
    usage = less.usage
    over = Overage(
        f"{draft.outcome}.o{len(draft.overage) + 1}",
        usage.meter,
        usage.product,
        decimal(-less.quantity, less.exponent),
        policy=CARRY,
        reverses=less.overage,
        usage=usage.id,
    )
    for price in carried.prices:
        if price.unit != less.unit:
            continue
        shown = decimal(-less.amount, price.exponent)
        over = replace(over, unit=price.unit, amount=shown, rate=price.rate)
        if less.amount:
            accrual.accrue(
                draft,
                usage.meter,
                usage.product,
                price.unit,
                -less.amount,
                price.exponent,
                less=accrual.BACKFILL if less.slices else accrual.DROP,
                # What ends at an instant belongs to the period that ends there.
                effective=None if less.slices else draft.time - 1,
            )
    draft.uncover(over, usage, -less.quantity, -less.amount)
    keep_open(draft, less.overage, usage, less.unit, -less.amount, CARRY)
