"""Blocks whose unused part rolls into one that is granted: blend and extend.

What is left of their price and what the grant costs is one price of all its units from then on;
what they have earned stays (ASC 606-10-25-13(a)).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from creditfold.core import blocks, revenue
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import INT64_MAX
from creditfold.core.facts import CreditGranted
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.release import above, known, release, share
from creditfold.core.rolled_funding import BLEND, post_blend
from creditfold.core.state import BLOCK, Block, Terms
from creditfold.core.times import rfc3339


class Part(Struct, frozen=True):
    """What left a block: units and value, and what is funded of that."""

    block: str
    units: int
    value: int
    funded: int


def grant(draft: Draft, body: CreditGranted) -> Rejection | None:
    """Make a block, of what is granted and of what is unused of those that it `blends`.

    It is available at once, or from `effective_at` on, or when all of that is funded.
    """
    terms = blocks.offered(draft, body)
    found = (terms, *(known(draft, block_id) for block_id in body.blends))
    refusal = highest(each for each in found if isinstance(each, Rejection))
    if isinstance(terms, Rejection) or refusal is not None:
        return refusal
    refusal = highest((blocks.bind(draft, body, terms), _refused(draft, body.blends, terms)))
    if refusal is not None:
        return refusal
    parts = _leave(draft, body.blends)
    blended = sum(part.value for part in parts)
    draft.edit_block(body.block).value += blended
    terms = replace(
        terms,
        quantity=terms.quantity + sum(part.units for part in parts),
        blends=body.blends,
        blended=0 if terms.kind.compensates else blended,
    )
    blocks.issue(draft, body.block, terms)
    _arrive(draft, body.block, parts)
    return None


def _refused(draft: Draft, blends: Sequence[str], into: Terms) -> Rejection | None:
    """Why what is left of the blocks cannot become a part of one with these terms."""
    found: list[Block] = [draft.get(BLOCK, block_id) for block_id in blends]
    worth = sum(share(block, block.unused) for block in found if block.unused)
    faults = [_differs(block_id, draft.granted(block_id), into) for block_id in blends]
    faults += [_ended(draft, block_id) for block_id in blends]
    if into.value + worth > INT64_MAX:
        faults.append(
            Rejection(Code.QUANTITY_OUT_OF_RANGE, "value, with what is blended in, is too large")
        )
    return highest(faults)


def _differs(block_id: str, terms: Terms, into: Terms) -> Rejection | None:
    if terms.unit != into.unit:
        return Rejection(
            Code.UNIT_DIFFERS, f"block {block_id} is in {terms.unit}, the new one in {into.unit}"
        )
    if _nature(terms) != _nature(into):
        return Rejection(
            Code.KIND_DIFFERS,
            f"block {block_id} is {terms.kind} credit for {terms.draws_on}, the new one "
            f"{into.kind} credit for {into.draws_on}: blend like with like",
        )
    if terms.currency != into.currency:
        return Rejection(
            Code.CURRENCY_DIFFERS,
            f"block {block_id} has its value in {terms.currency}, the new one in {into.currency}",
        )
    return None


def _nature(terms: Terms) -> tuple[object, ...]:
    """What it is for, and where its money stands: units of one price have one answer."""
    return terms.kind, terms.draws_on, terms.lapses_to


def _ended(draft: Draft, block_id: str) -> Rejection | None:
    terms, block = draft.granted(block_id), draft.get(BLOCK, block_id)
    if terms.expires_at is not None and terms.expires_at <= draft.now:
        return Rejection(
            Code.BLOCK_EXPIRED,
            f"block {block_id} expired at {rfc3339(terms.expires_at)}: leave it out of blends",
        )
    if terms.waits:
        return Rejection(
            Code.NOT_PAID, f"block {block_id} waits for its payment: blend it after that"
        )
    return None if block.unused else above(block_id, terms, block)


def _leave(draft: Draft, blends: Iterable[str]) -> list[Part]:
    """Let all that is unused of the blocks leave with its share of the value.

    What stays there is funded first.
    """
    parts = []
    for block_id in blends:
        terms, block = draft.granted(block_id), draft.edit_block(block_id)
        units, funded = block.unused, min(block.funded, block.worth)
        value = release(draft, block_id, terms, units, Place.ROLLED_OUT)
        parts.append(Part(block_id, units, value, funded - min(funded, block.worth)))
    return parts


def _arrive(draft: Draft, block_id: str, parts: Iterable[Part]) -> None:
    """Let what funds the units come after them, now and when it is paid later."""
    for part in parts:
        source = draft.edit_block(part.block)
        source.blended_into = (*source.blended_into, (block_id, part.value))
        post_blend(draft, part.block, block_id, part.funded)
        revenue.post_respread(draft, BLEND, part.block, draft.granted(part.block))
