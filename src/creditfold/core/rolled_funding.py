"""The funding of credit that rolled over, and what funds a block late."""

from __future__ import annotations

from creditfold.core import revenue
from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.split import pairs

ROLL = "R-ROLL"


def post_roll(
    draft: Draft, source: str, block_id: str, amount: int, invoice: str | None = None
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
    draft.begin_entry()
    for debit, account, part in pairs(
        ((owed, carried), (Account.UNBILLED, amount - carried)),
        ((Account.UNBILLED, unbilled), (owed, amount - unbilled)),
    ):
        draft.post(
            ROLL,
            debit,
            account,
            part,
            block.currency,
            proof,
            block=source,
            credit_block=block_id,
            invoice=invoice,
        )


def _open(draft: Draft, block_id: str) -> int:
    """What of a block's value is not funded, and of the blocks that it rolled into."""
    block = draft.edit_block(block_id)
    rest = 0 if block.rolled_into is None else _open(draft, block.rolled_into)
    return max(0, block.worth - block.funded) + rest


def post_late_funding(draft: Draft, block_id: str, invoice: str) -> None:
    """What has just funded a block of which nothing remains is breakage at once.

    What funds units that have rolled over goes after them.
    """
    terms, block = draft.terms(block_id), draft.edit_block(block_id)
    if terms is not None:
        if block.rolled_into is not None:
            above = max(0, block.funded - block.worth)
            part = min(above, _open(draft, block.rolled_into))
            if part:
                post_roll(draft, block_id, block.rolled_into, part, invoice)
                post_late_funding(draft, block.rolled_into, invoice)
        revenue.post_breakage(draft, revenue.EXPIRE, block_id, terms, invoice=invoice)
