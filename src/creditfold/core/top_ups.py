"""Top-ups: what to ask for when a balance is low, once for the whole gap."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from creditfold.core.draft import Draft
from creditfold.core.exact import decimal
from creditfold.core.facts import CreditGranted
from creditfold.core.notices import tell
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import (
    Phase,
)
from creditfold.core.top_up_facts import TopUpDeclined
from creditfold.core.top_up_state import TOP_UP, TopUps, TopUpTerms

PENDING_MAX = 100
"""So many unanswered requests of a unit mean that nobody answers: no more are made."""


def arrange(draft: Draft, terms: Mapping[str, TopUpTerms | None]) -> None:
    """Ask by these terms from now on; None is no more. What was asked for stays pending."""
    account = draft.account
    units = set(account.tops_up)
    for unit, these in terms.items():
        known: TopUps | None = draft.get(TOP_UP, unit)
        draft.put(TOP_UP, unit, TopUps(these) if known is None else replace(known, terms=these))
        if these is None:
            units.discard(unit)
        else:
            units.add(unit)
    account.tops_up = tuple(sorted(units))


def ask(draft: Draft) -> None:
    """Ask for what is missing, after the last that is due at this instant.

    So credit that expires and credit that is granted at one instant make no gap in between.
    """
    account = draft.account
    if account.next_due is None or account.next_due > draft.present:
        for unit in account.tops_up:
            _ask(draft, unit)


def _ask(draft: Draft, unit: str) -> None:
    known: TopUps = draft.get(TOP_UP, unit)
    terms, pending = known.terms, known.pending
    assert terms is not None
    if draft.present < known.next_at or known.short in pending or len(pending) == PENDING_MAX:
        return
    balance = _balance(draft, unit) + sum(pending.values())
    if balance > terms.threshold:
        return
    wanted = _wanted(terms, balance)
    exponent = draft.catalog.exponent(unit)
    assert exponent is not None
    tell(
        draft,
        "top_up_wanted",
        unit=unit,
        quantity=decimal(wanted, exponent),
        threshold=decimal(terms.threshold, exponent),
    )
    notice = draft.notices[-1].notice
    short = notice if balance + wanted <= terms.threshold else ""
    known = replace(known, pending={**pending, notice: wanted}, short=short)
    _wait(draft, unit, known, draft.present + terms.cooldown)


def _balance(draft: Draft, unit: str) -> int:
    """What is usable or waits for its payment, less what holds have of the credit limit, and less
    what would repay carried overage."""
    account = draft.account
    aside = account.on_credit.get(unit, 0) + account.owed.get(unit, 0)
    return account.usable.get(unit, 0) + account.unpaid.get(unit, 0) - aside


def _wanted(terms: TopUpTerms, balance: int) -> int:
    """The smallest multiple of `add` that ends above the threshold, or what the target lacks."""
    if terms.add is None:
        assert terms.target is not None
        return min(max(terms.target - balance, terms.min), terms.max)
    times = (terms.threshold - balance) // terms.add + 1
    least, most = -(-terms.min // terms.add), terms.max // terms.add
    return min(max(times, least), most) * terms.add


def _wait(draft: Draft, unit: str, known: TopUps, until: int) -> None:
    """Ask for nothing before then, and look again then."""
    if until > max(draft.present, known.next_at):
        known = replace(known, next_at=until)
        draft.unschedule(Phase.TOP_UP, unit)
        draft.schedule((until, Phase.TOP_UP, unit))
    draft.put(TOP_UP, unit, known)


def receive(draft: Draft, body: CreditGranted) -> Rejection | None:
    """A grant answers what was asked for, whatever its quantity."""
    if body.tops_up is None:
        return None
    known: TopUps | None = draft.get(TOP_UP, body.unit)
    if known is None or body.tops_up not in known.pending:
        return _unknown(f"of {body.unit} under notice {body.tops_up}")
    draft.put(TOP_UP, body.unit, _answered(known, body.tops_up))
    return None


def decline(draft: Draft, body: TopUpDeclined) -> Rejection | None:
    """It does not come: the gap is open again, and the next fact asks, or the clock in time."""
    for unit, _ in draft.scan(TOP_UP):
        known: TopUps = draft.get(TOP_UP, unit)
        if body.notice in known.pending:
            until = draft.time + body.retry_after if body.retry_after else known.next_at
            _wait(draft, unit, _answered(known, body.notice), until)
            return None
    return _unknown(f"under notice {body.notice}")


def _answered(known: TopUps, notice: str) -> TopUps:
    return replace(known, pending={n: amount for n, amount in known.pending.items() if n != notice})


def _unknown(which: str) -> Rejection:
    return Rejection(
        Code.UNKNOWN_TOP_UP,
        f"no top-up {which} is pending: it was never asked for, or was answered already; "
        "credit without tops_up is taken",
    )
