"""Credit that waits for its payment is issued, and begins when all that it is worth is funded."""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core.blocks import revive
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.state import BLOCK, TERMS, Block, Terms


def wake(draft: Draft) -> None:
    """Let what was funded just now be used from now on."""
    for _, kind, block_id in list(draft.changes):
        terms = draft.terms(block_id) if kind == BLOCK else None
        if terms is None or not terms.waits:
            continue
        block: Block = draft.get(BLOCK, block_id)
        if block.issued and block.sold and block.funded >= block.worth:
            _begin(draft, block_id, terms, block.issued)


def _begin(draft: Draft, block_id: str, terms: Terms, issued: int) -> None:
    # A fact may be minutes ahead of the log, what it pays for may not.
    begun = replace(terms, effective_at=max(terms.starts, min(draft.time, draft.now)))
    draft.await_payment(terms, -issued)
    draft.put(TERMS, block_id, begun)
    if begun.effective_at <= draft.present:
        draft.move(block_id, begun, Place.ISSUED, Place.AVAILABLE, issued)
    revive(draft, block_id, begun)
