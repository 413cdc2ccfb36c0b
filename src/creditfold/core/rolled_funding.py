"""The funding of credit that rolled over, and what funds a block late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from creditfold.core import revenue
from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.split import pairs
from creditfold.core.state import Block

ROLL = "R-ROLL"
BLEND = "R-BLEND"


def post_roll(
    draft: Draft,
    source: str,
    block_id: str,
    amount: int,
    invoice: str | None = None,
    rule: str = ROLL,
) -> None:
    """What is funded of units that rolled over goes with them: unbilled first, then the liability.

    Blocks are never merged, so the new one has the source's price and none of its history.
    """
    terms, left, block = draft.granted(source), draft.edit_block(source), draft.edit_block(block_id)
    recognised, before = revenue.posted_usage(block) + block.breakage, block.funded
    proof: dict[str, str | int] = {
        "f": "rolled1-rolled0",
        "rolled0": before,
        "rolled1": before + amount,
        "V": block.value,
        "recognised": recognised,
    }
    owed = revenue.liability(terms)
    earned = revenue.posted_usage(left) + left.breakage
    carried = min(amount, max(0, left.funded - earned))
    unbilled = min(amount, max(0, recognised - before))
    left.funded -= amount
    block.funded += amount
    if rule == ROLL:  # a blend is a command, and stands
        draft.note_rolled(source, "funded", -amount)
        draft.note_rolled(block_id, "funded", amount)
    draft.begin_entry()
    for debit, account, part in pairs(
        ((owed, carried), (Account.UNBILLED, amount - carried)),
        ((Account.UNBILLED, unbilled), (owed, amount - unbilled)),
    ):
        draft.post(
            rule,
            debit,
            account,
            part,
            block.currency,
            proof,
            block=source,
            credit_block=block_id,
            invoice=invoice,
        )


def deal(draft: Draft, blocks: Sequence[str], funded: Mapping[str, int]) -> None:
    """Bring what is funded of blocks that rolled one into the next to this, as units now did."""
    flows, flow = [], 0
    for source, block_id in pairwise(blocks):
        flow += draft.edit_block(source).funded - funded[source]
        flows.append((source, block_id, flow))
    for source, block_id, part in reversed(flows):
        if part < 0:
            roll_back(draft, block_id, source, -part)
    for source, block_id, part in flows:
        if part > 0:
            roll_back(draft, source, block_id, part)


def roll_back(draft: Draft, source: str, block_id: str, amount: int) -> None:
    """What leaves is no breakage any more: it is taken back first, so that it can be rolled."""
    block = draft.edit_block(source)
    block.funded -= amount
    revenue.lower_breakage(draft, revenue.REOPEN, source, draft.granted(source))
    block.funded += amount
    post_roll(draft, source, block_id, amount)


def settle(draft: Draft, block_id: str, more: int) -> None:
    """Let what a command has funded go after the units, which may have rolled otherwise since.

    Where it took more than is funded by now, that comes from the blocks of the chain.
    """
    if more > 0:
        post_late_funding(draft, block_id, None)
    block = draft.edit_block(block_id)
    for other in (*_onward(draft, block_id), *_origins(draft, block_id)):
        part = min(-block.funded, draft.edit_block(other).funded)
        if part > 0:
            post_roll(draft, other, block_id, part)


def _onward(draft: Draft, block_id: str) -> Iterator[str]:
    while (into := draft.edit_block(block_id).rolled_into) is not None:
        yield (block_id := into)


def _origins(draft: Draft, block_id: str) -> Iterator[str]:
    while (source := draft.granted(block_id).rolled_from) is not None:
        yield (block_id := source)


def _open(draft: Draft, block_id: str) -> int:
    """What of a block's value is not funded, and of all that went on from it."""
    block = draft.edit_block(block_id)
    rest = 0 if block.rolled_into is None else _open(draft, block.rolled_into)
    return (
        max(0, block.worth - block.funded) + rest + sum(part for _, part in _blended(draft, block))
    )


def _blended(draft: Draft, block: Block) -> tuple[tuple[str, int], ...]:
    """Where else units went; in the past what funds them stands with the command that did."""
    return () if draft.units_only else block.blended_into


def post_late_funding(draft: Draft, block_id: str, invoice: str | None) -> None:
    """What has just funded a block of which nothing remains is breakage at once.

    What funds units that have gone on to other blocks goes after them.
    """
    terms, block = draft.terms(block_id), draft.edit_block(block_id)
    if terms is not None:
        if block.rolled_into is not None:
            above = max(0, block.funded - block.worth)
            part = min(above, _open(draft, block.rolled_into))
            if part:
                post_roll(draft, block_id, block.rolled_into, part, invoice)
                post_late_funding(draft, block.rolled_into, invoice)
        for into, left in _blended(draft, block):
            part = min(left, max(0, block.funded - block.worth))
            if part:
                post_blend(draft, block_id, into, part, invoice)
                post_late_funding(draft, into, invoice)
        revenue.post_breakage(draft, revenue.EXPIRE, block_id, terms, invoice=invoice)


def post_blend(
    draft: Draft, source: str, block_id: str, amount: int, invoice: str | None = None
) -> None:
    """So much of what was blended is funded, which goes with the units."""
    post_roll(draft, source, block_id, amount, invoice, BLEND)
    block = draft.edit_block(source)
    left = ((into, rest - amount * (into == block_id)) for into, rest in block.blended_into)
    block.blended_into = tuple(each for each in left if each[1])
