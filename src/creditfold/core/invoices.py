"""Invoices: what they sell and bill, when that is booked, and what payment does.

A line's gross (amount and tax) is booked as it becomes unconditional: on issue, on its due date,
or as it is paid, by the invoice's recognition (ASC 606-10-45-4). Payment changes no revenue; it
settles what is booked, and books what is not.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.arrears import bill_arrears
from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.exact import Exact
from creditfold.core.facts import (
    FundingLine,
    InvoiceIssued,
    InvoicePaid,
    Recognition,
)
from creditfold.core.invoice_lines import (
    disagreement,
    funding_key,
    minor_units,
    read_lines,
    sell,
    shares,
    tax_share,
    unknown_invoice,
)
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.rolled_funding import post_late_funding
from creditfold.core.state import (
    BALANCE,
    FUNDING,
    INVOICE,
    Balance,
    BilledLine,
    Funding,
    Invoice,
    Phase,
    Terms,
)

BILL = "R-BILL"
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
    billed: list[BilledLine] = []
    for line, wire in zip(lines, body.lines, strict=True):
        if line.arrears:
            # Delivered usage is billed whole on issue: only the invoice was outstanding.
            refusal = bill_arrears(draft, body, line, wire.arrears_for)
            if refusal is not None:
                return refusal
            billed.append(replace(line, booked=line.gross, taxed=line.tax))
        elif recognition is Recognition.ON_ISSUE:
            billed.append(
                _book(
                    draft, BILL, Account.RECEIVABLE, body.invoice, body.currency, line, line.gross
                )
            )
        else:
            billed.append(line)
    if recognition is Recognition.ON_DUE and body.due_at is not None:
        draft.schedule((body.due_at, Phase.INVOICE_DUE, body.invoice))
    invoice = Invoice(body.currency, recognition, tuple(billed))
    draft.put(INVOICE, body.invoice, invoice)
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
    _each_line(
        draft,
        invoice_id,
        invoice,
        lambda line: _book(
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
            line = _book(draft, funds_rule, source, invoice_id, invoice.currency, line, funds)
        return replace(line, paid=line.paid + part)

    _each_line(draft, invoice_id, invoice, settle)
    if amount == open_:
        draft.unschedule(Phase.INVOICE_DUE, invoice_id)
    return None


def bind_funding(
    draft: Draft, block_id: str, terms: Terms, funding: FundingLine
) -> Rejection | None:
    """A grant names the invoice line that sells it; the line may be here, or come later.

    A line that came without saying what it sells was earned at once as far as it was booked:
    that is taken back into the block (R-BILL, 4030 to 2000).
    """
    invoice: Invoice | None = draft.get(INVOICE, funding.invoice)
    if invoice is None:
        key = funding_key(funding.invoice, funding.line)
        named: Funding | None = draft.get(FUNDING, key)
        if named is not None and named.block != block_id:
            return disagreement(funding, f"block {named.block} names it too")
        draft.put(FUNDING, key, Funding(block_id))
        return None
    line = next((line for line in invoice.lines if line.line == funding.line), None)
    if line is None:
        return disagreement(funding, "the invoice has no such line")
    if line.sells:
        if any(block == block_id for block, _ in line.sells):
            return None
        return disagreement(funding, "the line sells another block")
    if line.arrears:
        return disagreement(funding, "the line bills arrears")
    if line.conceded:
        return disagreement(funding, "a part of the line was given back")
    sold_by = (funding.invoice, line.line)
    refusal = sell(draft, block_id, line.amount, sold_by, invoice.currency, terms)
    if refusal is not None:
        return refusal
    sold = replace(line, sells=((block_id, line.amount),))
    net = line.booked - line.taxed
    draft.begin_entry()
    revenue.post_funding(draft, BILL, Account.SUBSCRIPTION, block_id, net, funding.invoice)
    _each_line(draft, funding.invoice, invoice, lambda each: sold if each is line else each)
    return None


def _each_line(
    draft: Draft, invoice_id: str, invoice: Invoice, change: Callable[[BilledLine], BilledLine]
) -> None:
    lines = tuple(change(line) for line in invoice.lines)
    draft.put(INVOICE, invoice_id, replace(invoice, lines=lines))


def _book(
    draft: Draft,
    rule: str,
    debit: Account,
    invoice: str,
    currency: str,
    line: BilledLine,
    amount: int,
) -> BilledLine:
    """Book `amount` more of a line's gross: its blocks in order, or income, and its tax."""
    if amount == 0:
        return line
    booked = line.booked + amount
    tax = max(0, tax_share(line, booked) - line.taxed)
    net0 = line.booked - line.taxed
    net1 = net0 + amount - tax
    draft.begin_entry()
    funded: list[str] = []
    for block_id, start, end in shares(line):
        part = min(net1 + line.conceded, end) - max(net0 + line.conceded, start)
        if part > 0:
            revenue.post_funding(draft, rule, debit, block_id, part, invoice)
            funded.append(block_id)
    proof: dict[str, str | int] = {"f": "booked1-booked0", "booked0": net0, "booked1": net1}
    if not line.sells:
        draft.post(
            rule,
            debit,
            Account.SUBSCRIPTION,
            net1 - net0,
            currency,
            proof,
            product=line.product,
            invoice=invoice,
        )
    draft.post(
        rule,
        debit,
        Account.TAX,
        tax,
        currency,
        {
            "f": "max(0,HE(tax*g1/gross)-tax0)",
            "tax": line.tax,
            "gross": line.gross,
            "tax0": line.taxed,
            "g1": booked,
        },
        invoice=invoice,
    )
    for block_id in funded:
        post_late_funding(draft, block_id, invoice)
    return replace(line, booked=booked, taxed=line.taxed + tax)
