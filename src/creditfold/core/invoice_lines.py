"""The lines of an invoice as they come in: what they ask, what they sell, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from creditfold.core import ratable, tranches
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.enrolment import unknown_subscription
from creditfold.core.exact import INT64_MAX, Exact, half_even
from creditfold.core.facts import FundingLine
from creditfold.core.invoice_facts import InvoiceIssued, InvoiceLine
from creditfold.core.invoice_state import FUNDING, BilledLine, Funding, Ratable, Tranches
from creditfold.core.program_state import SUBSCRIPTION
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import Block, Terms


def read_lines(draft: Draft, body: InvoiceIssued, faults: list[Rejection]) -> list[BilledLine]:
    """The lines in minor units, what they sell noted on its blocks; every fault is collected."""
    if body.currency not in MINOR_EXPONENT:
        faults.append(
            Rejection(Code.UNKNOWN_CURRENCY, f"{body.currency} is not a currency of ISO 4217")
        )
    if body.subscription and draft.get(SUBSCRIPTION, body.subscription) is None:
        faults.append(unknown_subscription(body.subscription))
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
        other = sells and all(block != waiting.block for block, _ in sells)
        if wire.arrears_for or wire.funds or wire.period or other:
            faults.append(
                disagreement(
                    FundingLine(body.invoice, wire.line),
                    f"block {waiting.block} was granted as sold by it",
                )
            )
        sells = sells or ((waiting.block, amount),)
    if sum(map(bool, (wire.arrears_for, wire.sells, wire.funds, wire.period))) > 1:
        faults.append(
            Rejection(
                Code.LINE_AMBIGUOUS,
                f"line {wire.line} sells, funds, bills arrears or has a period: make each a line "
                "of its own",
            )
        )
    later = _later(draft, body, wire, amount, faults)
    for block_id, share in sells:
        sold_by = (body.invoice, wire.line)
        refusal = sell(draft, block_id, share, sold_by, body.currency, draft.terms(block_id))
        if refusal is not None:
            faults.append(refusal)
    return BilledLine(
        wire.line,
        amount,
        tax,
        product=product,
        sells=sells,
        arrears=bool(wire.arrears_for),
        tranches=later if isinstance(later, Tranches) else None,
        ratable=later if isinstance(later, Ratable) else None,
    )


def _later(
    draft: Draft, body: InvoiceIssued, wire: InvoiceLine, amount: int, faults: list[Rejection]
) -> Tranches | Ratable | None:
    """How the line is earned where that takes time."""
    if wire.period is not None:
        return ratable.spread(draft, wire.period.start, wire.period.end, body.subscription)
    if wire.funds is None:
        return None
    read = tranches.read(draft, body, wire, wire.funds, amount)
    if isinstance(read, Rejection):
        faults.append(read)
        return None
    return read


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


def sell(
    draft: Draft,
    block_id: str,
    amount: int,
    line: tuple[str, str],
    currency: str,
    terms: Terms | None,
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
    block.lines = (*block.lines, line)
    worth = 0 if terms is not None and terms.kind.compensates else block.value
    if block.sold > (INT64_MAX if terms is None else worth):
        return Rejection(
            Code.SOLD_ABOVE_VALUE,
            f"the lines that sell block {block_id} ask for more than its value: "
            "grant it with the value that it is sold for",
        )
    return None


def tax_share(line: BilledLine, gross: int) -> int:
    """The tax in the first `gross` minor units of the line, by running total."""
    return half_even(line.tax * gross, line.gross) if line.gross else 0


def shares(line: BilledLine) -> Iterator[tuple[str, int, int]]:
    """(block, start, end) of what the line sells, end to end in the order of funding."""
    start = 0
    for block_id, amount in line.sells:
        yield block_id, start, start + amount
        start += amount


def unknown_invoice(invoice: str) -> Rejection:
    """No invoice of this id was issued to the customer."""
    return Rejection(
        Code.UNKNOWN_INVOICE, f"invoice {invoice} is not known: send invoice.issued first"
    )


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


def funding_key(invoice: str, line: str) -> str:
    """Under which a grant waits for the line that funds it."""
    return f"{invoice}\0{line}"


def disagreement(funding: FundingLine, why: str) -> Rejection:
    """A grant and an invoice line that say different things of each other."""
    return Rejection(
        Code.FUNDING_DISAGREES,
        f"funding names line {funding.line} of invoice {funding.invoice}, but {why}",
    )
