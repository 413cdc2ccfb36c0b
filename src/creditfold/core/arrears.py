"""Billing overage in arrears: the invoice is the legal amount, the difference is revenue."""

from __future__ import annotations

from creditfold.core import accrual
from creditfold.core.chart import Account
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
    found: dict[str, OpenOverage] = {}
    for ref in refs:
        if isinstance(ref, ArrearsRange):
            found |= _in_range(draft, ref, body.currency)
            continue
        overage: OpenOverage | None = draft.get(OVERAGE, ref)
        if overage is None:
            return Rejection(
                Code.UNKNOWN_OVERAGE, f"overage {ref} is not open: it was billed, or never was"
            )
        if not _billable(overage, body.currency):
            return Rejection(
                Code.CURRENCY_DIFFERS,
                f"overage {ref} is in {overage.unit}, the invoice is in {body.currency}",
            )
        found[ref] = overage
    _settle(draft, body, line, found)
    return None


def _billable(overage: OpenOverage, currency: str) -> bool:
    return overage.unit in (currency, f"meter:{overage.meter}")


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
    draft: Draft, body: InvoiceIssued, line: BilledLine, found: dict[str, OpenOverage]
) -> None:
    accrued: dict[str, int] = {}
    account = draft.edit_account()
    open_ = dict(account.overage)
    for id_, overage in found.items():
        posted = 0
        if overage.unit == body.currency:
            exponent = draft.catalog.exponent(overage.unit)
            assert exponent is not None
            posted = accrual.bill_accrued(
                draft, overage.meter, overage.unit, overage.amount, exponent
            )
        accrued[overage.product] = accrued.get(overage.product, 0) + posted
        open_[overage.unit] = open_.get(overage.unit, 0) - overage.amount
        draft.put(OVERAGE, id_, None)
        if draft.get(CARRIED, id_) is not None:
            draft.put(CARRIED, id_, None)
            account.carried -= 1
    account.overage = {unit: amount for unit, amount in open_.items() if amount}
    draft.begin_entry()
    rest = line.amount
    for product, posted in sorted(accrued.items()):
        operands: dict[str, str | int] = {"accrued": posted, "billed": rest}
        # Corrections may have taken back more than is open since the last bill.
        billed = max(0, min(rest, posted))
        rest -= billed
        for debit, credit, part, formula in (
            (Account.RECEIVABLE, Account.UNBILLED, billed, "min(accrued,billed)"),
            (
                Account.OVERAGE,
                Account.UNBILLED,
                max(0, posted - billed),
                "max(0,accrued-billed)",
            ),
            (Account.UNBILLED, Account.OVERAGE, max(0, -posted), "max(0,-accrued)"),
        ):
            draft.post(
                BILL_ARREARS,
                debit,
                credit,
                part,
                body.currency,
                {"f": formula, **operands},
                product=product,
                invoice=body.invoice,
            )
    draft.post(
        BILL_ARREARS,
        Account.RECEIVABLE,
        Account.OVERAGE,
        rest,
        body.currency,
        {
            "f": "max(0,billed-accrued)",
            "accrued": sum(accrued.values()),
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
