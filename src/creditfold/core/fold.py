"""The fold: one fact, or one due item, against the state; one outcome with all that it caused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from creditfold.core import (
    blends,
    changes,
    commitments,
    credit_notes,
    customers,
    holds,
    invoices,
    journal,
    late,
    notices,
    overage,
    programs,
    refunds,
    statements,
    subscriptions,
    top_ups,
    transfers,
    usage,
)
from creditfold.core.bodies import CatalogBody, CustomerBody, Fact, PassingBody
from creditfold.core.catalog import Catalog
from creditfold.core.change_facts import (
    CreditAdjusted,
    CreditNoteIssued,
    CreditRefunded,
    CreditVoided,
    ExpiryChanged,
    InvoiceVoided,
    InvoiceWrittenOff,
    PaymentDisputed,
    PaymentRefunded,
)
from creditfold.core.draft import Draft
from creditfold.core.entries import (
    Cause,
    Emitted,
    Notice,
    Outcome,
    Posting,
    Status,
    canonical,
    identity,
    sha256,
)
from creditfold.core.exact import decimal
from creditfold.core.facts import (
    CreditGranted,
    CustomerCreated,
    CustomerUpdated,
    HoldPlaced,
    HoldReleased,
    HoldSettled,
    Malformed,
    UsageCorrected,
    UsageRecorded,
    UsageRetracted,
)
from creditfold.core.invoice_facts import InvoiceIssued, InvoicePaid
from creditfold.core.program_facts import (
    ProgramAttached,
    ProgramDetached,
    ProgramReset,
    SubscriptionCancelled,
    SubscriptionChanged,
    SubscriptionPaused,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionStarted,
)
from creditfold.core.publish import publish
from creditfold.core.rejections import Code, Rejection
from creditfold.core.state import (
    ACCOUNT,
    AGENDA,
    CHAIN,
    SEEN,
    Account,
    Agenda,
    Chain,
    Key,
    Phase,
    Seen,
    State,
    seen_key,
)
from creditfold.core.times import MINUTE, rfc3339
from creditfold.core.top_up_facts import TopUpDeclined
from creditfold.core.transfer_facts import (
    CreditTransferred,
    TransferAccepted,
    TransferOffered,
    TransferReturned,
)

BEHAVIOUR = 1
"""Version of everything that the fold decides; headers carry it, and a replay asks for it."""

AHEAD_MAX = 5 * MINUTE
"""A fact may be this much ahead of the log: hosts' clocks differ."""

_APPLIED: Final = Status.APPLIED  # as `entries.ORIGIN`

CONTENT_BYTES = 16
"""How much of a content's SHA-256 is remembered."""


class Step(Struct, frozen=True, gc=False):
    """An outcome, what it sends, and the records that it sets (None deletes).

    `lines` are the postings, then the notices, as they are hashed and sent.
    """

    outcome: Outcome
    postings: tuple[Posting, ...] = ()
    notices: tuple[Notice, ...] = ()
    lines: tuple[bytes, ...] = ()
    changes: dict[Key, Any] = {}
    catalog_changed: bool = False


def fold(state: State, catalog: Catalog, fact: Fact) -> Step:
    """What the fact does. The customer's items due by `fact.recorded_at` must be folded before.

    A duplicate names the first outcome again; a rejection says why; neither changes a record, and
    a rejected id may be sent again.
    """
    outcome = identity(fact.customer, fact.source, fact.id, rfc3339(fact.time))
    if isinstance(fact.body, Malformed):
        return _refused(fact, outcome, Rejection(fact.body.code, fact.body.detail))
    seen: Seen | None = state.get((fact.customer, SEEN, seen_key(fact.source, fact.id)))
    if seen is not None and (seen.until is None or fact.recorded_at <= seen.until):
        if seen.content == fact.content[:CONTENT_BYTES]:
            return Step(_answer(fact, outcome, Status.DUPLICATE))
        return _refused(
            fact,
            outcome,
            Rejection(Code.ID_REUSED, "another fact has this source and id: give each its own"),
        )
    if fact.time > fact.recorded_at + AHEAD_MAX:
        return _refused(
            fact,
            outcome,
            Rejection(
                Code.TIME_IN_FUTURE,
                f"time is {rfc3339(fact.time)}, but the log is at {rfc3339(fact.recorded_at)}: "
                "check the producer's clock, then send it again",
            ),
        )
    if not fact.customer:
        return _fold_catalog(catalog, fact, outcome)
    return _fold_customer(state, catalog, fact, outcome)


def _fold_catalog(catalog: Catalog, fact: Fact, outcome: str) -> Step:
    body = fact.body
    assert isinstance(body, CatalogBody)
    change = publish(catalog, body, fact.recorded_at)
    if isinstance(change, Rejection):
        return _refused(fact, outcome, change)
    key, record = change
    answer = _answer(fact, outcome, _APPLIED)
    answer.effective_at = rfc3339(fact.time)
    answer.seq, answer.prev = catalog.chain.seq + 1, catalog.chain.head
    answer.hash = _chained(answer)
    seen = Seen(fact.content[:CONTENT_BYTES])
    return Step(
        answer,
        changes={
            key: record,
            ("", SEEN, seen_key(fact.source, fact.id)): seen,
            ("", CHAIN, ""): Chain(answer.seq, answer.hash),
        },
        catalog_changed=True,
    )


def _fold_customer(state: State, catalog: Catalog, fact: Fact, outcome: str) -> Step:
    body = fact.body
    assert isinstance(body, CustomerBody)
    draft = Draft(state, catalog, fact.customer, outcome, fact.time, fact.recorded_at)
    account: Account | None = state.get((fact.customer, ACCOUNT, ""))
    since, until = fact.time, None
    if isinstance(body, PassingBody):
        until = usage.taken_until(draft)
        if until < fact.recorded_at:
            if not (isinstance(body, UsageRecorded) and draft.policy.takes_late):
                return _refused(
                    fact,
                    outcome,
                    Rejection(
                        Code.TOO_LATE,
                        f"time is {rfc3339(fact.time)}, and it was taken until {rfc3339(until)}",
                    ),
                )
            since, until = fact.recorded_at, fact.recorded_at + draft.policy.late_window
            # Its id may have been forgotten, and then it counts again: as another outcome.
            seq = 0 if account is None else account.seq
            draft.outcome = outcome = identity(outcome, f"{seq}")
    refusal = _known(account, fact, body) or _apply(draft, body, fact)
    if refusal is not None:
        step = _refused(fact, outcome, refusal)
        if isinstance(body, TransferOffered):
            # What was offered must come back, and no refusal leaves anything else behind.
            draft = Draft(state, catalog, fact.customer, outcome, fact.time, fact.recorded_at)
            step.outcome.sent = transfers.refused(draft, body, refusal)
        return step
    late.command(draft, body)
    _follow(draft, account, tops_up=type(body) not in _NO_TOP_UP)
    draft.put(
        SEEN,
        seen_key(fact.source, fact.id),
        Seen(fact.content[:CONTENT_BYTES], until, *(draft.stands or ())),
    )
    if isinstance(body, PassingBody):
        if draft.stands is None:
            journal.remember(draft, fact.source, fact.id, since)
        journal.prune(draft)
    return _committed(draft, _answer(fact, outcome, _APPLIED), fact.time)


def _follow(draft: Draft, before: Account | None, *, tops_up: bool = True) -> None:
    """What follows from any outcome, for a customer who has that."""
    account = draft.account
    if account.commitments:
        commitments.count(draft)
    if account.carried:
        overage.schedule_repayment(draft)
    if draft.counted:
        statements.count(draft)
    notices.watch(draft, before)
    if account.tops_up and tops_up:
        top_ups.ask(draft)


def _known(account: Account | None, fact: Fact, body: CustomerBody) -> Rejection | None:
    if isinstance(body, CustomerCreated):
        if account is not None:
            return Rejection(
                Code.CUSTOMER_EXISTS,
                f"customer {fact.customer} exists: send customer.updated to change it",
            )
        return None
    if account is None:
        return Rejection(
            Code.UNKNOWN_CUSTOMER,
            f"customer {fact.customer} is not known: send customer.created, then this again",
        )
    if fact.time < account.created_at:
        return Rejection(
            Code.BEFORE_CUSTOMER,
            f"time is {rfc3339(fact.time)}, the customer begins {rfc3339(account.created_at)}",
        )
    return None


_NO_TOP_UP = (CustomerCreated, TopUpDeclined)
"""Whose customers are asked by what comes after."""

_HANDLERS: dict[type[Any], Callable[[Draft, Any], Rejection | None]] = {
    CustomerCreated: customers.create,
    CustomerUpdated: customers.update,
    CreditGranted: blends.grant,
    CreditVoided: changes.void,
    CreditAdjusted: changes.adjust,
    ExpiryChanged: changes.change_expiry,
    CreditRefunded: refunds.refund_credit,
    HoldPlaced: holds.place,
    HoldReleased: holds.release,
    TopUpDeclined: top_ups.decline,
    InvoiceIssued: invoices.issue,
    InvoicePaid: invoices.pay,
    InvoiceVoided: credit_notes.void,
    InvoiceWrittenOff: credit_notes.write_off,
    CreditNoteIssued: credit_notes.issue,
    PaymentRefunded: refunds.refund_payment,
    CreditTransferred: transfers.send,
    TransferOffered: transfers.take,
    TransferAccepted: transfers.settle,
    TransferReturned: transfers.restore,
    ProgramAttached: programs.attach,
    ProgramDetached: programs.detach,
    ProgramReset: programs.reset,
    SubscriptionStarted: subscriptions.start,
    SubscriptionChanged: subscriptions.change,
    SubscriptionRenewed: subscriptions.renew,
    SubscriptionPaused: subscriptions.pause,
    SubscriptionResumed: subscriptions.resume,
    SubscriptionCancelled: subscriptions.cancel,
    PaymentDisputed: refunds.lose_dispute,
}


def _apply(draft: Draft, body: CustomerBody, fact: Fact) -> Rejection | None:
    match body:
        case UsageRecorded():
            return usage.record(draft, body, fact.source, fact.id)
        case HoldSettled():
            return usage.settle(draft, body, fact.source, fact.id)
        case UsageCorrected() | UsageRetracted():
            return usage.correct(draft, body)
        case _:
            return _HANDLERS[type(body)](draft, body)


def fold_due(state: State, catalog: Catalog, customer: str, until: int, now: int) -> Step | None:
    """The customer's next due item at or before `until`, or None where nothing is due.

    What falls due does so at its own instant, whatever `until` and `now` are: they decide when
    it is recorded, and nothing else.
    """
    account: Account | None = state.get((customer, ACCOUNT, ""))
    if account is None or account.next_due is None or account.next_due > until:
        return None
    agenda: Agenda = state.get((customer, AGENDA, ""))
    instant, phase, subject = agenda.items[0]
    at = rfc3339(instant)
    what = Phase(phase).name.lower()
    outcome = identity(customer, "clock", at, what, subject)
    draft = Draft(state, catalog, customer, outcome, instant, now, by_clock=True)
    late.due(draft, Phase(phase), subject)
    _follow(draft, account)
    answer = Outcome(
        outcome=outcome,
        status=_APPLIED,
        cause=Cause(clock=at, due=f"{what} {subject}"),
        customer=customer,
    )
    return _committed(draft, answer, instant)


def _answer(fact: Fact, outcome: str, status: Status) -> Outcome:
    cause = Cause(fact.source, fact.id, fact.type, fact.content.hex())
    return Outcome(outcome, status, cause, fact.customer or None)


def _refused(fact: Fact, outcome: str, rejection: Rejection) -> Step:
    answer = _answer(fact, outcome, Status.REJECTED)
    answer.code, answer.detail = rejection.code, rejection.detail
    return Step(answer)


def _committed(draft: Draft, answer: Outcome, effective: int) -> Step:
    account = draft.account
    exponent = draft.catalog.exponent
    balances = {u: decimal(n, exponent(u) or 0) for u, n in account.usable.items()}
    answer.effective_at = rfc3339(effective)
    answer.entries = tuple(draft.entries)
    answer.overage = tuple(draft.overage)
    answer.shortfalls = tuple(draft.shortfalls)
    answer.sent = tuple(draft.sent)
    answer.balances = balances
    lines: tuple[bytes, ...] = ()
    if draft.postings or draft.notices:
        lines = tuple(map(canonical, (*draft.postings, *draft.notices)))
        answer.emitted = Emitted(len(draft.postings), len(draft.notices), sha256(*lines))
    answer.seq = account.seq = account.seq + 1
    answer.prev = account.head
    answer.hash = account.head = _chained(answer)
    return Step(answer, tuple(draft.postings), tuple(draft.notices), lines, draft.changes)


def _chained(answer: Outcome) -> str:
    """The customer's next chain head: the outcome's content, the head before it included."""
    return sha256(canonical(answer))
