"""What each phase does when its instant comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from creditfold.core import (
    blocks,
    commitment_notices,
    commitments,
    holds,
    invoices,
    notices,
    overage,
    programs,
    ratable,
    reopening,
    rollover,
    statements,
    subscriptions,
    tranches,
)
from creditfold.core.draft import Draft
from creditfold.core.state import Phase

_DO: Final[dict[Phase, Callable[[Draft, str], None]]] = {
    Phase.HOLD_END: holds.end,
    Phase.ROLLOVER: rollover.fall_due,
    Phase.EXPIRY: blocks.expire,
    Phase.ACTIVATION: blocks.activate,
    Phase.STATEMENT: statements.fall_due,
    Phase.REPAYMENT: lambda draft, _: overage.repay(draft),
    Phase.SUBSCRIPTION: subscriptions.fall_due,
    Phase.REFILL: programs.fall_due,
    Phase.REOPEN: reopening.fall_due,
    Phase.EXPIRING: notices.expiring,
    Phase.COMMITMENT: commitments.fall_due,
    Phase.COMMITMENT_PROGRESS: commitment_notices.progress,
    Phase.RATABLE: ratable.fall_due,
    Phase.INVOICE_DUE: invoices.fall_due,
    Phase.TRANCHES_END: tranches.end,
    # A cooldown is over: what is asked after every item is all that it does.
    Phase.TOP_UP: lambda draft, _: None,  # noqa: ARG005  # of the shape of the others
}


def fall_due(draft: Draft, phase: Phase, subject: str) -> None:
    """Take the item off the agenda and do it."""
    draft.unschedule(phase, subject)
    _DO[phase](draft, subject)
