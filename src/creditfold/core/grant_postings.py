"""What a grant posts by itself: a concession, and what was billed before it said for what."""

from __future__ import annotations

from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.facts import Kind
from creditfold.core.revenue import liability
from creditfold.core.state import Terms

GRANT_SLA = "R-SLA-GRANT"
ALLOCATE = "R-ALLOC"


def post_concession(draft: Draft, block_id: str, terms: Terms) -> None:
    """Granting the credit lowers the price of what failed (ASC 606-10-32-43)."""
    draft.edit_block(block_id).funded = terms.value
    draft.begin_entry()
    draft.post(
        GRANT_SLA,
        Account.CONTRA_SERVICE_CREDITS,
        Account.SERVICE_CREDITS,
        terms.value,
        terms.currency,
        {"f": "V", "V": terms.value},
        block=block_id,
    )


def post_right(draft: Draft, block_id: str, terms: Terms) -> None:
    """What was billed before the grant came stands with what it turns out to be."""
    funded = draft.edit_block(block_id).funded
    if funded and terms.kind is Kind.MATERIAL_RIGHT:
        draft.begin_entry()
        draft.post(
            ALLOCATE,
            Account.CREDITS,
            liability(terms),
            funded,
            terms.currency,
            {"f": "funded", "funded": funded},
            block=block_id,
        )
