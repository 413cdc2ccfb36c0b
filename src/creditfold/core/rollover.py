"""Rollover and reset: what is unused goes on in a new block, with its share of the value."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.blocks import expire, free, issue
from creditfold.core.calendar import END, Every, Until, after, local
from creditfold.core.draft import Draft, Promise
from creditfold.core.enrolment import period_at
from creditfold.core.entries import Place
from creditfold.core.exact import Exact, half_even
from creditfold.core.facts import Rollover
from creditfold.core.release import release, share
from creditfold.core.rolled_funding import ROLL, post_roll
from creditfold.core.state import (
    BLOCK,
    PROFILE,
    TERMS,
    WALLET,
    Block,
    Phase,
    Profile,
    Terms,
    Wallet,
)
from creditfold.core.wallet import reorder


def fall_due(draft: Draft, block_id: str) -> None:
    """The block's `expires_at` has come: what may roll over does, before the rest expires."""
    draft.unschedule(Phase.ROLLOVER, block_id)
    roll(draft, block_id)


def roll(draft: Draft, block_id: str) -> None:
    """Move what the terms let roll into a new block; trim what is above the cap, oldest first."""
    terms = draft.granted(block_id)
    rule = terms.rollover
    if rule is None or terms.rolled >= rule.times or terms.waits:
        return
    cap = _cap(draft, block_id, terms, rule)
    promise = draft.promised.get(block_id, Promise())
    unused = draft.edit_block(block_id).available + promise.units
    amount = unused if cap is None else min(unused, cap)
    floor = _steps(rule.min_quantity, terms.exponent) or 0
    ends = _ends(draft, terms, rule)
    quantity = max(amount, floor)
    if not quantity or (ends is not None and ends <= draft.time):
        return
    block = draft.edit_block(block_id)
    block.available = unused
    earned, funded, value = revenue.drawn_value(block), block.funded, 0
    if amount:
        value = max(share(block, amount), min(promise.value, block.worth - earned))
        release(draft, block_id, terms, amount, Place.ROLLED_OUT, value)
    rolled_into = next_id(draft, block_id)
    made = replace(
        terms,
        quantity=quantity,
        value=value,
        tranche=0,
        blends=(),
        blended=0,
        granted_at=draft.time,
        effective_at=draft.time,
        expires_at=ends,
        priority=terms.priority if rule.priority is None else rule.priority,
        rolled_from=block_id,
        rolled=terms.rolled + 1,
        granted_from=None,
    )
    draft.edit_block(rolled_into).value = value
    draft.note_rolled(rolled_into, "value", value)
    issue(draft, rolled_into, made)
    link(draft, block_id, rolled_into)
    _set_aside(draft, rolled_into, promise)
    post_roll(draft, block_id, rolled_into, min(funded, earned + value) - min(funded, earned))
    revenue.post_respread(draft, ROLL, block_id, terms)
    if cap is not None and terms.enrolment is not None:
        _trim(draft, terms.enrolment, cap)


def _set_aside(draft: Draft, block_id: str, promise: Promise) -> None:
    """What commands have taken of the new block is theirs, and neither used nor trimmed."""
    block = draft.edit_block(block_id)
    kept = min(promise.units, block.available)
    block.available -= kept
    promise.units -= kept
    draft.aside[block_id] = draft.aside.get(block_id, 0) + kept


def reset(draft: Draft, enrolment: str, but: Collection[str] = ()) -> None:
    """End the blocks that a program granted to a subject; what rolled over before stays.

    Those that came with the reset stay too, where it is done again.
    """
    draft.resets = (*draft.resets, enrolment)
    begin = len(draft.moves)
    for block_id, terms in _granted(draft, enrolment):
        if block_id not in but:
            roll(draft, block_id)
            if draft.edit_block(block_id).remaining:
                _end(draft, block_id, terms)
    draft.by_reset.update(range(begin, len(draft.moves)))


def _granted(draft: Draft, enrolment: str) -> Iterator[tuple[str, Terms]]:
    """The blocks of a program in which something is left, and that did not roll over into it.

    One that has ended by itself has only what holds have of it, and has rolled over then.
    """
    wallet: Wallet | None = draft.get(WALLET)
    for block_id in () if wallet is None else wallet.blocks:
        terms = draft.granted(block_id)
        if terms.expires_at is not None and terms.expires_at <= draft.present:
            continue
        block: Block = draft.get(BLOCK, block_id)
        promised = draft.promised.get(block_id, Promise()).units
        left = block.available or block.held or promised or (terms.waits and block.issued)
        if terms.enrolment == enrolment and terms.rolled_from is None and left:
            yield block_id, terms


def _end(draft: Draft, block_id: str, terms: Terms) -> None:
    for phase in (Phase.ROLLOVER, Phase.EXPIRING):
        draft.unschedule(phase, block_id)
    # It ends here: usage from now on must not reopen it.
    terms = replace(terms, expires_at=draft.time)
    draft.put(TERMS, block_id, terms)
    reorder(draft, block_id, terms)
    expire(draft, block_id)


def _trim(draft: Draft, enrolment: str, cap: int) -> None:
    """Take from the oldest rolled blocks of a program what they hold above the cap together."""
    wallet: Wallet = draft.get(WALLET)
    standing = [
        (terms.effective_at, block_id, terms)
        for block_id in {*wallet.blocks, *draft.aside}
        if (terms := draft.granted(block_id)).enrolment == enrolment
        and terms.rolled_from is not None
        and (terms.expires_at is None or terms.expires_at >= draft.time)
    ]
    there = (draft.get(BLOCK, id_).available + draft.aside.get(id_, 0) for _, id_, _ in standing)
    above = sum(there) - cap
    for _, block_id, terms in sorted(standing, key=lambda each: each[:2]):
        part = min(above, draft.get(BLOCK, block_id).available)
        if part <= 0:
            continue
        above -= part
        # Voided, not expired: the block goes on, and usage must not take it back.
        release(draft, block_id, terms, part, Place.VOIDED)
        revenue.post_respread(draft, revenue.expiry_rule(terms), block_id, terms)


def _cap(draft: Draft, block_id: str, terms: Terms, rule: Rollover) -> int | None:
    """The most that may have rolled over, in ledger steps."""
    caps = []
    if rule.quantity is not None:
        caps.append(_steps(rule.quantity, terms.exponent))
    if rule.percent is not None:
        original = draft.granted(_root(draft, block_id)).quantity
        whole = 100 * 10**rule.percent.decimals
        caps.append(half_even(original * rule.percent.coefficient, whole))
    return min((cap for cap in caps if cap is not None), default=None)


def _steps(quantity: Exact | None, exponent: int) -> int | None:
    if quantity is None:
        return None
    steps = quantity.scaled(exponent)
    assert steps is not None, "a rollover with an inexact quantity was granted"
    return steps


def _ends(draft: Draft, terms: Terms, rule: Rollover) -> int | None:
    """When the new block ends."""
    expires = rule.expires
    if expires is Until.NEVER:
        return None
    if isinstance(expires, int):
        return expires
    if isinstance(expires, Every):
        profile: Profile = draft.get(PROFILE)
        zone = draft.catalog.zone(profile.time_zone)
        ends = after(local(draft.time, zone), expires, 1, zone)
        return ends if ends < END else None
    if terms.expires_at is None:
        return None
    if expires is None and terms.expires_at > draft.time:
        return terms.expires_at
    if terms.periods is not None:
        return period_at(draft, terms.periods, draft.time)[1]
    began = terms.effective_at if terms.granted_from is None else terms.granted_from
    return draft.time + terms.expires_at - began


def next_id(draft: Draft, block_id: str) -> str:
    """`<root>~<n>`, the first that is free, or was this block's when more was left of it."""
    root, number = _root(draft, block_id), draft.granted(block_id).rolled + 1
    while not (free(draft, name := f"{root}~{number}") or _emptied(draft, name, block_id)):
        number += 1
    return name


def _emptied(draft: Draft, block_id: str, source: str) -> bool:
    """Whether it is what the source once rolled into, and by late usage has not."""
    terms, block = draft.terms(block_id), draft.get(BLOCK, block_id)
    rolled = terms is not None and terms.rolled_from == source and terms.rollover is not None
    return rolled and not (block and block.quantity)


def may_roll(draft: Draft, block_id: str) -> bool:
    """Whether the block was granted to roll over, or its credit comes from one that was.

    Its money is then part of the past; of others, reopened ones too, it stands as it is.
    """
    return draft.granted(_root(draft, block_id)).rollover is not None


def link(draft: Draft, block_id: str, rolled_into: str) -> None:
    """What funds the block late goes on to the new one, and then to what it rolled into before."""
    block = draft.edit_block(block_id)
    draft.edit_block(rolled_into).rolled_into = block.rolled_into
    block.rolled_into = rolled_into


def _root(draft: Draft, block_id: str) -> str:
    """The block that was granted, from which this one came."""
    while (source := draft.granted(block_id).rolled_from) is not None:
        block_id = source
    return block_id
