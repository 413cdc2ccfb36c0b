"""Who is told of commitments: progress, once per percent, and what is missing at the end."""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core.commitment_state import COMMITMENT_TERM, CommitmentTerm
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.entries import Shortfall
from creditfold.core.exact import decimal, half_even
from creditfold.core.notices import tell


def progress(draft: Draft, subject: str) -> None:
    """So much of the term has gone by, and less of the commitment is used."""
    id_, _, percent = subject.rpartition(" ")
    term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
    term = tell_progress(draft, id_, term, int(percent))
    draft.put(COMMITMENT_TERM, id_, term)


def tell_progress(draft: Draft, id_: str, term: CommitmentTerm, percent: int) -> CommitmentTerm:
    """So much of it counts, or of its term has gone by: that has been told then."""
    agreed = term.agreed
    tell(
        draft,
        "commitment_progress",
        subscription=term.subscription,
        shortfall=id_,
        unit=agreed.unit,
        quantity=decimal(int(term.counted), agreed.exponent),
        committed=decimal(agreed.quantity, agreed.exponent),
        percent=str(percent),
        forecast=decimal(forecast(term, draft.present), agreed.exponent),
    )
    return replace(term, untold=tuple(p for p in term.untold if p != percent))


def forecast(term: CommitmentTerm, at: int) -> int:
    """What will be missing if usage goes on as it has since the term began."""
    used, gone = int(term.counted), at - term.begin
    if gone > 0 and not term.ended:
        used = half_even(used * (term.end - term.begin), gone)
    return max(0, term.agreed.quantity - used)


def missing(term: CommitmentTerm) -> int:
    """How much less counts than was agreed, in ledger steps."""
    return max(0, term.agreed.quantity - int(term.counted))


def say(draft: Draft, id_: str, term: CommitmentTerm, *, changed: bool) -> None:
    """How the term ended, or ends now that usage came late; people are told what is missing."""
    agreed = term.agreed

    def text(amount: int) -> str:
        return decimal(amount, agreed.exponent)

    amount = decimal(term.posted, MINOR_EXPONENT[term.currency])
    shortfall = Shortfall(
        id=id_,
        subscription=term.subscription,
        unit=agreed.unit,
        committed=text(agreed.quantity),
        counted=text(int(term.counted)),
        quantity=text(missing(term)),
        currency=term.currency,
        amount=amount,
    )
    draft.shortfalls.append(shortfall)
    if changed:
        tell(
            draft,
            "shortfall",
            subscription=term.subscription,
            shortfall=id_,
            unit=agreed.unit,
            quantity=shortfall.quantity,
            committed=shortfall.committed,
            currency=term.currency,
            amount=amount,
        )
