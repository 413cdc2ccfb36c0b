"""What else a customer has than blocks: programs, subscriptions, commitments, statements."""

from __future__ import annotations

from collections.abc import Iterator

from creditfold.contract import snapshots
from creditfold.contract.statement_outputs import OpenStatement
from creditfold.core.calendar import END, local, period
from creditfold.core.catalog import Catalog
from creditfold.core.commitment_notices import forecast
from creditfold.core.commitment_state import COMMITMENT_TERM, CommitmentTerm
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.exact import decimal
from creditfold.core.program_state import ENROLMENT, SUBSCRIPTION, Enrolment, Subscription
from creditfold.core.state import AGENDA, PROFILE, Agenda, Phase, Profile, State
from creditfold.core.statement_state import STATEMENT, Statement
from creditfold.core.statements import id_of
from creditfold.core.times import rfc3339


def programs(state: State, customer: str) -> Iterator[snapshots.Enrolment]:
    """What has been granted by which program, and what is due next."""
    agenda: Agenda = state.get((customer, AGENDA, "")) or Agenda()
    due = {item[2]: item[0] for item in agenda.items if item[1] is Phase.REFILL}
    known: dict[str, Enrolment] = dict(state.scan(customer, ENROLMENT))
    for id_ in sorted({*due, *known}):
        program, _, subject = id_.partition(":")
        record = known.get(id_)
        yield snapshots.Enrolment(
            program=program,
            subscription=None if subject == customer else subject,
            granted=0 if record is None else record.granted,
            covered_until=None if record is None else _instant(record.until),
            next_at=_instant(due.get(id_)),
        )


def subscriptions(
    state: State, catalog: Catalog, customer: str, at: int
) -> Iterator[snapshots.SubscriptionState]:
    """All subscriptions, with what is put off to the end of their period."""
    profile: Profile = state.get((customer, PROFILE, ""))
    zone = catalog.zone(profile.time_zone)
    known: dict[str, Subscription] = dict(state.scan(customer, SUBSCRIPTION))
    for id_, record in known.items():
        pending = record.pending
        ends = period(local(record.anchor, zone), record.period, at, zone)[1]
        yield snapshots.SubscriptionState(
            subscription=id_,
            plan=record.plan,
            status=record.status,
            period_ends_at=_instant(ends if pending is None else pending.at),
            at_period_end=None if pending is None else pending.status,
            next_plan=None if pending is None or pending.change is None else pending.change.plan,
            trial_until=_instant(record.trial_until if record.in_trial(at) else None),
            products=record.products or None,
        )


def next_statement(state: State, customer: str) -> OpenStatement | None:
    """The statement that is open, if one is."""
    known: Statement | None = state.get((customer, STATEMENT, ""))
    if known is None or not known.open:
        return None
    return OpenStatement(
        statement=id_of(customer, known.number),
        from_=rfc3339(known.begin),
        to=rfc3339(known.end),
    )


def commitments(state: State, customer: str, at: int) -> Iterator[snapshots.CommitmentState]:
    """The terms that have begun, by subscription and time."""
    known: dict[str, CommitmentTerm] = dict(state.scan(customer, COMMITMENT_TERM))
    for id_, term in sorted(known.items(), key=lambda each: (each[1].subscription, each[1].begin)):
        agreed = term.agreed
        minor = MINOR_EXPONENT[term.currency]
        yield snapshots.CommitmentState(
            subscription=term.subscription,
            shortfall=id_,
            begins_at=rfc3339(term.begin),
            ends_at=_instant(term.end),
            ended=term.ended,
            unit=agreed.unit,
            committed=decimal(agreed.quantity, agreed.exponent),
            counted=decimal(int(term.counted), agreed.exponent),
            forecast=decimal(forecast(term, at), agreed.exponent),
            currency=term.currency,
            amount=decimal(term.posted, minor),
            to_bill=decimal(term.open, minor),
        )


def _instant(instant: int | None) -> str | None:
    return None if instant is None or instant >= END else rfc3339(instant)
