"""What a correction gives back to a block that has expired may pay once more, by policy.

It goes on in a new block until the late window after the expiry ends, with its share of the value.
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.blocks import issue
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import decimal, parse_decimal
from creditfold.core.policy_facts import ExpiredBlock
from creditfold.core.release import share
from creditfold.core.rolled_funding import roll_back
from creditfold.core.rollover import link, next_id
from creditfold.core.state import Phase, Terms


def schedule(draft: Draft) -> None:
    """Put down for now what this correction has left expired, block by block."""
    if draft.policy.expired_block is not ExpiredBlock.REOPEN:
        return
    more: Counter[str] = Counter()
    for move in draft.moves:
        sign = (move.to is Place.EXPIRED) - (move.source is Place.EXPIRED)
        more[move.block] += sign * move.amount
    seq = draft.account.seq
    for block_id, amount in sorted(more.items()):
        terms = draft.granted(block_id)
        if amount > 0 and _ends(draft, terms) > draft.present:
            # Each correction of an instant has its own, and each is an outcome.
            subject = f"{block_id} {decimal(amount, terms.exponent)} {seq}"
            draft.schedule((draft.present, Phase.REOPEN, subject))


def fall_due(draft: Draft, subject: str) -> None:
    """Let what was returned go on in a new block."""
    block_id, quantity, _ = subject.rsplit(" ", 2)
    terms, block = draft.granted(block_id), draft.edit_block(block_id)
    returned = parse_decimal(quantity)
    amount = None if returned is None else returned.scaled(terms.exponent)
    assert amount is not None, f"{subject} was scheduled"
    ends = _ends(draft, terms)
    if ends <= draft.time:  # by the policy of now, which the correction's may not be
        return
    value, earned, funded = share(block, amount), revenue.drawn_value(block), block.funded
    draft.move(block_id, terms, Place.EXPIRED, Place.ROLLED_OUT, amount, value=value or None)
    block.released += value
    reopened = next_id(draft, block_id)
    made = replace(
        terms,
        quantity=amount,
        value=value,
        tranche=0,
        blends=(),
        blended=0,
        granted_at=draft.time,
        effective_at=draft.time,
        expires_at=ends,
        enrolment=None,
        recurs=False,
        rollover=None,
        rolled_from=block_id,
        rolled=terms.rolled + 1,
        granted_from=None,
    )
    draft.edit_block(reopened).value = value
    issue(draft, reopened, made)
    link(draft, block_id, reopened)
    part = min(funded, earned + value) - min(funded, earned)
    roll_back(draft, block_id, reopened, part)
    draft.rolled.clear()  # it stands, and is folded anew with nothing
    revenue.post_respread(draft, revenue.REOPEN, block_id, terms)


def _ends(draft: Draft, terms: Terms) -> int:
    """When the late window after the block's expiry ends."""
    assert terms.expires_at is not None, "what has no end has expired"
    return terms.expires_at + draft.policy.late_window
