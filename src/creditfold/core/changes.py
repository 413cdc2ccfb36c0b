"""What happens to a block after its grant: void, adjustment, another expiry.

What leaves a block takes its share of the value with it; what was drawn stays drawn.
"""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.blocks import exhaust, live, revive, steps
from creditfold.core.change_facts import (
    CreditAdjusted,
    CreditVoided,
    ExpiryChanged,
)
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import INT64_MAX, Exact
from creditfold.core.policy_facts import Forfeit
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.release import above, known, release, unused
from creditfold.core.state import BLOCK, TERMS, Block, Terms
from creditfold.core.times import rfc3339

FORFEIT = "R-FORFEIT"
ADJUST = "R-ADJUST"


def void(draft: Draft, body: CreditVoided) -> Rejection | None:
    """Take back unused credit. What was paid for it is a forfeiture, which a policy must allow."""
    terms = known(draft, body.block)
    if isinstance(terms, Rejection):
        return terms
    amount = unused(draft, body.block, terms, body.quantity)
    block: Block = draft.get(BLOCK, body.block)
    forfeiture = None
    if block.funded and draft.policy.forfeit is Forfeit.REFUSE:
        forfeiture = Rejection(
            Code.FORFEITURE_NOT_ALLOWED,
            f"block {body.block} is paid for: refund it, or publish a policy with revoke.forfeit "
            "allow where the contract says so",
        )
    if isinstance(amount, Rejection) or forfeiture is not None:
        return highest(each for each in (amount, forfeiture) if isinstance(each, Rejection))
    release(draft, body.block, terms, amount, Place.VOIDED)
    revenue.post_respread(draft, FORFEIT, body.block, terms)
    return None


def adjust(draft: Draft, body: CreditAdjusted) -> Rejection | None:
    """Correct how many units the price bought; revenue so far follows at once."""
    terms = known(draft, body.block)
    if isinstance(terms, Rejection):
        return terms
    size = Exact(abs(body.quantity.coefficient), body.quantity.decimals)
    amount = steps(size, terms.exponent, "quantity")
    if isinstance(amount, Rejection):
        return amount
    more = body.quantity.coefficient > 0
    refusal = _adds(draft, body, terms, amount) if more else _takes(draft, body, terms, amount)
    if refusal is not None:
        return refusal
    place = Place.ISSUED if terms.effective_at > draft.now else Place.AVAILABLE
    if more:
        draft.move(body.block, terms, Place.ORIGIN, place, amount)
        revive(draft, body.block, terms)
    else:
        draft.move(body.block, terms, place, Place.ORIGIN, amount)
        if not draft.edit_block(body.block).remaining:
            exhaust(draft, {body.block})
    revenue.post_respread(draft, ADJUST, body.block, terms)
    return None


def _adds(draft: Draft, body: CreditAdjusted, terms: Terms, amount: int) -> Rejection | None:
    block: Block = draft.get(BLOCK, body.block)
    if amount > INT64_MAX - live(draft, terms.unit) - block.quantity:
        return Rejection(
            Code.QUANTITY_OUT_OF_RANGE,
            f"with {body.quantity} more the {terms.unit} of this customer would be more than one "
            "amount can hold",
        )
    return _expired(draft, body.block, terms, "grant a new block")


def _takes(draft: Draft, body: CreditAdjusted, terms: Terms, amount: int) -> Rejection | None:
    block: Block = draft.get(BLOCK, body.block)
    if amount > block.unused:
        return above(body.block, terms, block)
    if block.value and block.quantity - amount < terms.quantity:
        return Rejection(
            Code.FORFEITURE_NOT_ALLOWED,
            f"block {body.block} has a price, and would have less than it was granted as: refund "
            "or void the part",
        )
    return None


def change_expiry(draft: Draft, body: ExpiryChanged) -> Rejection | None:
    """Let a block that has not expired end at another instant to come."""
    terms = known(draft, body.block)
    if isinstance(terms, Rejection):
        return terms
    if body.expires_at <= terms.starts:
        return Rejection(
            Code.EMPTY_INTERVAL,
            "expires_at is not after the block's effective_at: void the block instead",
        )
    refusal = _expired(draft, body.block, terms, "its units are gone; grant a new block")
    if refusal is not None:
        return refusal
    if body.expires_at <= draft.now:
        return Rejection(
            Code.EXPIRY_IN_PAST,
            f"expires_at is {rfc3339(body.expires_at)}, and the log is at {rfc3339(draft.now)}: "
            "usage since then was answered already; void the block to end it now",
        )
    terms = replace(terms, expires_at=body.expires_at)
    draft.put(TERMS, body.block, terms)
    if draft.edit_block(body.block).remaining:
        revive(draft, body.block, terms)
    return None


def _expired(draft: Draft, block_id: str, terms: Terms, advice: str) -> Rejection | None:
    if terms.expires_at is None or terms.expires_at > draft.now:
        return None
    return Rejection(
        Code.BLOCK_EXPIRED,
        f"block {block_id} expired at {rfc3339(terms.expires_at)}: {advice}",
    )
