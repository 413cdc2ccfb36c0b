"""Booking of invoice lines: their blocks in order, or income, and their tax by running total."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.facts import FundingLine
from creditfold.core.invoice_lines import (
    disagreement,
    funding_key,
    sell,
    shares,
    tax_share,
)
from creditfold.core.invoice_state import (
    FUNDING,
    INVOICE,
    BilledLine,
    Funding,
    Invoice,
)
from creditfold.core.rejections import Rejection
from creditfold.core.rolled_funding import post_late_funding
from creditfold.core.state import Terms

BILL = "R-BILL"


def book(
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
    if line.tranches is not None or not line.sells:
        begin = min(net1, max(net0, line.allotted - line.conceded))
        for income, part in line.sides(net1 - begin):
            draft.post(
                rule,
                debit,
                income,
                part,
                currency,
                {"f": "booked1-booked0", "booked0": begin, "booked1": net1},
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


def each_line(
    draft: Draft, invoice_id: str, invoice: Invoice, change: Callable[[BilledLine], BilledLine]
) -> None:
    """Put each line of an invoice as it is changed."""
    lines = tuple(change(line) for line in invoice.lines)
    draft.put(INVOICE, invoice_id, replace(invoice, lines=lines))


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
    if line.sells and line.tranches is None:
        if any(block == block_id for block, _ in line.sells):
            return None
        return disagreement(funding, "the line sells another block")
    if line.arrears:
        return disagreement(funding, "the line bills arrears")
    if line.tranches is not None:
        return disagreement(funding, "the line funds a program")
    if line.ratable is not None:
        return disagreement(funding, "the line is earned over a period")
    if line.conceded:
        return disagreement(funding, "a part of the line was given back")
    if line.applied:
        return disagreement(funding, "credit has paid a part of the line")
    sold_by = (funding.invoice, line.line)
    refusal = sell(draft, block_id, line.amount, sold_by, invoice.currency, terms)
    if refusal is not None:
        return refusal
    sold = replace(line, sells=((block_id, line.amount),))
    net = line.booked - line.taxed
    draft.begin_entry()
    revenue.post_funding(draft, BILL, Account.SUBSCRIPTION, block_id, net, funding.invoice)
    each_line(draft, funding.invoice, invoice, lambda each: sold if each is line else each)
    return None
