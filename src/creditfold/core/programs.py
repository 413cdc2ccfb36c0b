"""Programs: what they grant when it is due, and what facts and publications change of that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from creditfold.core import blocks, overage, revenue, rollover, tranches
from creditfold.core.calendar import END, Until, after, local
from creditfold.core.catalog import Catalog
from creditfold.core.changes import FORFEIT
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.enrolment import (
    Subject,
    grid,
    known_programs,
    next_due,
    periods,
    subject,
    subjects,
)
from creditfold.core.entries import Notice, Place
from creditfold.core.exact import Exact, half_even
from creditfold.core.facts import CreditGranted, Money
from creditfold.core.program_facts import Program, ProgramAttached, ProgramDetached, ProgramReset
from creditfold.core.program_state import ATTACHMENT, ENROLMENT, Attachment, Cut, Enrolment
from creditfold.core.rejections import Code, Rejection
from creditfold.core.release import release
from creditfold.core.state import (
    ACCOUNT,
    AGENDA,
    PROFILE,
    Account,
    Agenda,
    Item,
    Key,
    Phase,
    Profile,
    State,
)
from creditfold.core.times import rfc3339
from creditfold.core.uncovered import GivenOverage, Reach


def plan(draft: Draft, programs: Iterable[str] | None = None) -> None:
    """Put on the agenda what these programs (all, unless named) grant next to the customer.

    Whatever changes who matches calls it, so that nobody has to ask for a grant.
    """
    chosen = set(known_programs(draft) if programs is None else programs)
    agenda: Agenda = draft.get(AGENDA) or Agenda()
    gone = {item[2] for item in agenda.items if item[2].partition(":")[0] in chosen}
    items = (
        item
        for program in chosen
        for found in subjects(draft, program)
        for item in _next(draft, found)
    )
    draft.reschedule(Phase.REFILL, gone, items)


def look(state: State, catalog: Catalog, customer: str, until: int) -> dict[Key, Any]:
    """What a customer's records become as its log learns of the next publication of a program.

    It does so at the instant of the publication, after what was due by then. Nothing where it
    knows all that was published by `until`, or has something due before that.
    """
    account: Account | None = state.get((customer, ACCOUNT, ""))
    if account is None or account.looked == len(catalog.rounds):
        return {}
    published, program = catalog.rounds[account.looked]
    if published > until or (account.next_due is not None and account.next_due <= published):
        return {}
    draft = Draft(state, catalog, customer, "", published, published, by_clock=True)
    draft.account.looked += 1
    plan(draft, (program,))
    return draft.changes


def fall_due(draft: Draft, enrolment: str) -> None:
    """A grant is due, or what was granted ends early and is cut to its share."""
    known: Enrolment | None = draft.get(ENROLMENT, enrolment)
    found = subject(draft, enrolment)
    assert found is not None, f"{enrolment} is due, and its program does not see it"
    if known is not None and draft.time < known.until:
        _cut(draft, enrolment, known)
    else:
        terms = found.at(draft.time)
        assert terms is not None, f"{enrolment} is due, and its program does not grant"
        if terms.resets:
            rollover.reset(draft, enrolment)
        if known is not None:
            _drop(draft, terms)
        _grant(draft, found, terms, known)
    # Nothing of this changes who matches, so the program's other subjects stay as they are planned.
    draft.reschedule(Phase.REFILL, (enrolment,), _next(draft, found))


def _drop(draft: Draft, terms: Program) -> None:
    """Nobody owes any more what the period that ends has left open, where the terms say so."""
    if terms.drops:
        overage.drop(draft, Reach(terms.grant.unit, terms.grant.scope))


def _next(draft: Draft, found: Subject) -> list[Item]:
    """What the program grants next to the subject, as an item of the agenda."""
    due = next_due(draft, found, draft.get(ENROLMENT, found.id))
    return [(due, Phase.REFILL, found.id)] if due is not None and due < END else []


def _grant(
    draft: Draft,
    found: Subject,
    terms: Program,
    known: Enrolment | None,
    *,
    whole: bool = False,
) -> None:
    """Make the block of the period that begins, or of what is left of it."""
    begin = draft.time
    first = begin if known is None else known.first
    held = grid(draft, found, terms, first, begin)
    period_begin, until = (begin, END) if held is None else held
    length = until - period_begin
    share_from = begin if terms.proration.first and held and not whole else period_begin
    share_to = until
    if terms.proration.last and held is not None:
        share_to = until = min(until, found.match_end(begin))
    body = _prorated(terms.grant, draft, share_to - share_from, length)
    latest = found.latest(terms)
    expires_at = _expires_at(draft, found, terms, END if held is None else held[1])
    if latest < END:
        expires_at = latest if expires_at is None else min(expires_at, latest)
    number = 1 if known is None else known.granted + 1
    while not blocks.free(draft, f"{found.id}:{number}"):
        number += 1
    cut = None
    if body is not None and (expires_at is None or expires_at > begin):
        block = f"{found.id}:{number}"
        body = replace(body, block=block, effective_at=begin, expires_at=expires_at)
        refusal = blocks.grant(draft, body, found.id, periods(draft, found, terms, first))
        if refusal is None and not whole:
            tranches.fund(draft, found.id, block)
        if refusal is not None:
            _refused(draft, found, body, refusal)
        elif terms.proration.last and held is not None:
            cut = Cut(block, _steps(draft, terms.grant), share_from, length)
    draft.put(ENROLMENT, found.id, Enrolment(number, first, until, cut))
    reach = Reach(terms.grant.unit, terms.grant.scope)
    counts_until = min(until, latest)
    given = None if terms.overage is None else GivenOverage(terms.overage, reach, counts_until)
    _give_overage(draft, found.id, given)


def _give_overage(draft: Draft, enrolment: str, given: GivenOverage | None) -> None:
    """What the program now says of usage that no credit covers."""
    profile: Profile = draft.get(PROFILE)
    if profile.overage_by.get(enrolment) != given:
        others = {id_: each for id_, each in profile.overage_by.items() if id_ != enrolment}
        changed = others if given is None else {**others, enrolment: given}
        draft.put(PROFILE, "", replace(profile, overage_by=changed))


def _steps(draft: Draft, grant: CreditGranted) -> int:
    exponent = draft.catalog.exponent(grant.unit)
    assert exponent is not None, f"a program in undeclared unit {grant.unit} was published"
    steps = grant.quantity.scaled(exponent)
    assert steps is not None, "a program with an inexact quantity was published"
    return steps


def _prorated(grant: CreditGranted, draft: Draft, share: int, length: int) -> CreditGranted | None:
    """The grant for `share` of a period's `length`; None where that rounds to nothing."""
    if share == length:
        return grant
    exponent = draft.catalog.exponent(grant.unit)
    assert exponent is not None
    steps = half_even(_steps(draft, grant) * share, length)
    if not steps:
        return None
    value = grant.value
    if value is not None:
        minor = MINOR_EXPONENT[value.currency]
        whole = value.amount.scaled(minor)
        assert whole is not None, "a program with an inexact value was published"
        value = Money(Exact(half_even(whole * share, length), minor), value.currency)
    return replace(grant, quantity=Exact(steps, exponent), value=value)


def _expires_at(draft: Draft, found: Subject, terms: Program, until: int) -> int | None:
    expires = terms.expires
    if expires is Until.NEVER:
        return None
    if expires is Until.PERIOD_END:
        return until
    if isinstance(expires, int):
        return expires
    assert not isinstance(expires, Until)
    zone = draft.catalog.zone(found.zone_name)
    ends = after(local(draft.time, zone), expires, 1, zone)
    return ends if ends < END else None


def _refused(draft: Draft, found: Subject, body: CreditGranted, refusal: Rejection) -> None:
    """A grant that cannot be made is told, and the next is due as if it had been."""
    draft.notices.append(
        Notice(
            notice=f"{draft.outcome}.n{len(draft.notices) + 1}",
            what="grant_refused",
            customer=draft.customer,
            outcome=draft.outcome,
            effective_at=rfc3339(draft.time),
            quantity=str(body.quantity),
            unit=body.unit,
            block=body.block,
            program=found.id.partition(":")[0],
            code=refusal.code,
            detail=refusal.detail,
        )
    )


def _cut(draft: Draft, enrolment: str, known: Enrolment) -> None:
    """Who leaves within a period keeps the share of the time until then, and what was drawn."""
    cut = known.cut
    assert cut is not None, f"{enrolment} ends early, and nothing is to be cut"
    terms = draft.granted(cut.block)
    block = draft.edit_block(cut.block)
    share = half_even(cut.whole * max(0, draft.time - cut.begin), cut.length)
    excess = min(block.unused, block.quantity - share)
    if excess > 0:
        # Voided, not expired: its interval goes on, and usage within it must not take it back.
        release(draft, cut.block, terms, excess, Place.VOIDED)
        revenue.post_respread(draft, FORFEIT, cut.block, terms)
    draft.put(ENROLMENT, enrolment, replace(known, until=draft.time, cut=None, was_cut=True))
    _give_overage(draft, enrolment, None)


def unusable(catalog: Catalog, grant: CreditGranted) -> Rejection | None:
    """Why no block could ever be made from the template, if none could."""
    read = blocks.amounts(catalog, grant)
    return read if isinstance(read, Rejection) else blocks.not_free(grant)


def never_grants(begin: int, end: int | None) -> Rejection | None:
    """Why there is no time in which the program grants, if there is none."""
    if end is None or end > begin:
        return None
    return Rejection(
        Code.EMPTY_INTERVAL, "effective_to is not after effective_from: it never grants"
    )


def subject_changed(program: str, *, by_subscription: bool) -> Rejection:
    """The refusal of terms that would grant to others than the program does."""
    whom = "each subscription" if by_subscription else "the customer"
    return Rejection(
        Code.SUBJECT_CHANGED,
        f"program {program} grants to {whom}, by its first terms, and keeps doing so: "
        "give the other one another id",
    )


def attach(draft: Draft, body: ProgramAttached) -> Rejection | None:
    """The program grants to this customer whatever its `who` says, or by terms of its own."""
    begin = draft.time if body.effective_from is None else body.effective_from
    if body.terms is not None:
        refusal = (
            _other_subject(draft, body.program, body.terms)
            or unusable(draft.catalog, body.terms.grant)
            or never_grants(begin, body.effective_to)
        )
        if refusal is not None:
            return refusal
    elif body.program not in draft.catalog.programs:
        return _unknown(body.program, "attach it with a definition, or publish it first")
    since = min(draft.time, draft.now)
    if body.effective_from is not None:
        since = 0
    record = Attachment(
        attached=True,
        since=since,
        effective_from=begin,
        effective_to=body.effective_to,
        terms=body.terms,
    )
    _set_attachment(draft, body.program, record)
    return None


def _other_subject(draft: Draft, program: str, terms: Program) -> Rejection | None:
    """Why terms of the customer's own do not go with what the program granted it before."""
    known: Attachment | None = draft.get(ATTACHMENT, program)
    published = draft.catalog.programs.get(program)
    if known is not None and known.terms is not None:
        before = known.terms.by_subscription(None)
    elif published:
        before = published[0].by_subscription
    else:
        return None
    if before == terms.by_subscription(None):
        return None
    return subject_changed(program, by_subscription=before)


def detach(draft: Draft, body: ProgramDetached) -> Rejection | None:
    """The program grants nothing more to this customer."""
    known: Attachment | None = draft.get(ATTACHMENT, body.program)
    if known is None and body.program not in draft.catalog.programs:
        return _unknown(body.program, "check its id")
    record = known or Attachment(attached=False, since=0)
    _set_attachment(draft, body.program, replace(record, attached=False))
    return None


def reset(draft: Draft, body: ProgramReset) -> Rejection | None:
    """End what the program has granted, and grant the present period anew where it recurs."""
    found = [
        (each, known)
        for each in subjects(draft, body.program)
        if (known := draft.get(ENROLMENT, each.id)) is not None
        and body.subscription in (None, each.id.partition(":")[2])
    ]
    if not found:
        return _unknown(body.program, "it has granted nothing that could be reset")
    for each, known in found:
        rollover.reset(draft, each.id)
        terms = each.at(draft.time)
        if terms is not None and terms.every is not None:
            _drop(draft, terms)
            _grant(draft, each, terms, known, whole=True)
    plan(draft, (body.program,))
    return None


def _set_attachment(draft: Draft, program: str, record: Attachment) -> None:
    draft.put(ATTACHMENT, program, record)
    profile: Profile = draft.get(PROFILE)
    if program not in profile.attached:
        attached = tuple(sorted((*profile.attached, program)))
        draft.put(PROFILE, "", replace(profile, attached=attached))
    plan(draft, (program,))


def _unknown(program: str, advice: str) -> Rejection:
    return Rejection(Code.UNKNOWN_PROGRAM, f"program {program} is not known: {advice}")
