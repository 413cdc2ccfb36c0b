"""Lines that fund a program: each block that it grants in a range of time has a part of the line.

What is booked of the line and no block has yet stands in 2020. A block's part is its value, and
goes to 2000 as it is granted (R-TRANCHE). Parts go by running total: 83.33, 83.34, 83.33.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.enrolment import Subject, grid, next_due, subject, unknown_subscription
from creditfold.core.facts import Kind
from creditfold.core.invoice_facts import InvoiceIssued, InvoiceLine, ProgramFunding
from creditfold.core.invoice_state import (
    FUNDED,
    INVOICE,
    BilledLine,
    Funded,
    Invoice,
    Ratable,
    Tranches,
)
from creditfold.core.policy_facts import IncludedTreatment
from creditfold.core.program_facts import Program
from creditfold.core.program_state import ENROLMENT, SUBSCRIPTION, Enrolment
from creditfold.core.ratable import spread
from creditfold.core.rejections import Code, Rejection
from creditfold.core.rolled_funding import post_late_funding
from creditfold.core.state import TERMS, WALLET, Phase, Terms, Wallet
from creditfold.core.wallet import reorder

TRANCHE = "R-TRANCHE"

GRANTS_MAX = 10_000
"""A line that funds more grants than this is a slip of the pen."""


def read(
    draft: Draft, body: InvoiceIssued, wire: InvoiceLine, funds: ProgramFunding, amount: int
) -> Tranches | Ratable | Rejection:
    """For how many grants the line is, or why for none; or that it is for access to them."""
    found = _subject(draft, funds)
    if isinstance(found, Rejection):
        return found
    known: Enrolment | None = draft.get(ENROLMENT, found.id)
    blocks = list(_granted(draft, found.id, funds.start, funds.end))
    granted = len(blocks)
    coming = 0
    instant = next_due(draft, found, known)
    terms = None
    while instant is not None and instant < funds.end and coming <= GRANTS_MAX:
        terms = found.at(instant) or terms
        if terms is None:
            break
        coming += instant >= funds.start
        held = grid(draft, found, terms, instant if known is None else known.first, instant)
        instant = None if held is None else found.next_match(held[1])
    if granted + coming > GRANTS_MAX:
        return Rejection(
            Code.QUANTITY_OUT_OF_RANGE,
            f"line {wire.line} would fund more than {GRANTS_MAX} grants: check from and to",
        )
    if not granted + coming:
        return Rejection(
            Code.FUNDS_NOTHING,
            f"line {wire.line} funds program {funds.program}, which grants nothing from from to to",
        )
    refusal = None if terms is None else _unfundable(draft, body, wire, terms)
    if refusal is not None:
        return refusal
    kind = draft.granted(blocks[-1]).kind if terms is None else terms.grant.kind
    if kind is Kind.INCLUDED and draft.policy.included_treatment is IncludedTreatment.RATABLE:
        return spread(draft, funds.start, funds.end, funds.subscription)
    return Tranches(found.id, funds.start, funds.end, amount, granted + coming)


def _subject(draft: Draft, funds: ProgramFunding) -> Subject | Rejection:
    found = subject(draft, funds.enrolment(draft.customer))
    if found is not None and found.spans:
        return found
    if funds.subscription is not None and draft.get(SUBSCRIPTION, funds.subscription) is None:
        return unknown_subscription(funds.subscription)
    whom = "the customer" if funds.subscription is None else f"subscription {funds.subscription}"
    return Rejection(
        Code.UNKNOWN_PROGRAM, f"program {funds.program} is not known, or is not for {whom}"
    )


def _unfundable(
    draft: Draft, body: InvoiceIssued, wire: InvoiceLine, terms: Program
) -> Rejection | None:
    """Why the program's blocks are not the line's to price."""
    grant = terms.grant
    currency = draft.account.currency if grant.value is None else grant.value.currency
    if not _priced_by_lines(grant.kind):
        return Rejection(
            Code.VALUE_NOT_FREE,
            f"line {wire.line} funds credit that is {grant.kind}: nobody pays for that",
        )
    if currency != body.currency:
        return Rejection(
            Code.CURRENCY_DIFFERS,
            f"the program's credit is priced in {currency}, the invoice is in {body.currency}",
        )
    if grant.value is not None and grant.value.amount.coefficient:
        return Rejection(
            Code.LINE_AMBIGUOUS,
            f"line {wire.line} funds blocks that have a price of their own: let lines sell them",
        )
    return None


def _priced_by_lines(kind: Kind) -> bool:
    return kind is not Kind.PROMOTIONAL and not kind.compensates


def _granted(draft: Draft, enrolment: str, start: int, end: int) -> Iterator[str]:
    """The program's blocks that began in [start, end), oldest first."""
    known: Enrolment | None = draft.get(ENROLMENT, enrolment)
    found = []
    for number in range(0 if known is None else known.granted, 0, -1):
        block_id = f"{enrolment}:{number}"
        terms = draft.terms(block_id)
        if terms is None or terms.enrolment != enrolment:
            continue  # the id was another's
        if terms.granted_at < start:
            break
        if terms.granted_at < end:
            found.append(block_id)
    yield from reversed(found)


def begin(draft: Draft, invoice: str, currency: str, line: BilledLine) -> BilledLine:
    """Fund what was granted already, and note what is to come."""
    tranches = line.tranches
    assert tranches is not None
    known: Funded = draft.get(FUNDED, tranches.enrolment) or Funded(())
    lines = (*known.lines, (invoice, line.line))
    draft.put(FUNDED, tranches.enrolment, Funded(lines))
    for block_id in _granted(draft, tranches.enrolment, tranches.start, tranches.end):
        line = _allot(draft, invoice, currency, line, block_id)
    _plan(draft, tranches.enrolment, (tranches.end,))
    return line


def fund(draft: Draft, enrolment: str, block_id: str) -> None:
    """A block was granted: it has its part of the lines that are for its time."""
    known: Funded | None = draft.get(FUNDED, enrolment)
    for invoice_id, line_id in () if known is None else known.lines:
        invoice: Invoice = draft.get(INVOICE, invoice_id)
        lines = tuple(
            _allot(draft, invoice_id, invoice.currency, line, block_id)
            if line.line == line_id and _covers(line, draft.granted(block_id))
            else line
            for line in invoice.lines
        )
        draft.put(INVOICE, invoice_id, replace(invoice, lines=lines))


def _covers(line: BilledLine, terms: Terms) -> bool:
    tranches = line.tranches
    assert tranches is not None
    return tranches.start <= terms.granted_at < tranches.end


def _allot(
    draft: Draft, invoice: str, currency: str, line: BilledLine, block_id: str
) -> BilledLine:
    """Give the block the next part of the line: its value, and what is booked of it."""
    terms, block = draft.granted(block_id), draft.edit_block(block_id)
    tranches = line.tranches
    assert tranches is not None
    if not _priced_by_lines(terms.kind) or terms.currency != currency:
        return line
    amount = tranches.next
    given = replace(tranches, done=tranches.done + 1, given=tranches.given + amount)
    if not amount:
        return replace(line, tranches=given)
    begin_, net = line.allotted, line.booked - line.taxed + line.conceded
    _price(draft, block_id, terms, amount)
    block.value += amount
    block.sold += amount
    block.lines = (*block.lines, (invoice, line.line))
    booked = max(0, min(net, begin_ + amount) - begin_)
    draft.begin_entry()
    revenue.post_funding(draft, TRANCHE, Account.UNALLOTTED, block_id, booked, invoice)
    revenue.post_respread(draft, TRANCHE, block_id, terms)
    post_late_funding(draft, block_id, invoice)
    return replace(line, sells=(*line.sells, (block_id, amount)), tranches=given)


def _price(draft: Draft, block_id: str, terms: Terms, amount: int) -> None:
    """The block has a price (more): it is not free, and those that may pay stand by that."""
    terms = replace(terms, tranche=terms.tranche + amount)
    draft.put(TERMS, block_id, terms)
    wallet: Wallet | None = draft.get(WALLET)
    if wallet is not None and block_id in wallet.blocks:
        reorder(draft, block_id, terms)


def end(draft: Draft, enrolment: str) -> None:
    """What no block has had by the end of a line's range is earned: no right to it is left."""
    known: Funded = draft.get(FUNDED, enrolment)
    kept = []
    for invoice_id, line_id in known.lines:
        invoice: Invoice = draft.get(INVOICE, invoice_id)
        lines = []
        for line in invoice.lines:
            left = line
            if line.line == line_id and line.tranches is not None:
                if line.tranches.end > draft.time:
                    kept.append((invoice_id, line_id, line.tranches.end))
                else:
                    left = _lapse(draft, invoice_id, invoice.currency, line)
            lines.append(left)
        draft.put(INVOICE, invoice_id, replace(invoice, lines=tuple(lines)))
    left_ = tuple((invoice_id, line_id) for invoice_id, line_id, _ in kept)
    draft.put(FUNDED, enrolment, Funded(left_) if left_ else None)
    _plan(draft, enrolment, tuple(ends for *_, ends in kept))


def _lapse(draft: Draft, invoice: str, currency: str, line: BilledLine) -> BilledLine:
    tranches = line.tranches
    assert tranches is not None
    net = line.booked - line.taxed
    rest = line.unallotted(net)
    draft.begin_entry()
    draft.post(
        revenue.EXPIRE,
        Account.UNALLOTTED,
        Account.BREAKAGE,
        rest,
        currency,
        {"f": "net0-net1", "net0": net, "net1": net - rest},
        effective=draft.time - 1,
        invoice=invoice,
    )
    return replace(line, tranches=replace(tranches, ended=True))


def _plan(draft: Draft, enrolment: str, ends: tuple[int, ...]) -> None:
    """See to the earliest end of what funds the program."""
    agenda = [item[0] for item in draft.due(Phase.TRANCHES_END, enrolment)]
    if ends:
        draft.reschedule(
            Phase.TRANCHES_END,
            (enrolment,),
            [(max(draft.present, min((*agenda, *ends))), Phase.TRANCHES_END, enrolment)],
        )
