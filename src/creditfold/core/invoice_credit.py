"""Credit that draws on invoices: it pays matching lines on issue, and goes back with them.

What credit pays of a line is neither booked nor owed. What was paid for the credit leaves its
block and is the line's tax and income; credit that was free lowers the line's price.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.demand import burn_order
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import half_even
from creditfold.core.invoice_facts import InvoiceIssued, InvoiceLine
from creditfold.core.invoice_state import Applied, BilledLine
from creditfold.core.release import bring_back, release, share
from creditfold.core.state import BLOCK, Block, Terms

APPLY = "R-APPLY-CREDIT"


def apply(
    draft: Draft, body: InvoiceIssued, lines: Iterable[BilledLine], balance: int
) -> list[BilledLine]:
    """Pay of the lines, in order, what credit may; what the balance pays of them goes first."""
    left = []
    for line, wire in zip(lines, body.lines, strict=True):
        kept = min(balance, line.gross)
        balance -= kept
        left.append(line if line.for_credit else _pay(draft, body, line, wire, kept))
    return left


def _pay(
    draft: Draft, body: InvoiceIssued, line: BilledLine, wire: InvoiceLine, kept: int
) -> BilledLine:
    for block_id in burn_order(draft):
        terms = draft.granted(block_id)
        if _matches(draft, block_id, terms, body.currency, line, wire):
            amount = min(_open(draft, line, kept), _ready(draft, block_id, terms))
            if amount:
                line = _take(draft, body.invoice, line, block_id, terms, amount)
    return line


def _matches(
    draft: Draft, block_id: str, terms: Terms, currency: str, line: BilledLine, wire: InvoiceLine
) -> bool:
    """Whether such credit may pay the line at the invoice's time."""
    if terms.pays_usage or terms.unit != currency:
        return False
    block: Block = draft.get(BLOCK, block_id)
    if block.worth and block.currency != currency:
        return False
    if terms.effective_at > draft.time:
        return False
    if terms.expires_at is not None and draft.time >= terms.expires_at:
        return False
    scope = terms.scope
    return scope is None or scope.matches(line.product or "", wire.meter or "", {})


def _open(draft: Draft, line: BilledLine, kept: int) -> int:
    """What credit may pay of the line, so that `kept` of its gross stays."""
    if not draft.policy.credit_before_tax:
        return line.gross - kept
    return line.amount - -(-line.amount * kept // line.gross) if line.gross else 0


def _ready(draft: Draft, block_id: str, terms: Terms) -> int:
    """What of the block is there in minor units, as far as it is billed or paid."""
    block: Block = draft.get(BLOCK, block_id)
    units = block.available
    if block.worth:
        units = min(units, block.units * revenue.carrying(block) // block.worth)
    return units // _step(terms)


def _step(terms: Terms) -> int:
    """How many ledger steps one minor unit is."""
    return int(10 ** (terms.exponent - MINOR_EXPONENT[terms.unit]))


def _take(
    draft: Draft, invoice: str, line: BilledLine, block_id: str, terms: Terms, amount: int
) -> BilledLine:
    """Pay so much of the line from the block."""
    if draft.policy.credit_before_tax:
        tax, net = 0, amount
        left = half_even(line.tax * (line.amount - amount), line.amount)
    else:
        tax = half_even(line.tax * amount, line.gross)
        net, left = amount - tax, line.tax - tax
    block = draft.edit_block(block_id)
    units = amount * _step(terms)
    value = share(block, units)
    draft.begin_entry()
    sides = ((line.income, abs(value - tax)),)
    for debit, credit, part, proof in _postings(terms, sides, value, tax):
        draft.post(
            APPLY,
            debit,
            credit,
            part,
            terms.unit,
            proof,
            block=block_id,
            product=line.product,
            invoice=invoice,
        )
    _rebalance(draft, APPLY, invoice, terms, line, value - tax)
    block.funded -= value
    release(draft, block_id, terms, units, Place.APPLIED, value, (invoice, line.line))
    return replace(
        line,
        amount=line.amount - net,
        tax=left,
        applied=(*line.applied, Applied(block_id, amount, tax, value)),
    )


def _postings(
    terms: Terms, sides: Iterable[tuple[Account, int]], value: int, tax: int
) -> Iterable[tuple[Account, Account, int, dict[str, str | int]]]:
    """What the credit was worth is tax, then income; income pays what lacks for the tax."""
    liability = revenue.liability(terms)
    operands: dict[str, str | int] = {"value": value, "tax": tax}
    yield liability, Account.TAX, min(value, tax), {"f": "min(value,tax)", **operands}
    for income, part in sides:
        if value > tax:
            yield liability, income, part, {"f": "max(0,value-tax)", **operands}
        else:
            yield income, Account.TAX, part, {"f": "max(0,tax-value)", **operands}


def paid_by_credit(line: BilledLine) -> tuple[int, int]:
    """What credit has paid of the line: without its tax, and its tax."""
    tax = sum(each.tax for each in line.applied)
    return sum(each.amount for each in line.applied) - tax, tax


def still_to_come(line: BilledLine) -> tuple[int, int]:
    """What credit has paid of the line that is for the time to come, as `paid_by_credit`."""
    net, tax = paid_by_credit(line)
    left = line.unallotted(line.amount)
    if left >= line.by_credit:
        return net, tax
    return net * left // line.by_credit, tax * left // line.by_credit


def give_back(
    draft: Draft,
    rule: str,
    income: Account,
    invoice: str,
    line: BilledLine,
    net: int,
    tax: int,
) -> BilledLine:
    """So much of what credit paid of the line goes back to its blocks, the last applied first."""
    for number, each in reversed(list(enumerate(line.applied))):
        taxed = min(tax, each.tax)
        amount = min(net, each.amount - each.tax) + taxed
        tax -= taxed
        net -= amount - taxed
        if amount:
            value = each.value - half_even(each.value * (each.amount - amount), each.amount)
            back = Applied(each.block, amount, taxed, value)
            line = _restore(draft, rule, income, invoice, line, back)
            stays = Applied(each.block, each.amount - amount, each.tax - taxed, each.value - value)
            left = (stays,) if stays.amount else ()
            applied = (*line.applied[:number], *left, *line.applied[number + 1 :])
            line = replace(line, applied=applied)
    return line


def _still_to_come(line: BilledLine, worth: int) -> int:
    """What of a worth is for time to come, of a line over a period: that goes back first."""
    if line.ratable is None:
        return 0
    left = line.worth - line.ratable.delivered
    return min(worth, max(0, left)) if worth > 0 else max(worth, min(0, left))


def _rebalance(
    draft: Draft, rule: str, invoice: str, terms: Terms, line: BilledLine, change: int
) -> None:
    """A line over a period has so much more, or less: it is deferred, or below zero unbilled."""
    if line.ratable is None:
        return
    after = line.deferred + change
    more = max(0, -after) - max(0, -line.deferred)
    draft.post(
        rule,
        Account.UNBILLED if more > 0 else Account.UNALLOTTED,
        Account.UNALLOTTED if more > 0 else Account.UNBILLED,
        abs(more),
        terms.unit,
        {
            "f": "max(0,-deferred1)-max(0,-deferred0)",
            "deferred0": line.deferred,
            "deferred1": after,
        },
        product=line.product,
        invoice=invoice,
    )


def _restore(
    draft: Draft, rule: str, income: Account, invoice: str, line: BilledLine, back: Applied
) -> BilledLine:
    terms, worth = draft.granted(back.block), back.value - back.tax
    to_come = _still_to_come(line, worth)
    sides = ((line.income, abs(to_come)), (income, abs(worth - to_come)))
    draft.begin_entry()
    for credit, debit, part, proof in _postings(terms, sides, back.value, back.tax):
        draft.post(
            rule,
            debit,
            credit,
            part,
            terms.unit,
            proof,
            block=back.block,
            product=line.product,
            invoice=invoice,
        )
    if line.ratable is not None and not line.ratable.ended:
        _rebalance(draft, rule, invoice, terms, line, -to_come)
    draft.edit_block(back.block).funded += back.value
    units = back.amount * _step(terms)
    bring_back(draft, rule, back.block, Place.APPLIED, units, back.value, (invoice, line.line))
    if line.ratable is None:
        return line
    conceded = line.conceded + worth - to_come
    return replace(line, conceded=conceded, ratable=line.ratable.less(to_come))
