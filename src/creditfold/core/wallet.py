"""The wallet: the blocks that may still pay, kept in the burn order."""

from __future__ import annotations

import bisect

from creditfold.core.draft import Draft
from creditfold.core.order import sort_key
from creditfold.core.policy import LATE_WINDOW_MAX
from creditfold.core.state import WALLET, Terms, Wallet


def reorder(draft: Draft, block_id: str, terms: Terms) -> None:
    """Put a block where its terms now say among those that may pay."""
    wallet: Wallet | None = draft.get(WALLET)
    if wallet is not None:
        others = tuple(b for b in wallet.blocks if b != block_id)
        draft.put(WALLET, "", Wallet(wallet.order, others))
    enter(draft, block_id, terms)


def enter(draft: Draft, block_id: str, terms: Terms) -> None:
    """Put a block that is not there yet where its terms say, and leave out what is past use."""
    order = draft.catalog.policy(draft.now)[0].draw_order
    wallet: Wallet | None = draft.get(WALLET)
    kept = [] if wallet is None else [b for b in wallet.blocks if _may_pay(draft, b)]

    def key(block: str) -> tuple[object, ...]:
        return sort_key(order, block, terms if block == block_id else draft.granted(block))

    if wallet is None or wallet.order == order:
        bisect.insort(kept, block_id, key=key)
    else:
        kept = sorted((*kept, block_id), key=key)
    draft.put(WALLET, "", Wallet(order, tuple(kept)))


def _may_pay(draft: Draft, block_id: str) -> bool:
    """Whether usage that the log can still take could draw from the block."""
    expires_at = draft.granted(block_id).expires_at
    return expires_at is None or expires_at + LATE_WINDOW_MAX >= draft.present
