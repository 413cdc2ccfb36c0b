"""Billing overage and shortfalls in arrears: the bill is the legal amount, the rest is revenue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from msgspec.structs import replace

from creditfold.core import accrual, statements
from creditfold.core.chart import Account
from creditfold.core.commitment_state import COMMITMENT_TERM, CommitmentTerm
from creditfold.core.draft import Draft
from creditfold.core.invoice_facts import ArrearsRange, InvoiceIssued
from creditfold.core.invoice_state import BilledLine
from creditfold.core.overage import keep_carried
from creditfold.core.overage_state import OVERAGE, OpenOverage
from creditfold.core.rejections import Code, Rejection

BILL_ARREARS = "R-BILL-ARREARS"

Parts: TypeAlias = frozenset[int] | None
"""The statements whose parts of an overage are billed; None is all that is open of it."""


def bill_arrears(
    draft: Draft, body: InvoiceIssued, line: BilledLine, refs: tuple[str | ArrearsRange, ...]
) -> Rejection | None:
    """Move what the line bills from unbilled to billed receivable; it is billed once.

    Overage that the named ranges hold in another currency stays open.
    """
    found: dict[str, Parts] = {}
    terms: dict[str, Parts] = {}
    for ref in refs:
        if isinstance(ref, ArrearsRange):
            found |= dict.fromkeys(_in_range(draft, ref, body.currency))
            continue
        number = statements.sent(draft, ref)
        if number is not None:
            listed = list(_listed(draft, number, body.currency))
            missed = list(_missed(draft, number, body.currency))
            if not listed and not missed:
                return Rejection(
                    Code.UNKNOWN_OVERAGE,
                    f"nothing of statement {ref} is open in {body.currency}: it was billed, or the "
                    "statement lists none",
                )
            for ids, named in ((listed, found), (missed, terms)):
                for id_ in ids:
                    parts = named.get(id_, frozenset())
                    named[id_] = None if parts is None else parts | {number}
            continue
        overage: OpenOverage | None = draft.get(OVERAGE, ref)
        term: CommitmentTerm | None = draft.get(COMMITMENT_TERM, ref)
        if term is not None and term.open:
            terms[ref] = None
            unit, billable = term.currency, term.currency == body.currency
        elif overage is not None and overage.amount:
            found[ref] = None
            unit, billable = overage.unit, _billable(overage, body.currency)
        else:
            return Rejection(
                Code.UNKNOWN_OVERAGE,
                f"{ref} is no open overage or shortfall: it was billed, or never was",
            )
        if not billable:
            return Rejection(
                Code.CURRENCY_DIFFERS, f"{ref} is in {unit}, the invoice is in {body.currency}"
            )
    _settle(draft, body, line, found, terms)
    return None


def _billable(overage: OpenOverage, currency: str) -> bool:
    return overage.unit in (currency, f"meter:{overage.meter}")


def _open(draft: Draft) -> Iterator[tuple[str, OpenOverage]]:
    """What is still open: another line of this invoice may have billed some."""
    for id_, _ in draft.scan(OVERAGE):
        overage: OpenOverage | None = draft.get(OVERAGE, id_)
        if overage is not None:
            yield id_, overage


def _in_range(draft: Draft, span: ArrearsRange, currency: str) -> Iterator[str]:
    for id_, overage in _open(draft):
        inside = overage.meter == span.meter and span.start <= overage.time < span.end
        if inside and _billable(overage, currency):
            yield id_


def _listed(draft: Draft, number: int, currency: str) -> Iterator[str]:
    for id_, overage in _open(draft):
        if _billable(overage, currency) and number in dict(overage.stated):
            yield id_


def _missed(draft: Draft, number: int, currency: str) -> Iterator[str]:
    """The shortfalls that a statement lists, as far as they are open."""
    for id_, _ in draft.scan(COMMITMENT_TERM):
        term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
        if term.currency == currency and dict(term.stated).get(number):
            yield id_


def _taken(overage: OpenOverage, parts: Parts) -> tuple[int, OpenOverage | None]:
    """How much of the overage is billed, and what stays open."""
    if parts is None:
        return overage.amount, None
    amount = sum(part for number, part in overage.stated if number in parts)
    left = replace(
        overage,
        amount=overage.amount - amount,
        stated=tuple(each for each in overage.stated if each[0] not in parts),
    )
    return amount, left if left.amount or left.stated else None


def _settle(
    draft: Draft,
    body: InvoiceIssued,
    line: BilledLine,
    found: Mapping[str, Parts],
    terms: Mapping[str, Parts],
) -> None:
    accrued: Counter[tuple[Account, str]] = Counter()
    account = draft.account
    open_ = dict(account.overage)
    for id_, parts in found.items():
        overage: OpenOverage = draft.get(OVERAGE, id_)
        amount, left = _taken(overage, parts)
        posted = 0
        if overage.unit == body.currency:
            exponent = draft.catalog.exponent(overage.unit)
            assert exponent is not None
            posted = accrual.bill_accrued(draft, overage.meter, overage.unit, amount, exponent)
        accrued[Account.OVERAGE, overage.product] += posted
        open_[overage.unit] = open_.get(overage.unit, 0) - amount
        draft.put(OVERAGE, id_, left)
        keep_carried(draft, id_, None)
    account.overage = {unit: amount for unit, amount in open_.items() if amount}
    for id_, parts in terms.items():
        term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
        kept = tuple(each for each in term.stated if parts is not None and each[0] not in parts)
        amount = term.open
        if parts is not None:
            amount = sum(part for number, part in term.stated if number in parts)
        accrued[Account.SHORTFALL, ""] += amount
        draft.put(COMMITMENT_TERM, id_, replace(term, billed=term.billed + amount, stated=kept))
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
    draft.post(
        BILL_ARREARS,
        Account.RECEIVABLE,
        Account.SHORTFALL if terms and not found else Account.OVERAGE,
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
