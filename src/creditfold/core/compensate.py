"""The difference between what was done and what would have been, as entries of a late fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from creditfold.core import revenue, rolled
from creditfold.core.accrual import accrue
from creditfold.core.counted import Usage
from creditfold.core.draft import Draft
from creditfold.core.entries import Overage, Place
from creditfold.core.exact import INT64_MAX, decimal
from creditfold.core.facts import OveragePolicy
from creditfold.core.journal import Command, FellDue, Item, Use
from creditfold.core.overage import keep_carried, keep_open
from creditfold.core.overage_state import CARRIED
from creditfold.core.past import REDONE, Past
from creditfold.core.state import (
    AGENDA,
    BLOCK,
    HOLD,
    TERMS,
    WALLET,
    Agenda,
    Block,
    Hold,
    Phase,
    Terms,
)

_OF_BLOCK: Final = tuple(at for at in Place if at is not Place.ORIGIN)

_REST: Final = (Place.ISSUED, Place.EXPIRED)
"""Places, besides what holds have, that no usage moves units into or out of by itself."""

Rest: TypeAlias = tuple[str, Place, str | None]
"""A block's place of that sort; what is held, by its hold."""


class Slice(Struct, frozen=True):
    """What of a block paid for a usage; `repays` names the carried overage that it paid off."""

    block: str
    outcome: str
    usage: Usage
    rate: str | None
    repays: str | None = None


class Uncovered(Struct, frozen=True):
    """Where what of a usage is uncovered is entered: under its id, in a unit, by a policy."""

    overage: str
    unit: str
    policy: OveragePolicy
    usage: Usage
    exponent: int
    rate: str | None

    @property
    def order(self) -> tuple[int, str, str, str]:
        """The oldest usage first."""
        return self.usage.time, self.overage, self.unit, self.policy


def compensate(
    draft: Draft, past: Past, before: Mapping[str, Item], after: Mapping[str, Item]
) -> None:
    """Enter the difference between what was done and what would have been."""
    same = {at for at, item in after.items() if isinstance(item, Use) and item == before.get(at)}
    before = {at: item for at, item in before.items() if at not in same}
    after = {at: item for at, item in after.items() if at not in same}
    _take_over(draft, past, TERMS)
    was: dict[str, Block | None] = {
        id_: draft.get(BLOCK, id_) for _, kind, id_ in past.changes if kind == BLOCK
    }
    stayed, left = rolled.left(before), rolled.left(after)
    rolled.leave(draft, stayed - left, back=True)
    backs, draws = changed_slices(draft, before, after)
    units: dict[str, Counter[str]] = {}
    for slice_, amount in backs:
        take_back(draft, slice_, amount)
        units.setdefault(slice_.block, Counter())[slice_.usage.product] -= amount
    rest = _rest(draft, past, was)
    uses = {use.outcome(draft.customer): use for use in after.values() if isinstance(use, Use)}
    drawn: list[tuple[Slice, Place, int, str | None]] = []
    for slice_, amount in draws:
        units.setdefault(slice_.block, Counter())[slice_.usage.product] += amount
        part = 0
        if not slice_.repays and (hold := uses[slice_.outcome].hold) is not None:
            terms: Terms = past.get((draft.customer, TERMS, slice_.block))
            part = min(amount, _of_hold(terms, rest, slice_.block, uses[slice_.outcome]))
            rest[slice_.block, Place.HELD, hold] += part
            drawn.append((slice_, Place.HELD, part, hold))
        drawn.append((slice_, Place.AVAILABLE, amount - part, None))
    made = rolled.made(draft, past, was)
    rolled.make(draft, {id_: more for id_, more in made.items() if more > 0})
    _lapse_unpaid(draft, rest)
    _shift(draft, {key: amount for key, amount in rest.items() if amount < 0})
    _shift(draft, {key: n for key, n in rest.items() if n > 0 and key[1] is Place.HELD})
    for slice_, source, amount, hold in drawn:
        if amount:
            draft.move(
                slice_.block,
                draft.granted(slice_.block),
                source,
                Place.DRAWN,
                amount,
                usage=slice_.usage,
                hold=hold,
                rate=slice_.rate,
                repays=slice_.repays,
            )
    _shift(draft, {key: n for key, n in rest.items() if n > 0 and key[1] is not Place.HELD})
    rolled.leave(draft, left - stayed, back=False)
    rolled.make(draft, {id_: more for id_, more in made.items() if more < 0})
    rolled.fund(draft, past, was)
    for block_id in sorted(was):
        respread(draft, block_id, units.get(block_id, {}))
    uncover(draft, before, after)
    _take_over(draft, past, WALLET)
    for (_, kind, id_), record in past.changes.items():
        if kind == CARRIED:
            keep_carried(draft, id_, record)
    draft.freed, draft.carried_at = False, None  # it has been offered all credit there is
    _holds(draft, past)
    _agenda(draft, past)
    for block_id in was:
        wanted: Block = past.get((draft.customer, BLOCK, block_id)) or Block()
        found = draft.edit_block(block_id)
        for at in _OF_BLOCK:
            assert getattr(found, at) == getattr(wanted, at), f"{block_id} {at}"


def _of_hold(terms: Terms, rest: Mapping[Rest, int], block_id: str, use: Use) -> int:
    """How much of the block's more the usage had from its hold: what that lost, or all by then."""
    if terms.expires_at is not None and terms.expires_at <= use.time:
        return INT64_MAX
    return max(0, -rest[block_id, Place.HELD, use.hold])


def _shift(draft: Draft, rest: Mapping[Rest, int]) -> None:
    """Move so much more from what is available, or below zero back to it."""
    for (block_id, at, hold), amount in rest.items():
        source, to = (Place.AVAILABLE, at) if amount > 0 else (at, Place.AVAILABLE)
        draft.move(block_id, draft.granted(block_id), source, to, abs(amount), hold=hold)


def _lapse_unpaid(draft: Draft, rest: Counter[Rest]) -> None:
    """What waits for its payment expires without having been available."""
    for block_id, at, hold in list(rest):
        if at is Place.ISSUED and rest[block_id, at, hold] and draft.granted(block_id).waits:
            amount = -rest.pop((block_id, at, hold))
            rest[block_id, Place.EXPIRED, None] -= amount
            draft.move(block_id, draft.granted(block_id), at, Place.EXPIRED, amount)


def take_back(draft: Draft, slice_: Slice, amount: int) -> None:
    """Return what a usage has drawn of a block."""
    draft.move(
        slice_.block,
        draft.granted(slice_.block),
        Place.DRAWN,
        Place.AVAILABLE,
        amount,
        usage=slice_.usage,
        rate=slice_.rate,
        repays=slice_.repays,
        reverses=slice_.outcome,
    )


def respread(draft: Draft, block_id: str, units: Mapping[str, int]) -> None:
    """Let the block's revenue follow what its products now have drawn."""
    block = draft.edit_block(block_id)
    terms = draft.granted(block_id)
    # What has all rolled over has no price any more, and gives back what it earned before.
    if not block.products and not revenue.has_price(block, terms):
        return
    products = dict(block.products)
    for product, more in units.items():
        drawn, posted = products.get(product, (0, 0))
        products[product] = (drawn + more, posted)
    block.products = products
    revenue.post_correction(draft, block_id, terms)


def changed_slices(
    draft: Draft, before: Mapping[str, Item], after: Mapping[str, Item]
) -> tuple[list[tuple[Slice, int]], list[tuple[Slice, int]]]:
    """What usage gives back, the last burned first, and what it draws instead, in order."""
    had, has = _burned(draft, before), _burned(draft, after)
    backs = [(s, had[s] - has.get(s, 0)) for s in reversed(had) if had[s] > has.get(s, 0)]
    draws = [(s, has[s] - had.get(s, 0)) for s in has if has[s] > had.get(s, 0)]
    return backs, draws


def _burned(draft: Draft, items: Mapping[str, Item]) -> dict[Slice, int]:
    """What paid for each usage, in the order in which it was burned."""
    found: dict[Slice, int] = {}

    def add(slice_: Slice, amount: int) -> None:
        found[slice_] = found.get(slice_, 0) + amount

    for _, item in sorted(items.items()):
        if isinstance(item, Use):
            rates = {price.unit: price.rate for price in item.prices}
            outcome = item.outcome(draft.customer)
            for block_id, amount in item.slices:
                rate = rates[draft.granted(block_id).unit]
                add(Slice(block_id, outcome, item.usage, rate), amount)
        elif isinstance(item, FellDue):
            for paid in item.repaid:
                outcome = paid.overage.rpartition(".")[0]
                for block_id, amount, rate in paid.slices:
                    add(Slice(block_id, outcome, paid.usage, rate, paid.overage), amount)
    return found


def _rest(draft: Draft, past: Past, was: Mapping[str, Block | None]) -> Counter[Rest]:
    """How much more stands in the places that usage does not reach, block by block."""
    found: Counter[Rest] = Counter()
    for block_id in sorted(was):
        wanted: Block = past.get((draft.customer, BLOCK, block_id)) or Block()
        stood = was[block_id] or Block()
        for at in _REST:
            found[block_id, at, None] = getattr(wanted, at) - getattr(stood, at)
    for id_ in sorted(id_ for _, kind, id_ in past.changes if kind == HOLD):
        then: Hold | None = past.get((draft.customer, HOLD, id_))
        now: Hold | None = draft.get(HOLD, id_)
        parts = Counter(dict(then.parts if then else ()))
        parts.subtract(dict(now.parts if now else ()))
        for block_id, more in sorted(parts.items()):
            found[block_id, Place.HELD, id_] = more
    return found


def uncover(draft: Draft, before: Mapping[str, Item], after: Mapping[str, Item]) -> None:
    """Enter what more or less of usage is uncovered, and accrue it."""
    changed = _uncovered(draft, after)
    for key, (amount, quantity) in _uncovered(draft, before).items():
        more, count = changed.get(key, (0, 0))
        changed[key] = more - amount, count - quantity
    for key, (amount, quantity) in sorted(changed.items(), key=lambda each: each[0].order):
        if not amount and not quantity:
            continue
        exponent = draft.catalog.exponent(key.unit)
        draft.uncover(
            Overage(
                f"{draft.outcome}.o{len(draft.overage) + 1}",
                key.usage.meter,
                key.usage.product,
                decimal(quantity, key.exponent),
                unit=None if exponent is None else key.unit,
                amount=None if exponent is None else decimal(amount, exponent),
                rate=key.rate,
                policy=None if key.policy is OveragePolicy.BILL else key.policy,
                usage=None if key.overage == f"{draft.outcome}.o1" else key.usage.id,
            ),
            key.usage,
            quantity,
            amount,
        )
        if exponent is not None and amount:
            accrue(
                draft,
                key.usage.meter,
                key.usage.product,
                key.unit,
                amount,
                exponent,
                less=revenue.CORRECT,
            )
        if key.policy.owed:
            keep_open(draft, key.overage, key.usage, key.unit, amount, key.policy)


def _uncovered(draft: Draft, items: Mapping[str, Item]) -> dict[Uncovered, tuple[int, int]]:
    found: dict[Uncovered, tuple[int, int]] = {}

    def add(key: Uncovered, amount: int, quantity: int) -> None:
        more, count = found.get(key, (0, 0))
        found[key] = more + amount, count + quantity

    for item in items.values():
        if isinstance(item, Use) and item.unpaid is not None:
            unpaid = item.unpaid
            rates = {price.unit: price.rate for price in item.prices}
            key = Uncovered(
                item.overage(draft.customer),
                unpaid.unit,
                unpaid.policy,
                item.usage,
                item.exponent,
                rates.get(unpaid.unit),
            )
            add(key, unpaid.amount, unpaid.quantity)
        elif isinstance(item, FellDue | Command):
            for paid in item.repaid:
                key = Uncovered(
                    paid.overage,
                    paid.unit,
                    OveragePolicy.CARRY,
                    paid.usage,
                    paid.exponent,
                    paid.rate,
                )
                add(key, -paid.amount, -paid.quantity)
                if not paid.slices:  # it was dropped, and is uncovered since
                    unpriced = f"meter:{paid.usage.meter}"
                    key = replace(key, unit=unpriced, policy=OveragePolicy.BLOCK, rate=None)
                    add(key, paid.quantity, paid.quantity)
    return found


def _holds(draft: Draft, past: Past) -> None:
    """What holds have set aside is as the past has it."""
    account = draft.account
    kept = Counter(account.on_credit)
    for _, kind, id_ in past.changes:
        if kind != HOLD:
            continue
        before: Hold | None = draft.get(HOLD, id_)
        after: Hold | None = past.get((draft.customer, HOLD, id_))
        for hold, sign in ((before, -1), (after, 1)):
            if hold is not None and hold.credit:
                kept[hold.unit] += sign * hold.credit
        draft.put(HOLD, id_, after)
    account.on_credit = {unit: amount for unit, amount in kept.items() if amount}


def _take_over(draft: Draft, past: Past, *kinds: str) -> None:
    """Records of these kinds are as the past has them."""
    for key, record in past.changes.items():
        if key[1] in kinds:
            draft.put(key[1], key[2], record)


def _agenda(draft: Draft, past: Past) -> None:
    """What moves units falls due as the past has it, the rest as it was.

    What is told of a block is as the past has it from now on: what was told stands.
    """
    now: Agenda = draft.get(AGENDA) or Agenda()
    then: Agenda = past.get((draft.customer, AGENDA, "")) or Agenda()

    def of_past(item: tuple[int, Phase, str]) -> bool:
        return item[1] in REDONE or (item[1] == Phase.EXPIRING and item[0] > draft.present)

    draft.replace_agenda(
        (
            *(item for item in now.items if not of_past(item)),
            *(item for item in then.items if of_past(item)),
        )
    )
