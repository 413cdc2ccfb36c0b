"""Invoices: what they sell and bill, when that is booked, and what payment does.

A line's gross (amount and tax) is booked as it becomes unconditional: on issue, on its due date,
or as it is paid, by the invoice's recognition (ASC 606-10-45-4). Payment changes no revenue; it
settles what is booked, and books what is not.
"""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import invoice_credit, ratable, tranches
from creditfold.core.arrears import bill_arrears
from creditfold.core.booking import BILL, book, each_line
from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.exact import Exact
from creditfold.core.facts import Recognition
from creditfold.core.invoice_facts import InvoiceIssued, InvoicePaid
from creditfold.core.invoice_lines import (
    minor_units,
    read_lines,
    unknown_invoice,
)
from creditfold.core.invoice_state import (
    BALANCE,
    INVOICE,
    Balance,
    BilledLine,
    Invoice,
)
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.state import Phase

PAY = "R-PAY"
PAY_FUNDS = "R-PAY-FUNDS"
APPLY_BAL = "R-APPLY-BAL"


def issue(draft: Draft, body: InvoiceIssued) -> Rejection | None:
    """Take an invoice into the books, as far as its recognition allows."""
    recognition = body.recognition or draft.policy.recognition
    faults: list[Rejection] = []
    lines = read_lines(draft, body, faults)
    if draft.get(INVOICE, body.invoice) is not None:
        faults.append(
            Rejection(
                Code.INVOICE_EXISTS, f"invoice {body.invoice} was issued before: use another id"
            )
        )
    if recognition is Recognition.ON_DUE and body.due_at is None:
        faults.append(
            Rejection(
                Code.DUE_DATE_MISSING, "recognition on_due needs due_at: give it, or another rule"
            )
        )
    applied = _balance_applied(body)
    if isinstance(applied, Rejection):
        faults.append(applied)
    if faults:
        return highest(faults)
    assert isinstance(applied, int)
    lines = invoice_credit.apply(draft, body, lines, applied)
    billed: list[BilledLine] = []
    for read, wire in zip(lines, body.lines, strict=True):
        line = read
        if line.tranches is not None:
            line = tranches.begin(draft, body.invoice, body.currency, line)
        if line.ratable is not None:
            line = ratable.begin(draft, body.invoice, body.currency, line)
        if line.arrears:
            # Delivered usage is billed whole on issue: only the invoice was outstanding.
            refusal = bill_arrears(draft, body, line, wire.arrears_for)
            if refusal is not None:
                return refusal
            billed.append(replace(line, booked=line.gross, taxed=line.tax))
        elif recognition is Recognition.ON_ISSUE:
            billed.append(
                book(draft, BILL, Account.RECEIVABLE, body.invoice, body.currency, line, line.gross)
            )
        else:
            billed.append(line)
    if recognition is Recognition.ON_DUE and body.due_at is not None:
        draft.schedule((body.due_at, Phase.INVOICE_DUE, body.invoice))
    invoice = Invoice(body.currency, recognition, tuple(billed))
    draft.put(INVOICE, body.invoice, invoice)
    ratable.plan(draft, body.invoice)
    return _apply_balance(draft, body.invoice, invoice, applied) if applied else None


def _balance_applied(body: InvoiceIssued) -> int | Rejection:
    if body.balance_applied is None or body.currency not in MINOR_EXPONENT:
        return 0
    return minor_units(body.balance_applied, body.currency)


def _apply_balance(
    draft: Draft, invoice_id: str, invoice: Invoice, amount: int
) -> Rejection | None:
    """What credit notes left to the customer pays a part of the invoice."""
    rules = (APPLY_BAL, APPLY_BAL)
    refusal = _settle(draft, invoice_id, invoice, amount, Account.BALANCE, *rules)
    if refusal is not None:
        return refusal
    balance: Balance = draft.get(BALANCE, invoice.currency) or Balance(0)
    if amount > balance.amount:
        exponent = MINOR_EXPONENT[invoice.currency]
        return Rejection(
            Code.BALANCE_TOO_SMALL,
            f"balance_applied is {Exact(amount, exponent)}, and the customer's balance is "
            f"{Exact(balance.amount, exponent)} {invoice.currency}",
        )
    draft.put(BALANCE, invoice.currency, Balance(balance.amount - amount))
    return None


def fall_due(draft: Draft, invoice_id: str) -> None:
    """The due date makes the rest of the invoice unconditional."""
    invoice: Invoice = draft.get(INVOICE, invoice_id)
    draft.unschedule(Phase.INVOICE_DUE, invoice_id)
    each_line(
        draft,
        invoice_id,
        invoice,
        lambda line: book(
            draft,
            BILL,
            Account.RECEIVABLE,
            invoice_id,
            invoice.currency,
            line,
            line.gross - line.booked,
        ),
    )


def pay(draft: Draft, body: InvoicePaid) -> Rejection | None:
    """Apply cash to the lines in order: what is booked is settled, what is not is booked."""
    if body.amount.coefficient == 0:
        return Rejection(Code.QUANTITY_NOT_POSITIVE, "amount is 0: a payment is above 0")
    invoice: Invoice | None = draft.get(INVOICE, body.invoice)
    if invoice is None:
        return unknown_invoice(body.invoice)
    amount = minor_units(body.amount, invoice.currency)
    if isinstance(amount, Rejection):
        return amount
    return _settle(draft, body.invoice, invoice, amount, Account.CASH, PAY, PAY_FUNDS)


def _settle(
    draft: Draft,
    invoice_id: str,
    invoice: Invoice,
    amount: int,
    source: Account,
    rule: str,
    funds_rule: str,
) -> Rejection | None:
    """Pay so much of the lines in order: what is booked is settled, what is not is booked."""
    open_ = sum(line.gross - line.paid for line in invoice.lines)
    exponent = MINOR_EXPONENT[invoice.currency]
    if amount > open_:
        return Rejection(
            Code.PAID_TOO_MUCH,
            f"{Exact(amount, exponent)} paid, but only {Exact(open_, exponent)} "
            f"{invoice.currency} of invoice {invoice_id} is open",
        )
    rest = amount

    def settle(line: BilledLine) -> BilledLine:
        nonlocal rest
        part = min(rest, line.gross - line.paid)
        rest -= part
        settled = min(part, line.booked - line.paid)
        if settled:
            draft.begin_entry()
            draft.post(
                rule,
                source,
                Account.RECEIVABLE,
                settled,
                invoice.currency,
                {"f": "paid1-paid0", "paid0": line.paid, "paid1": line.paid + settled},
                product=line.product,
                invoice=invoice_id,
            )
        funds = part - settled
        if funds:
            line = book(draft, funds_rule, source, invoice_id, invoice.currency, line, funds)
        return replace(line, paid=line.paid + part)

    each_line(draft, invoice_id, invoice, settle)
    if amount == open_:
        draft.unschedule(Phase.INVOICE_DUE, invoice_id)
    return None
