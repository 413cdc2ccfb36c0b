"""Money back in cash: refunds of unused credit, approved and then paid or both, and chargebacks.

A refund takes paid value out of an invoice line, with its tax, and the same value out of the block
that the line sold. What is given back for credit that was used is a concession.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.change_facts import (
    CreditRefunded,
    PaymentDisputed,
    PaymentRefunded,
)
from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import Exact, half_even
from creditfold.core.give_back import (
    UNALLOTTED,
    Back,
    give_back,
    paid_net,
    sold_within,
    take_off,
    taxed_on,
    unused_funded,
)
from creditfold.core.invoice_lines import minor_units, unknown_invoice
from creditfold.core.invoice_state import INVOICE, BilledLine, Invoice
from creditfold.core.policy_facts import Chargeback
from creditfold.core.ratable import earned_first
from creditfold.core.rejections import Code, Rejection
from creditfold.core.release import asked, release, share
from creditfold.core.state import BLOCK, Block

REFUND_PAID = "R-REFUND-PAID"
CHARGEBACK = "R-CHARGEBACK"
REFUND = Back("R-REFUND", Account.REFUND, "R-CONCEDE", Account.CONCESSIONS, Place.REFUNDED)


def refund_credit(draft: Draft, body: CreditRefunded) -> Rejection | None:
    """Approve a refund of unused credit: it is owed until `payment.refunded` pays it out."""
    found = asked(draft, body.block, body.quantity)
    if isinstance(found, Rejection):
        return found
    terms, amount = found
    block: Block = draft.get(BLOCK, body.block)
    value = share(block, amount)
    # The instalment that was billed last goes back first; what was conceded of it is not paid.
    sold_by = [
        (invoice_id, line, min(paid_net(line), sold_within(line, body.block, paid_net(line))))
        for invoice_id, line_id in reversed(block.lines)
        for line in draft.get(INVOICE, invoice_id).lines
        if line.line == line_id
    ]
    paid = min(block.funded, sum(part for _, _, part in sold_by))
    if not 0 < value <= paid:
        exponent = MINOR_EXPONENT[terms.currency]
        return Rejection(
            Code.NOT_PAID,
            f"{Exact(value, exponent)} {terms.currency} would go back, and "
            f"{Exact(paid, exponent)} is paid for block {body.block}: void it, or what bills it",
        )
    rest = value
    for invoice_id, line, most in sold_by:
        part = min(rest, most)
        if part:
            rest -= part
            tax = min(taxed_on(line, part), line.paid - part)
            _take_paid(draft, REFUND, invoice_id, line, part, tax, [(body.block, part)])
    release(draft, body.block, terms, amount, Place.REFUNDED, value)
    revenue.post_respread(draft, REFUND.rule, body.block, terms)
    return None


def _take_paid(
    draft: Draft,
    back: Back,
    invoice_id: str,
    line: BilledLine,
    net: int,
    tax: int,
    blocks: list[tuple[str, int]],
) -> Sequence[tuple[str, int]]:
    """Take paid money off a line; what goes back of which block."""
    invoice: Invoice = draft.get(INVOICE, invoice_id)
    less, given = take_off(draft, back, invoice_id, invoice.currency, line, net, tax, blocks)
    less = replace(less, paid=less.paid - net - tax)
    lines = tuple(less if each.line == line.line else each for each in invoice.lines)
    owed = net + tax if back.credit is Account.REFUND else 0
    draft.put(INVOICE, invoice_id, replace(invoice, lines=lines, payable=invoice.payable + owed))
    return given


@earned_first
def refund_payment(draft: Draft, body: PaymentRefunded) -> Rejection | None:
    """Pay back what is approved of an invoice; more than that is approved and paid at once."""
    read = _cash(draft, body)
    if isinstance(read, Rejection):
        return read
    invoice, amount = read
    approved = min(amount, invoice.payable)
    refusal = _take_cash(draft, body, invoice, REFUND, amount, approved)
    if refusal is not None:
        return refusal
    invoice = draft.get(INVOICE, body.invoice)
    left = invoice.payable - amount
    draft.begin_entry()
    draft.post(
        REFUND_PAID,
        Account.REFUND,
        Account.CASH,
        amount,
        invoice.currency,
        {"f": "payable0-payable1", "payable0": invoice.payable, "payable1": left},
        invoice=body.invoice,
    )
    draft.put(INVOICE, body.invoice, replace(invoice, payable=left))
    return None


@earned_first
def lose_dispute(draft: Draft, body: PaymentDisputed) -> Rejection | None:
    """The bank took money back: unused credit goes with it, what was used is lost or conceded."""
    read = _cash(draft, body)
    if isinstance(read, Rejection):
        return read
    invoice, amount = read
    conceded = draft.policy.chargeback is Chargeback.CONCESSION
    used = Account.CONCESSIONS if conceded else Account.CREDIT_LOSS
    back = Back(CHARGEBACK, Account.CASH, CHARGEBACK, used, Place.REFUNDED)
    return _take_cash(draft, body, invoice, back, amount, 0)


def _cash(draft: Draft, body: PaymentRefunded | PaymentDisputed) -> tuple[Invoice, int] | Rejection:
    """The invoice, and the amount in minor units."""
    if body.amount.coefficient == 0:
        return Rejection(Code.QUANTITY_NOT_POSITIVE, "amount is 0: give what went back")
    invoice: Invoice | None = draft.get(INVOICE, body.invoice)
    if invoice is None:
        return unknown_invoice(body.invoice)
    amount = minor_units(body.amount, invoice.currency)
    return amount if isinstance(amount, Rejection) else (invoice, amount)


def _take_cash(
    draft: Draft,
    body: PaymentRefunded | PaymentDisputed,
    invoice: Invoice,
    back: Back,
    amount: int,
    approved: int,
) -> Rejection | None:
    """Take what is not approved yet off the paid lines, in their order."""
    chosen = [line for line in invoice.lines if _sells_one(line, body.blocks)]
    rest = amount - approved
    paid = sum(line.paid for line in chosen)
    if rest > paid:
        return Rejection(
            Code.NOT_PAID,
            f"{body.amount} went back, but only "
            f"{Exact(approved + paid, MINOR_EXPONENT[invoice.currency])} {invoice.currency} "
            f"of invoice {body.invoice} is paid or approved",
        )
    for line in chosen:
        gross = min(rest, line.paid)
        if gross:
            rest -= gross
            tax = half_even(line.taxed * gross, line.booked)
            most = [
                (block, min(sold_within(line, block, paid_net(line)), unused_funded(draft, block)))
                for block, _ in line.sells
                if not body.blocks or block in body.blocks
            ]
            if not body.blocks:
                most.insert(0, (UNALLOTTED, line.unallotted(paid_net(line))))
            given = _take_paid(draft, back, body.invoice, line, gross - tax, tax, most)
            give_back(draft, back, given)
    return None


def _sells_one(line: BilledLine, blocks: tuple[str, ...]) -> bool:
    return not blocks or any(block in blocks for block, _ in line.sells)
