"""The tie-out: what an account holds must be what the units and facts behind it make."""

from __future__ import annotations

from typing import NamedTuple

from creditfold.demo.figures import Figures


class Check(NamedTuple):
    """Two figures in cents that have to be equal, each found its own way."""

    name: str
    says: str
    left: int
    right: int

    @property
    def ties(self) -> bool:
        """Whether they are."""
        return self.left == self.right


def checks(figures: Figures) -> list[Check]:
    """Left is from the postings, right from ledger entries and facts; no state is asked."""
    accrued, billed = figures.accrued(), sum(figures.billed.values())
    debits = sum(debit for debit, _ in figures.accounts.values())
    credits_ = sum(credit for _, credit in figures.accounts.values())
    return [
        Check("trial balance", "debits = credits", debits, credits_),
        Check(
            "2000 credits owed",
            "= the carrying value of each block, from its units",
            -figures.balance("2000"),
            sum(flow.carrying for flow in figures.flows.values()),
        ),
        Check(
            "1150 unbilled",
            "= overage accrued - billed + drawn before funding",
            figures.balance("1150"),
            accrued - billed + figures.ahead,
        ),
        Check(
            "1000 cash", "= all payments that came in", figures.balance("1000"), figures.payments
        ),
    ]
