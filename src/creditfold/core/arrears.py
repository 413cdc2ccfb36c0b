"""Billing overage and shortfalls in arrears: the bill is the legal amount, the rest is revenue."""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import accrual
from creditfold.core.chart import Account
from creditfold.core.commitment_state import COMMITMENT_TERM, CommitmentTerm
from creditfold.core.draft import Draft
from creditfold.core.invoice_facts import ArrearsRange, InvoiceIssued
from creditfold.core.invoice_state import BilledLine
from creditfold.core.overage_state import CARRIED, OVERAGE, OpenOverage
from creditfold.core.rejections import Code, Rejection

BILL_ARREARS = "R-BILL-ARREARS"


def bill_arrears(
    draft: Draft, body: InvoiceIssued, line: BilledLine, refs: tuple[str | ArrearsRange, ...]
) -> Rejection | None:
    """Move what the line bills from unbilled to billed receivable; it is billed once.

    Overage that the named ranges hold in another currency stays open.
    """
    found: dict[str, OpenOverage | CommitmentTerm] = {}
    for ref in refs:
        if isinstance(ref, ArrearsRange):
            found |= _in_range(draft, ref, body.currency)
            continue
        owed = _open(draft, ref)
        if owed is None:
            return Rejection(
                Code.UNKNOWN_OVERAGE,
                f"{ref} is no open overage or shortfall: it was billed, or never was",
            )
        if not _billable(owed, body.currency):
            unit = owed.currency if isinstance(owed, CommitmentTerm) else owed.unit
            return Rejection(
                Code.CURRENCY_DIFFERS, f"{ref} is in {unit}, the invoice is in {body.currency}"
            )
        found[ref] = owed
    _settle(draft, body, line, found)
    return None


def _open(draft: Draft, ref: str) -> OpenOverage | CommitmentTerm | None:
    term: CommitmentTerm | None = draft.get(COMMITMENT_TERM, ref)
    if term is not None:
        return term if term.open else None
    overage: OpenOverage | None = draft.get(OVERAGE, ref)
    return overage


def _billable(owed: OpenOverage | CommitmentTerm, currency: str) -> bool:
    if isinstance(owed, CommitmentTerm):
        return owed.currency == currency
    return owed.unit in (currency, f"meter:{owed.meter}")


def _in_range(draft: Draft, span: ArrearsRange, currency: str) -> dict[str, OpenOverage]:
    return {
        id_: overage
        for id_, overage in draft.scan(OVERAGE)
        if overage.meter == span.meter
        and span.start <= overage.time < span.end
        and _billable(overage, currency)
        and draft.get(OVERAGE, id_) is not None  # another line of this invoice may bill it
    }


def _settle(
    draft: Draft,
    body: InvoiceIssued,
    line: BilledLine,
    found: dict[str, OpenOverage | CommitmentTerm],
) -> None:
    accrued: dict[tuple[Account, str], int] = {}
    account = draft.edit_account()
    open_ = dict(account.overage)
    for id_, overage in found.items():
        if isinstance(overage, CommitmentTerm):
            key = (Account.SHORTFALL, "")
            accrued[key] = accrued.get(key, 0) + overage.open
            draft.put(COMMITMENT_TERM, id_, replace(overage, billed=overage.posted))
            continue
        posted = 0
        if overage.unit == body.currency:
            exponent = draft.catalog.exponent(overage.unit)
            assert exponent is not None
            posted = accrual.bill_accrued(
                draft, overage.meter, overage.unit, overage.amount, exponent
            )
        key = (Account.OVERAGE, overage.product)
        accrued[key] = accrued.get(key, 0) + posted
        open_[overage.unit] = open_.get(overage.unit, 0) - overage.amount
        draft.put(OVERAGE, id_, None)
        if draft.get(CARRIED, id_) is not None:
            draft.put(CARRIED, id_, None)
            account.carried -= 1
    account.overage = {unit: amount for unit, amount in open_.items() if amount}
    draft.begin_entry()
    rest = line.amount
    for (earned, product), posted in sorted(accrued.items()):
        operands: dict[str, str | int] = {"accrued": posted, "billed": rest}
        # Corrections may have taken back more than is open since the last bill.
        billed = max(0, min(rest, posted))
        rest -= billed
        for debit, credit, part, formula in (
            (Account.RECEIVABLE, Account.UNBILLED, billed, "min(accrued,billed)"),
            (
                earned,
                Account.UNBILLED,
                max(0, posted - billed),
                "max(0,accrued-billed)",
            ),
            (Account.UNBILLED, earned, max(0, -posted), "max(0,-accrued)"),
        ):
            draft.post(
                BILL_ARREARS,
                debit,
                credit,
                part,
                body.currency,
                {"f": formula, **operands},
                product=product or None,
                invoice=body.invoice,
            )
    shortfalls = {earned for earned, _ in accrued} == {Account.SHORTFALL}
    draft.post(
        BILL_ARREARS,
        Account.RECEIVABLE,
        Account.SHORTFALL if shortfalls else Account.OVERAGE,
        rest,
        body.currency,
        {
            "f": "max(0,billed-accrued)",
            "accrued": sum(max(0, posted) for posted in accrued.values()),
            "billed": line.amount,
        },
        product=line.product,
        invoice=body.invoice,
    )
    draft.post(
        BILL_ARREARS,
        Account.RECEIVABLE,
        Account.TAX,
        line.tax,
        body.currency,
        {"f": "tax", "tax": line.tax},
        invoice=body.invoice,
    )
