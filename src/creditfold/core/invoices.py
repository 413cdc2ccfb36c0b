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
from creditfold.core.exact import INT64_MAX, Exact, half_even
from creditfold.core.facts import (
    FundingLine,
    InvoiceIssued,
    InvoiceLine,
    InvoicePaid,
    Recognition,
)
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.state import (
    FUNDING,
    INVOICE,
    BilledLine,
    Block,
    Funding,
    Invoice,
    Phase,
    Terms,
)

BILL = "R-BILL"
PAY = "R-PAY"
PAY_FUNDS = "R-PAY-FUNDS"


def issue(draft: Draft, body: InvoiceIssued) -> Rejection | None:
    """Take an invoice into the books, as far as its recognition allows."""
    recognition = body.recognition or draft.policy.recognition
    faults: list[Rejection] = []
    lines = _read_lines(draft, body, faults)
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
    if faults:
        return highest(faults)
    billed: list[BilledLine] = []
    for line, wire in zip(lines, body.lines, strict=True):
        if line.arrears:
            # Delivered usage is billed whole on issue: only the invoice was outstanding.
            refusal = bill_arrears(draft, body, line, wire.arrears_for)
            if refusal is not None:
                return refusal
            billed.append(replace(line, booked=line.gross))
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
    draft.put(INVOICE, body.invoice, Invoice(body.currency, recognition, tuple(billed)))
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
        return Rejection(
            Code.UNKNOWN_INVOICE, f"invoice {body.invoice} is not known: send invoice.issued first"
        )
    amount = minor_units(body.amount, invoice.currency)
    if isinstance(amount, Rejection):
        return amount
    open_ = sum(line.gross - line.paid for line in invoice.lines)
    if amount > open_:
        return Rejection(
            Code.PAID_TOO_MUCH,
            f"{body.amount} paid, but only {Exact(open_, MINOR_EXPONENT[invoice.currency])} "
            f"{invoice.currency} of invoice {body.invoice} is open",
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
                PAY,
                Account.CASH,
                Account.RECEIVABLE,
                settled,
                invoice.currency,
                {"f": "paid1-paid0", "paid0": line.paid, "paid1": line.paid + settled},
                product=line.product,
                invoice=body.invoice,
            )
        funds = part - settled
        if funds:
            line = _book(
                draft, PAY_FUNDS, Account.CASH, body.invoice, invoice.currency, line, funds
            )
        return replace(line, paid=line.paid + part)

    _each_line(draft, body.invoice, invoice, settle)
    if amount == open_:
        draft.unschedule(Phase.INVOICE_DUE, body.invoice)
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
            return _disagreement(funding, f"block {named.block} names it too")
        draft.put(FUNDING, key, Funding(block_id))
        return None
    line = next((line for line in invoice.lines if line.line == funding.line), None)
    if line is None:
        return _disagreement(funding, "the invoice has no such line")
    if line.sells:
        if any(block == block_id for block, _ in line.sells):
            return None
        return _disagreement(funding, "the line sells another block")
    if line.arrears:
        return _disagreement(funding, "the line bills arrears")
    refusal = _sell(draft, block_id, line.amount, invoice.currency, terms)
    if refusal is not None:
        return refusal
    sold = replace(line, sells=((block_id, line.amount),))
    net = line.booked - _tax_share(line, line.booked)
    draft.begin_entry()
    revenue.post_funding(draft, BILL, Account.SUBSCRIPTION, block_id, net, funding.invoice)
    _each_line(draft, funding.invoice, invoice, lambda each: sold if each is line else each)
    return None


def funding_key(invoice: str, line: str) -> str:
    """Under which a grant waits for the line that funds it."""
    return f"{invoice}\0{line}"


def minor_units(amount: Exact, currency: str) -> int | Rejection:
    """An amount of at least 0 in the currency's minor units."""
    exponent = MINOR_EXPONENT[currency]
    minor = amount.scaled(exponent)
    if minor is None:
        return Rejection(
            Code.QUANTITY_NOT_EXACT, f"{amount} {currency}: {currency} has {exponent} decimals"
        )
    if minor > INT64_MAX:
        return Rejection(Code.QUANTITY_OUT_OF_RANGE, f"{amount} {currency} is too large")
    return minor


def _each_line(
    draft: Draft, invoice_id: str, invoice: Invoice, change: Callable[[BilledLine], BilledLine]
) -> None:
    lines = tuple(change(line) for line in invoice.lines)
    draft.put(INVOICE, invoice_id, replace(invoice, lines=lines))


def _disagreement(funding: FundingLine, why: str) -> Rejection:
    return Rejection(
        Code.FUNDING_DISAGREES,
        f"funding names line {funding.line} of invoice {funding.invoice}, but {why}",
    )


def _read_lines(draft: Draft, body: InvoiceIssued, faults: list[Rejection]) -> list[BilledLine]:
    """The lines in minor units, what they sell noted on its blocks; every fault is collected."""
    if body.currency not in MINOR_EXPONENT:
        faults.append(
            Rejection(Code.UNKNOWN_CURRENCY, f"{body.currency} is not a currency of ISO 4217")
        )
    lines: list[BilledLine] = []
    names: set[str] = set()
    for wire in body.lines:
        if wire.line in names:
            faults.append(
                Rejection(Code.LINE_REPEATED, f"line {wire.line} stands twice: number them")
            )
        names.add(wire.line)
        if wire.meter is not None and wire.meter not in draft.catalog.meters:
            faults.append(
                Rejection(
                    Code.UNKNOWN_METER,
                    f"line {wire.line} names meter {wire.meter}: declare it first",
                )
            )
        elif body.currency in MINOR_EXPONENT:
            line = _read_line(draft, body, wire, faults)
            if line is not None:
                lines.append(line)
    return lines


def _read_line(
    draft: Draft, body: InvoiceIssued, wire: InvoiceLine, faults: list[Rejection]
) -> BilledLine | None:
    amount = _minor(wire.amount, body.currency, faults)
    tax = _minor(wire.tax or Exact(0, 0), body.currency, faults)
    if amount is None or tax is None:
        return None
    if amount + tax > INT64_MAX:
        faults.append(
            Rejection(Code.QUANTITY_OUT_OF_RANGE, f"line {wire.line} with its tax is too large")
        )
    product = wire.product
    if product is None and wire.meter is not None:
        product = draft.catalog.meters[wire.meter].product
    sells = _sales(body, wire, amount, faults)
    waiting: Funding | None = draft.get(FUNDING, funding_key(body.invoice, wire.line))
    if waiting is not None:
        if wire.arrears_for or (sells and all(block != waiting.block for block, _ in sells)):
            faults.append(
                _disagreement(
                    FundingLine(body.invoice, wire.line),
                    f"block {waiting.block} was granted as sold by it",
                )
            )
        sells = sells or ((waiting.block, amount),)
    if wire.arrears_for and wire.sells:
        faults.append(
            Rejection(
                Code.LINE_AMBIGUOUS, f"line {wire.line} sells and bills arrears: make it two lines"
            )
        )
    for block_id, share in sells:
        refusal = _sell(draft, block_id, share, body.currency, draft.terms(block_id))
        if refusal is not None:
            faults.append(refusal)
    return BilledLine(
        wire.line, amount, tax, product=product, sells=sells, arrears=bool(wire.arrears_for)
    )


def _minor(amount: Exact, currency: str, faults: list[Rejection]) -> int | None:
    minor = minor_units(amount, currency)
    if isinstance(minor, Rejection):
        faults.append(minor)
        return None
    return minor


def _sales(
    body: InvoiceIssued, wire: InvoiceLine, amount: int, faults: list[Rejection]
) -> tuple[tuple[str, int], ...]:
    """What the line sells, in minor units that sum to its amount."""
    known: dict[str, int | None] = {}
    for sale in wire.sells:
        if sale.block in known:
            faults.append(
                Rejection(Code.LINE_AMBIGUOUS, f"line {wire.line} sells block {sale.block} twice")
            )
        known[sale.block] = (
            None if sale.amount is None else _minor(sale.amount, body.currency, faults)
        )
    blanks = [block for block, minor in known.items() if minor is None]
    rest = amount - sum(minor for minor in known.values() if minor is not None)
    if known and (rest or blanks) and (len(blanks) != 1 or rest < 0):
        faults.append(
            Rejection(
                Code.SALES_NOT_THE_AMOUNT,
                f"what line {wire.line} sells is not its amount {wire.amount}: leave at most one "
                "amount out, and let the others sum to no more than the line",
            )
        )
        rest = 0
    return tuple((block, rest if minor is None else minor) for block, minor in known.items())


def _sell(
    draft: Draft, block_id: str, amount: int, currency: str, terms: Terms | None
) -> Rejection | None:
    """Note that an invoice line asks this for the block."""
    block: Block = draft.edit_block(block_id)
    priced_in = block.currency if terms is None else terms.currency
    if priced_in not in ("", currency):
        return Rejection(
            Code.CURRENCY_DIFFERS,
            f"block {block_id} is priced in {priced_in}, the invoice is in {currency}",
        )
    block.currency = currency
    block.sold += amount
    if block.sold > (INT64_MAX if terms is None else terms.value):
        return Rejection(
            Code.SOLD_ABOVE_VALUE,
            f"the lines that sell block {block_id} ask for more than its value: "
            "grant it with the value that it is sold for",
        )
    return None


def _tax_share(line: BilledLine, gross: int) -> int:
    """The tax in the first `gross` minor units of the line, by running total."""
    return half_even(line.tax * gross, line.gross) if line.gross else 0


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
    tax = _tax_share(line, booked) - _tax_share(line, line.booked)
    net0 = line.booked - _tax_share(line, line.booked)
    net1 = net0 + amount - tax
    draft.begin_entry()
    begun = 0
    funded: list[tuple[str, int]] = []
    for block_id, share in line.sells:
        part = min(net1, begun + share) - max(net0, begun)
        begun += share
        if part > 0:
            revenue.post_funding(draft, rule, debit, block_id, part, invoice)
            funded.append((block_id, part))
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
            "f": "HE(tax*g1/gross)-HE(tax*g0/gross)",
            "tax": line.tax,
            "gross": line.gross,
            "g0": line.booked,
            "g1": booked,
        },
        invoice=invoice,
    )
    for block_id, part in funded:
        revenue.post_late_funding(draft, block_id, part, invoice)
    return replace(line, booked=booked)
