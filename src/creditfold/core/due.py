"""What each phase does when its instant comes."""

from __future__ import annotations

from creditfold.core import (
    blocks,
    holds,
    invoices,
    notices,
    overage,
    programs,
    rollover,
    subscriptions,
)
from creditfold.core.draft import Draft
from creditfold.core.state import Phase


def fall_due(draft: Draft, phase: Phase, subject: str) -> None:
    """Take the item off the agenda and do it."""
    draft.unschedule(phase, subject)
    match phase:
        case Phase.HOLD_END:
            holds.end(draft, subject)
        case Phase.ROLLOVER:
            rollover.fall_due(draft, subject)
        case Phase.EXPIRY:
            blocks.expire(draft, subject)
        case Phase.ACTIVATION:
            blocks.activate(draft, subject)
        case Phase.REPAYMENT:
            overage.repay(draft)
        case Phase.SUBSCRIPTION:
            subscriptions.fall_due(draft, subject)
        case Phase.REFILL:
            programs.fall_due(draft, subject)
        case Phase.EXPIRING:
            notices.expiring(draft, subject)
        case Phase.INVOICE_DUE:
            invoices.fall_due(draft, subject)
        case Phase.TOP_UP:
            pass  # a cooldown is over: what is asked after every item is all that it does
