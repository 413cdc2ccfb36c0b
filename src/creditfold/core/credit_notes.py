"""Invoices taken back: void, write-off and credit notes.

Unused credit leaves its block; what was used stays drawn, and is kept, conceded or lost.
"""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core.change_facts import (
    CreditNoteIssued,
    CreditNoteLine,
    CreditTo,
    InvoiceVoided,
    InvoiceWrittenOff,
)
from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import Exact
from creditfold.core.give_back import (
    UNALLOTTED,
    Back,
    give_back,
    open_booked,
    paid_parts,
    sold_within,
    take_off,
    take_off_unbooked,
    taxed_on,
    unused_funded,
    unused_value,
)
from creditfold.core.invoice_credit import give_back as return_credit
from creditfold.core.invoice_credit import paid_by_credit, still_to_come
from creditfold.core.invoice_lines import minor_units, shares, unknown_invoice
from creditfold.core.invoice_state import (
    BALANCE,
    CREDIT_NOTE,
    INVOICE,
    Balance,
    BilledLine,
    CreditNote,
    Invoice,
)
from creditfold.core.policy_facts import UsedPortion
from creditfold.core.ratable import earned_first
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.release import known, share, unused
from creditfold.core.state import BLOCK, Phase

VOID = Back("R-VOID", Account.RECEIVABLE, "R-VOID", Account.CONCESSIONS, Place.VOIDED)
WRITE_OFF = "R-WRITEOFF"
NOTE = "R-CREDIT-NOTE"

_TO = {
    CreditTo.INVOICE: Account.RECEIVABLE,
    CreditTo.BALANCE: Account.BALANCE,
    CreditTo.REFUND: Account.REFUND,
}


@earned_first
def void(draft: Draft, body: InvoiceVoided) -> Rejection | None:
    """Cancel an unpaid invoice; for credit that was used it stays owed, or is conceded."""
    invoice = _open_invoice(draft, body.invoice)
    if isinstance(invoice, Rejection):
        return invoice
    if invoice.payable or any(line.paid for line in invoice.lines):
        return Rejection(
            Code.INVOICE_PAID,
            f"invoice {body.invoice} is paid, at least in part: send credit_note.issued instead",
        )
    concede = (body.used_portion or draft.policy.used_portion) is UsedPortion.CONCEDE
    lines = []
    for line in invoice.lines:
        if line.for_credit or line.arrears or line.ratable is not None:
            left = _cancel(draft, body.invoice, invoice.currency, line, concede=concede)
            income = VOID.used
        else:
            left = _mirror(draft, body.invoice, invoice.currency, line)
            income = line.income
        paid = paid_by_credit(line)
        if not concede:  # what stays owed stays paid
            paid = (0, 0) if line.arrears else still_to_come(left) if line.ratable else paid
        left = return_credit(draft, VOID.rule, income, body.invoice, left, *paid)
        lines.append(left)
    _close(draft, body.invoice, invoice, lines)
    return None


@earned_first
def write_off(draft: Draft, body: InvoiceWrittenOff) -> Rejection | None:
    """Cancel what is unused and unpaid, and book the rest of what is open as a loss."""
    invoice: Invoice | None = draft.get(INVOICE, body.invoice)
    if invoice is None:
        return unknown_invoice(body.invoice)
    if all(line.gross == line.paid for line in invoice.lines):
        return Rejection(
            Code.INVOICE_CLOSED, f"nothing of invoice {body.invoice} is open: leave it as it is"
        )
    concede = body.used_portion is UsedPortion.CONCEDE
    account = Account.CONCESSIONS if concede else Account.CREDIT_LOSS
    lines = []
    for line in invoice.lines:
        rest = _cancel(draft, body.invoice, invoice.currency, line, concede=False)
        lines.append(_lose(draft, account, body.invoice, invoice.currency, rest))
    _close(draft, body.invoice, invoice, lines)
    return None


def _open_invoice(draft: Draft, invoice_id: str) -> Invoice | Rejection:
    invoice: Invoice | None = draft.get(INVOICE, invoice_id)
    if invoice is None:
        return unknown_invoice(invoice_id)
    if invoice.closed:
        return Rejection(
            Code.INVOICE_CLOSED, f"invoice {invoice_id} was voided or written off already"
        )
    return invoice


def _cancel(
    draft: Draft, invoice_id: str, currency: str, line: BilledLine, *, concede: bool
) -> BilledLine:
    """Take what is unused and unpaid off a line, and what was used where it is conceded."""
    if line.gross == line.paid:
        return line
    most = _unpaid_and_unused(draft, line)
    cancelled = sum(part for _, part in most)
    if line.booked < line.gross:
        net = line.unbooked if concede else cancelled
        return take_off_unbooked(draft, VOID, invoice_id, line, net, most)
    net_open, tax_open = open_booked(line)
    net = net_open if concede else cancelled
    if net == 0:
        return line
    tax = tax_open if net == net_open else min(taxed_on(line, net), tax_open)
    less, given = take_off(draft, VOID, invoice_id, currency, line, net, tax, most)
    give_back(draft, VOID, given)
    return less


def _unpaid_and_unused(draft: Draft, line: BilledLine) -> list[tuple[str, int]]:
    paid, _ = paid_parts(line)
    left = unused_value if line.booked < line.gross else unused_funded
    later = (UNALLOTTED, line.unallotted(line.amount) - line.unallotted(paid))
    blocks = (
        (block, min(end - start - sold_within(line, block, paid), left(draft, block)))
        for block, start, end in shares(line)
    )
    return [later, *blocks]


def _mirror(draft: Draft, invoice_id: str, currency: str, line: BilledLine) -> BilledLine:
    """Undo what issuing a plain line booked: it was earned by the invoice alone."""
    if line.booked < line.gross:
        return take_off_unbooked(draft, VOID, invoice_id, line, line.unbooked, [])
    back = Back(VOID.rule, VOID.credit, VOID.rule, Account.SUBSCRIPTION, VOID.place)
    net, tax = open_booked(line)
    less, _ = take_off(draft, back, invoice_id, currency, line, net, tax, [])
    return replace(less, conceded=line.conceded)


def _lose(
    draft: Draft, account: Account, invoice_id: str, currency: str, line: BilledLine
) -> BilledLine:
    """What is still open of a line is a loss; its tax was owed, and is lost with it."""
    if line.booked < line.gross:
        back = Back(WRITE_OFF, VOID.credit, WRITE_OFF, account, VOID.place)
        return take_off_unbooked(draft, back, invoice_id, line, line.unbooked, [])
    lost = line.gross - line.paid
    net, tax = open_booked(line)
    draft.begin_entry()
    draft.post(
        WRITE_OFF,
        account,
        Account.RECEIVABLE,
        lost,
        currency,
        {"f": "booked-paid", "booked": line.booked, "paid": line.paid},
        product=line.product,
        invoice=invoice_id,
    )
    return replace(
        line,
        amount=line.amount - net,
        tax=line.tax - tax,
        booked=line.paid,
        taxed=line.taxed - tax,
        conceded=line.conceded + net,
    )


@earned_first
def issue(draft: Draft, body: CreditNoteIssued) -> Rejection | None:
    """Give a part of an invoice back: off what is open, or of what is paid."""
    invoice: Invoice | None = draft.get(INVOICE, body.invoice)
    if invoice is None:
        return unknown_invoice(body.invoice)
    amounts = [_amounts(note, invoice.currency) for note in body.lines]
    named = [known(draft, each.block) for note in body.lines for each in note.blocks]
    refusal = highest(each for each in (*named, *amounts) if isinstance(each, Rejection))
    if refusal is not None:
        return refusal
    if draft.get(CREDIT_NOTE, body.credit_note) is not None:
        return Rejection(
            Code.CREDIT_NOTE_EXISTS,
            f"credit note {body.credit_note} was issued before: use another id",
        )
    lines = {line.line: line for line in invoice.lines}
    back = Back(NOTE, _TO[body.to], NOTE, Account.CONCESSIONS, Place.VOIDED)
    total = 0
    for note, read in zip(body.lines, amounts, strict=True):
        assert not isinstance(read, Rejection)
        if note.line not in lines:
            return Rejection(
                Code.UNKNOWN_LINE, f"invoice {body.invoice} has no line {note.line}: check its id"
            )
        less = _credit(draft, body, back, invoice.currency, lines[note.line], note, read)
        if isinstance(less, Rejection):
            return less
        lines[note.line], money = less
        total += money
    kept = draft.get(BALANCE, invoice.currency) or Balance(0)
    if body.to is CreditTo.BALANCE:
        draft.put(BALANCE, invoice.currency, Balance(kept.amount + total))
    payable = invoice.payable + (total if body.to is CreditTo.REFUND else 0)
    draft.put(INVOICE, body.invoice, replace(invoice, lines=tuple(lines.values()), payable=payable))
    draft.put(CREDIT_NOTE, body.credit_note, CreditNote(body.invoice))
    return None


def _amounts(note: CreditNoteLine, currency: str) -> tuple[int, int] | Rejection:
    """Amount and tax in minor units, of which one at least is above 0."""
    net = minor_units(note.amount, currency)
    tax = minor_units(note.tax or Exact(0, 0), currency)
    if isinstance(net, Rejection):
        return net
    if isinstance(tax, Rejection):
        return tax
    if net + tax == 0:
        return Rejection(
            Code.QUANTITY_NOT_POSITIVE, f"line {note.line} gives nothing back: leave it out"
        )
    return net, tax


def _credit(
    draft: Draft,
    body: CreditNoteIssued,
    back: Back,
    currency: str,
    line: BilledLine,
    note: CreditNoteLine,
    amounts: tuple[int, int],
) -> tuple[BilledLine, int] | Rejection:
    """Take a credit note's line off the invoice's line; how much of it is money.

    Once no money is left on the line, what credit paid of it goes back to that credit.
    """
    net, tax = amounts
    unbooked = body.to is CreditTo.INVOICE and line.booked < line.gross
    if unbooked:
        limit = (line.unbooked, line.tax - line.taxed)
    elif body.to is CreditTo.INVOICE:
        limit = open_booked(line)
    else:
        limit = paid_parts(line)
    credited = max(0, net - limit[0]), max(0, tax - limit[1])
    other = line.paid if body.to is CreditTo.INVOICE else line.gross - line.paid
    most_credited = (0, 0) if other else paid_by_credit(line)
    if credited[0] > most_credited[0] or credited[1] > most_credited[1]:
        left = [str(Exact(part, MINOR_EXPONENT[currency])) for part in limit]
        what = "open" if body.to is CreditTo.INVOICE else "paid"
        return Rejection(
            Code.CREDITED_TOO_MUCH,
            f"only {left[0]} and {left[1]} of tax are {what} on line {line.line}: give back less, "
            "or choose another `to`",
        )
    within = limit[0] if body.to is not CreditTo.INVOICE else None
    most = _chosen(draft, line, note, within)
    if isinstance(most, Rejection):
        return most
    net, tax = net - credited[0], tax - credited[1]
    less = line
    if unbooked:
        less = take_off_unbooked(draft, back, body.invoice, line, net, most[0], tax, most[1])
    elif net or tax:
        less, given = take_off(draft, back, body.invoice, currency, line, net, tax, most[0])
        give_back(draft, back, given, most[1])
        if body.to is not CreditTo.INVOICE:
            less = replace(less, paid=less.paid - net - tax)
    less = return_credit(draft, back.rule, back.used, body.invoice, less, *credited)
    return less, net + tax


def _chosen(
    draft: Draft, line: BilledLine, note: CreditNoteLine, paid: int | None
) -> tuple[list[tuple[str, int]], dict[str, int]] | Rejection:
    """How much each block may give: of its paid part, or of its open part; and named quantities."""
    if paid is None:
        most = dict(_unpaid_and_unused(draft, line))
    else:
        most = {UNALLOTTED: line.unallotted(paid)} | {
            block: min(sold_within(line, block, paid), unused_funded(draft, block))
            for block, _ in line.sells
        }
    units: dict[str, int] = {}
    for each in note.blocks:
        terms = known(draft, each.block)
        if isinstance(terms, Rejection):
            return terms
        if each.block not in most:
            return Rejection(
                Code.UNKNOWN_LINE, f"line {line.line} did not sell block {each.block}: check it"
            )
        if each.quantity is not None:
            amount = unused(draft, each.block, terms, each.quantity)
            if isinstance(amount, Rejection):
                return amount
            units[each.block] = amount
            worth = share(draft.get(BLOCK, each.block), amount)
            most[each.block] = min(most[each.block], worth)
    names = [each.block for each in note.blocks] or list(most)
    return [(name, most[name]) for name in names], units


def _close(draft: Draft, invoice_id: str, invoice: Invoice, lines: list[BilledLine]) -> None:
    draft.put(INVOICE, invoice_id, replace(invoice, lines=tuple(lines), closed=True))
    if all(line.booked == line.gross for line in lines):
        draft.unschedule(Phase.INVOICE_DUE, invoice_id)
