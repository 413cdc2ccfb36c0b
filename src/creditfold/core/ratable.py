"""Lines that are earned over a period: what is booked of them and not earned stands in 2020.

Of A minor units, with x of the period gone by, `HE(A*x)` is earned (4030): x is the share of the
time, or of the months, of which each counts the same. It is posted at each month's end, at the
period's end, and before anything else changes the line. What is earned and not booked is unbilled.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from typing import Protocol, TypeVar

from msgspec.structs import replace

from creditfold.core.calendar import END, Every, period
from creditfold.core.chart import Account
from creditfold.core.draft import Draft
from creditfold.core.invoice_state import INVOICE, BilledLine, Invoice, Ratable
from creditfold.core.policy_facts import RatableBasis
from creditfold.core.rejections import Rejection
from creditfold.core.state import AGENDA, Agenda, Phase
from creditfold.core.times import date

RATABLE = "R-RATABLE"
RATABLE_UNFUNDED = "R-RATABLE-UNFUNDED"

_MONTH = Every(months=1)


def spread(draft: Draft, start: int, end: int, subscription: str | None) -> Ratable:
    """A line is to be earned over [start, end), by the policy of now."""
    return Ratable(start, end, draft.policy.ratable_basis is RatableBasis.MONTHS, subscription)


def gone(ratable: Ratable, at: int) -> Fraction:
    """How much of the period has gone by at the instant."""
    at = min(max(at, ratable.start), ratable.end)
    if not ratable.by_months:
        return Fraction(at - ratable.start, ratable.end - ratable.start)
    first = _months(ratable.start)
    return Fraction(_months(at) - first, _months(ratable.end) - first)


def _months(instant: int) -> Fraction:
    """Months of the calendar, the one that the instant lies in as far as it is over."""
    begin, end = _month(instant)
    year, month, _ = map(int, date(begin).split("-"))
    return year * 12 + month + Fraction(instant - begin, end - begin)


def _month(instant: int) -> tuple[int, int]:
    return period(0, _MONTH, instant, _utc)


def _utc(_: int) -> int:
    """Books are kept in UTC."""
    return 0


# What falls due


def begin(draft: Draft, invoice: str, currency: str, line: BilledLine) -> BilledLine:
    """Months that ended before the invoice came have their part: it was not billed yet."""
    ratable = line.ratable
    assert ratable is not None
    at = ratable.start
    while at < ratable.end and (at := _next(ratable, at)) <= draft.present:
        line = _earn(draft, invoice, currency, line, at, at - 1)
    return line


def _next(ratable: Ratable, at: int) -> int:
    """When the next part is earned, after the instant."""
    return min(_month(max(at, ratable.start))[1], ratable.end)


def fall_due(draft: Draft, invoice_id: str) -> None:
    """A month or a period has ended: its part is earned, dated in the moment before."""
    _bring_up(draft, invoice_id, draft.time - 1)
    plan(draft, invoice_id)


def plan(draft: Draft, invoice_id: str) -> None:
    """See to the next part that is to be earned of the invoice, if any is."""
    invoice: Invoice = draft.get(INVOICE, invoice_id)
    ends = [
        _next(line.ratable, draft.present)
        for line in invoice.lines
        if line.ratable is not None
        and line.worth != line.ratable.earned
        and draft.present < line.ratable.end
    ]
    items = [(min(ends), Phase.RATABLE, invoice_id)] if ends and min(ends) < END else []
    draft.reschedule(Phase.RATABLE, (invoice_id,), items)


class _OfInvoice(Protocol):
    """A body about an invoice."""

    @property
    def invoice(self) -> str: ...


_Body = TypeVar("_Body", bound=_OfInvoice)
_Handler = Callable[[Draft, _Body], Rejection | None]


def earned_first(change: _Handler[_Body]) -> _Handler[_Body]:
    """What was delivered of an invoice is earned before the change, and the rest planned anew."""

    @wraps(change)
    def changed(draft: Draft, body: _Body) -> Rejection | None:
        if draft.get(INVOICE, body.invoice) is None:
            return change(draft, body)
        _bring_up(draft, body.invoice, None)
        refusal = change(draft, body)
        if refusal is None:
            plan(draft, body.invoice)
        return refusal

    return changed


def end_early(draft: Draft, subscription: str) -> None:
    """The subscription ended: nothing is owed for the rest of its lines, so it is earned."""
    agenda: Agenda = draft.get(AGENDA) or Agenda()
    for _, phase, invoice_id in agenda.items:
        if phase is not Phase.RATABLE:
            continue
        invoice = _bring_up(draft, invoice_id, draft.time - 1)
        lines = tuple(
            _end(draft, invoice_id, invoice.currency, line)
            if line.ratable is not None and line.ratable.subscription == subscription
            else line
            for line in invoice.lines
        )
        draft.put(INVOICE, invoice_id, replace(invoice, lines=lines))
        plan(draft, invoice_id)


def _end(draft: Draft, invoice: str, currency: str, line: BilledLine) -> BilledLine:
    ratable = line.ratable
    assert ratable is not None
    rest = line.worth - ratable.earned
    proof: dict[str, str | int] = {"f": "V-earned0", "V": line.worth, "earned0": ratable.earned}
    line = _post(draft, invoice, currency, line, rest, proof, draft.time - 1)
    assert line.ratable is not None
    return replace(line, ratable=replace(line.ratable, early=ratable.early + rest, ended=True))


# Money


def _bring_up(draft: Draft, invoice_id: str, effective: int | None) -> Invoice:
    """Post what is earned of the invoice by the draft's time."""
    invoice: Invoice = draft.get(INVOICE, invoice_id)
    lines = tuple(
        _earn(draft, invoice_id, invoice.currency, line, draft.time, effective)
        if line.ratable is not None
        else line
        for line in invoice.lines
    )
    if lines != invoice.lines:
        invoice = replace(invoice, lines=lines)
        draft.put(INVOICE, invoice_id, invoice)
    return invoice


def _earn(
    draft: Draft, invoice: str, currency: str, line: BilledLine, at: int, effective: int | None
) -> BilledLine:
    """Bring what is earned of the line to its share; what went back of it waits for time."""
    ratable = line.ratable
    assert ratable is not None
    share = gone(ratable, at)
    target = round(line.worth * share)
    if abs(target) <= abs(ratable.earned):
        return line
    proof: dict[str, str | int] = {
        "f": "HE(V*gone/of)-earned0",
        "V": line.worth,
        "gone": str(share.numerator),
        "of": str(share.denominator),
        "earned0": ratable.earned,
    }
    return _post(draft, invoice, currency, line, target - ratable.earned, proof, effective)


def _post(
    draft: Draft,
    invoice: str,
    currency: str,
    line: BilledLine,
    more: int,
    proof: dict[str, str | int],
    effective: int | None,
) -> BilledLine:
    """So much more of the line is revenue."""
    ratable = line.ratable
    assert ratable is not None
    draft.begin_entry()
    for account, part in line.sides(-more):
        draft.post(
            RATABLE if account is Account.UNALLOTTED else RATABLE_UNFUNDED,
            account if more > 0 else Account.SUBSCRIPTION,
            Account.SUBSCRIPTION if more > 0 else account,
            part,
            currency,
            {**proof, "deferred": line.deferred},
            effective=effective,
            product=line.product,
            invoice=invoice,
            contract=ratable.subscription,
        )
    return replace(line, ratable=replace(ratable, earned=ratable.earned + more))
