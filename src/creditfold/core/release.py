"""Units that leave a block unused, with their share of its value."""

from __future__ import annotations

from creditfold.core import revenue
from creditfold.core.blocks import exhaust, revive, steps
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import Exact, decimal, half_even
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import BLOCK, Block, Terms


def known(draft: Draft, block_id: str) -> Terms | Rejection:
    """What the block was granted as."""
    terms = draft.terms(block_id)
    if terms is None:
        return Rejection(
            Code.UNKNOWN_BLOCK, f"block {block_id} is not known: check its id, or grant it first"
        )
    return terms


def unused(draft: Draft, block_id: str, terms: Terms, quantity: Exact | None) -> int | Rejection:
    """The quantity in ledger steps, which the block must have unused; by default all of it."""
    block: Block = draft.get(BLOCK, block_id)
    amount = block.unused
    if quantity is not None:
        read = steps(quantity, terms.exponent, "quantity")
        if isinstance(read, Rejection):
            return read
        amount = read
    if amount > block.unused or not block.unused:
        return above(block_id, terms, block)
    return amount


def asked(draft: Draft, block_id: str, quantity: Exact | None) -> tuple[Terms, int] | Rejection:
    """The terms of a known block, and the unused quantity that is to leave it."""
    terms = known(draft, block_id)
    if isinstance(terms, Rejection):
        return terms
    amount = unused(draft, block_id, terms, quantity)
    return amount if isinstance(amount, Rejection) else (terms, amount)


def above(block_id: str, terms: Terms, block: Block) -> Rejection:
    """More is asked for than the block has unused."""
    return Rejection(
        Code.ABOVE_UNUSED,
        f"only {decimal(block.unused, terms.exponent)} {terms.unit} of block {block_id} are "
        "unused and not held",
    )


def share(block: Block, amount: int) -> int:
    """What `amount` unused units are worth in minor units: HE(V*(u+q)/Q) - HE(V*u/Q)."""
    after = half_even(block.worth * (block.drawn + amount), block.units)
    return after - revenue.drawn_value(block)


def release(
    draft: Draft,
    block_id: str,
    terms: Terms,
    amount: int,
    to: Place,
    value: int | None = None,
    line: tuple[str, str] | None = None,
) -> int:
    """Move unused units out of the block; their share of its value, which leaves with them."""
    block = draft.edit_block(block_id)
    leaves = share(block, amount) if value is None else value
    source = Place.ISSUED if block.issued else Place.AVAILABLE
    draft.move(block_id, terms, source, to, amount, value=leaves or None, line=line)
    block.released += leaves
    if not block.remaining:
        exhaust(draft, {block_id})
    return leaves


def bring_back(
    draft: Draft,
    rule: str,
    block_id: str,
    source: Place,
    amount: int,
    value: int,
    line: tuple[str, str] | None = None,
) -> None:
    """Units that left come back with their value; where the block has expired, they do too.

    What funds them is posted before.
    """
    terms, block = draft.granted(block_id), draft.edit_block(block_id)
    gone = terms.expires_at is not None and terms.expires_at <= draft.now
    place = Place.ISSUED if terms.effective_at > draft.now else Place.AVAILABLE
    if gone:
        place = Place.EXPIRED
    block.released -= value
    draft.move(block_id, terms, source, place, amount, value=value or None, line=line)
    if gone:
        revenue.post_expiry(draft, block_id, terms, draft.time)
    else:
        revive(draft, block_id, terms)
    revenue.post_respread(draft, rule, block_id, terms)
