"""Commitments: a minimum per term, what counts towards it, and what is missing at its end.

Of Q units at a rate r, of which u count and E are expected to, in minor units:

    committed              V = HE(Q * r)
    shortfall              S = max(0, V - HE(u * r))                               1150 / 4020
    earned before the end  P = max(0, HE(V * u / max(E, u)) - HE(u * r))           1160 / 4020

The shortfall is due when the term ends: take-or-pay is breakage. Where it is expected, P of it is
earned as usage is (ASC 606-10-55-48), conditional until the end. Every posting is one of these
less what is posted, so the order in which usage comes changes no total.
"""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import committed_usage, revenue, statements
from creditfold.core.blocks import steps
from creditfold.core.calendar import END, after, first_from, local
from creditfold.core.chart import Account
from creditfold.core.commitment_facts import Commitment, ShortfallMethod
from creditfold.core.commitment_notices import missing, say, tell_progress
from creditfold.core.commitment_state import (
    COMMITMENT_TERM,
    COMMITTED,
    Agreed,
    CommitmentTerm,
    Committed,
)
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.exact import INT64_MAX, Exact, decimal, half_even, pow10
from creditfold.core.journal import Use
from creditfold.core.policy import LATE_WINDOW_MAX
from creditfold.core.program_state import SUBSCRIPTION, Subscription, SubscriptionStatus
from creditfold.core.rejections import Code, Rejection, gravest
from creditfold.core.state import PROFILE, Phase, Profile

SHORTFALL = "R-SHORTFALL"
PROPORTIONAL = "R-SHORTFALL-PROP"


def read(draft: Draft, body: Commitment) -> Committed | Rejection:
    """A commitment in ledger steps, or why it is none."""
    exponent = draft.catalog.exponent(body.unit)
    if exponent is None:
        return Rejection(
            Code.UNKNOWN_UNIT,
            f"unit {body.unit} is no currency and was not declared: publish unit.declared first",
        )
    quantity = steps(body.quantity, exponent, "commitment")
    expected = None if body.expected is None else steps(body.expected, exponent, "expected")
    if isinstance(quantity, Rejection) or isinstance(expected, Rejection):
        return gravest(each for each in (quantity, expected) if isinstance(each, Rejection))
    profile: Profile = draft.get(PROFILE)
    agreed = Agreed(
        unit=body.unit,
        exponent=exponent,
        quantity=quantity,
        expected=expected,
        rate=Exact(1, 0) if body.rate is None else body.rate,
        currency=body.unit if body.unit in MINOR_EXPONENT else draft.account.currency,
    )
    if worth(agreed, quantity) > INT64_MAX:
        return Rejection(
            Code.QUANTITY_OUT_OF_RANGE,
            f"{body.quantity} {body.unit} at {agreed.rate} is more than one amount can hold",
        )
    return Committed(agreed, body.term, body.shortfall, profile.time_zone)


def worth(agreed: Agreed, amount: int) -> int:
    """What so many steps cost, in minor units: HE(u * r)."""
    rate, minor = agreed.rate, MINOR_EXPONENT[agreed.currency]
    return half_even(
        amount * rate.coefficient * pow10(minor), pow10(agreed.exponent + rate.decimals)
    )


def shortfall_id(subscription: str, term: int) -> str:
    """The id under which the n-th term's shortfall is told and billed."""
    return f"{subscription}:shortfall:{term}"


# Terms


def start(
    draft: Draft, subscription: str, committed: Committed, anchor: int, since: int
) -> Rejection | None:
    """Terms are counted from the anchor; the first is whole, and the one that `since` lies in."""
    refusal = _taken(draft, subscription, committed.agreed.unit)
    if refusal is not None:
        return refusal
    zone = draft.catalog.zone(committed.zone)
    committed = replace(committed, anchor=local(anchor, zone))
    begin = anchor
    if anchor < since:
        n, _ = first_from(committed.anchor, committed.every, since + 1, zone)
        begin = after(committed.anchor, committed.every, n - 1, zone)
        committed = replace(committed, first=n - 1)
    if begin > draft.present:
        _keep(draft, subscription, replace(committed, next_at=begin))
    else:
        _begin(draft, subscription, committed, begin)
    return None


def change(
    draft: Draft, subscription: str, committed: Committed, since: int, *, at_once: bool
) -> Rejection | None:
    """Other terms are agreed from the next on, or for the one that runs too, which ends as before.

    Whether that one is earned on the way stays as it began. What has ended stands.
    """
    known: Committed | None = draft.get(COMMITTED, subscription)
    if known is None:
        return start(draft, subscription, committed, since, since)
    if known.agreed.unit != committed.agreed.unit:
        return Rejection(
            Code.COMMITMENT_EXISTS,
            f"subscription {subscription} commits to {known.agreed.unit}: cancel it, and commit to "
            f"{committed.agreed.unit} by another",
        )
    assert known.next_at is not None, f"subscription {subscription} stands and commits to nothing"
    grid = replace(known, agreed=committed.agreed, every=committed.every, method=committed.method)
    if known.every != committed.every:
        zone = draft.catalog.zone(committed.zone)
        anchor = local(known.next_at, zone)
        grid = replace(grid, zone=committed.zone, anchor=anchor, first=-known.terms)
    draft.put(COMMITTED, subscription, grid)
    if at_once and known.terms:
        _amend(draft, shortfall_id(subscription, known.terms), committed.agreed)
    return None


def _amend(draft: Draft, id_: str, agreed: Agreed) -> None:
    """The term that runs has another minimum."""
    term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
    expected = agreed.expected
    if expected is None and term.agreed.expected is not None:
        expected = min(term.agreed.expected, agreed.quantity)
    term = replace(term, agreed=replace(agreed, expected=expected))
    draft.put(COMMITMENT_TERM, id_, term)
    _recount(draft, id_, 0)


def renew(draft: Draft, subscription: str, since: int) -> Rejection | None:
    """A cancelled subscription goes on: a term that runs will renew, else a new one begins now."""
    committed: Committed | None = draft.get(COMMITTED, subscription)
    if committed is None or committed.next_at is not None:
        return None
    anchor = local(since, draft.catalog.zone(committed.zone))
    committed = replace(committed, anchor=anchor, first=-committed.terms)
    refusal = _taken(draft, subscription, committed.agreed.unit)
    if refusal is None:
        _begin(draft, subscription, committed, since)
    return refusal


def _taken(draft: Draft, subscription: str, unit: str) -> Rejection | None:
    """Why the unit's usage counts towards another commitment already, if it does."""
    profile: Profile = draft.get(PROFILE)
    for other in profile.subscriptions:
        committed: Committed | None = draft.get(COMMITTED, other)
        if other == subscription or committed is None or committed.agreed.unit != unit:
            continue
        if committed.next_at is not None:
            return Rejection(
                Code.COMMITMENT_EXISTS,
                f"subscription {other} commits to {unit} already, and usage counts once: commit "
                "to the sum there, or cancel it and begin when its term has ended",
            )
    return None


def fall_due(draft: Draft, subscription: str) -> None:
    """A term ends with its true-up; the next begins for as long as the subscription stands."""
    committed: Committed = draft.get(COMMITTED, subscription)
    if committed.terms:
        _true_up(draft, shortfall_id(subscription, committed.terms))
    known: Subscription = draft.get(SUBSCRIPTION, subscription)
    if known.status is SubscriptionStatus.CANCELLED:
        _keep(draft, subscription, replace(committed, next_at=None))
    else:
        _begin(draft, subscription, committed, draft.time)


def _keep(draft: Draft, subscription: str, committed: Committed) -> None:
    """Set the record, and what falls due for it next."""
    draft.put(COMMITTED, subscription, committed)
    if committed.next_at is not None and committed.next_at < END:
        draft.schedule((committed.next_at, Phase.COMMITMENT, subscription))


def _begin(draft: Draft, subscription: str, committed: Committed, begin: int) -> None:
    """A term begins, with what the log knows to have been used in it already."""
    n = committed.terms + 1
    zone = draft.catalog.zone(committed.zone)
    end = after(committed.anchor, committed.every, committed.first + n, zone)
    _keep(draft, subscription, replace(committed, terms=n, next_at=end))
    method = committed.method or draft.policy.shortfall_method
    agreed = committed.agreed
    spread = method is ShortfallMethod.PROPORTIONAL and agreed.expected is not None
    ahead = {p: begin + (end - begin) * p // 100 for p in draft.policy.commitment_progress}
    untold = tuple(sorted(p for p, at in ahead.items() if at > draft.present))
    term = CommitmentTerm(subscription, agreed, begin, end, spread, untold=untold)
    id_ = shortfall_id(subscription, n)
    draft.put(COMMITMENT_TERM, id_, term)
    draft.schedule(
        *((ahead[p], Phase.COMMITMENT_PROGRESS, f"{id_} {p}") for p in untold if ahead[p] < end)
    )
    account = draft.account
    known = (each for each in account.commitments if _may_change(draft, each))
    account.commitments = (*known, id_)
    more = sum(committed_usage.used_before(draft, term))
    if begin < draft.present:
        more += sum(committed_usage.lapsed_before(draft, term))
    if more:
        _recount(draft, id_, more)


def _may_change(draft: Draft, id_: str) -> bool:
    """Whether usage that the log can still take could count in the term."""
    term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
    return term.end + LATE_WINDOW_MAX >= draft.now


# What counts


def count(draft: Draft) -> None:
    """Count what the outcome changed of usage, and of bought credit that lapsed.

    Credit may be paid for long after it has lapsed, so that concerns any term that ever was.
    """
    known = draft.account.commitments
    lapses = list(committed_usage.lapses(draft)) if known else []
    if lapses:
        known = tuple(dict.fromkeys((*(id_ for id_, _ in draft.scan(COMMITMENT_TERM)), *known)))
    for id_ in known:
        term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
        more = sum(committed_usage.used(draft, term))
        more += sum(lapse.counts(term) for lapse in lapses)
        if more:
            _recount(draft, id_, more)


def count_late(draft: Draft, use: Use) -> None:
    """Count usage that came too late for the journal, in any term that ever was."""
    for id_, term in draft.scan(COMMITMENT_TERM):
        more = committed_usage.counts(draft, term, use)
        if more:
            _recount(draft, id_, more)


def _recount(draft: Draft, id_: str, more: int) -> None:
    """So much more, or less, counts: revenue and notices follow at once."""
    term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
    missed = missing(term)
    term = replace(term, counted=str(int(term.counted) + more))
    assert int(term.counted) >= 0, f"{id_} would count {term.counted}"
    draft.begin_entry()
    if term.ended:
        owed = term.posted
        term = _post(draft, id_, term)
        term = _stated(draft, id_, term, term.posted - owed)
        draft.put(COMMITMENT_TERM, id_, term)
        say(draft, id_, term, changed=missing(term) != missed)
        return
    if term.proportional:
        term = _post(draft, id_, term)
    for percent in term.untold:
        if int(term.counted) * 100 >= percent * term.agreed.quantity:
            draft.unschedule(Phase.COMMITMENT_PROGRESS, f"{id_} {percent}")
            term = tell_progress(draft, id_, term, percent)
    draft.put(COMMITMENT_TERM, id_, term)


# Money


def _true_up(draft: Draft, id_: str) -> None:
    """What is missing is owed; what was earned of it before is no longer conditional."""
    term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
    term = replace(term, ended=True, untold=())
    draft.begin_entry()
    draft.post(
        SHORTFALL,
        Account.UNBILLED,
        Account.CONTRACT_ASSET,
        term.posted,
        term.currency,
        {"f": "shortfall0", "shortfall0": term.posted, "shortfall": id_},
        effective=term.end - 1,
        contract=term.subscription,
    )
    term = _post(draft, id_, term)
    term = _stated(draft, id_, term, term.posted)
    draft.put(COMMITMENT_TERM, id_, term)
    say(draft, id_, term, changed=missing(term) > 0)


def _stated(draft: Draft, id_: str, term: CommitmentTerm, more: int) -> CommitmentTerm:
    """So much more is owed, or less: a statement tells it."""
    number = statements.owe(draft, id_, more)
    if number is None:
        return term
    stated = dict(term.stated)
    stated[number] = stated.get(number, 0) + more
    return replace(term, stated=tuple(sorted(stated.items())))


def _post(draft: Draft, id_: str, term: CommitmentTerm) -> CommitmentTerm:
    """Bring the term's shortfall to what it should be; the term with that posted."""
    used, agreed = int(term.counted), term.agreed
    whole, paid = worth(agreed, agreed.quantity), worth(agreed, used)
    proof: dict[str, str | int] = {
        "f": "max(0,V-HE(u*rate))-shortfall0",
        "V": whole,
        "u": decimal(used, agreed.exponent),
        "rate": str(agreed.rate),
        "shortfall0": term.posted,
        "shortfall": id_,
    }
    target = max(0, whole - paid)
    if not term.ended:
        assert agreed.expected is not None
        target = max(0, half_even(whole * used, max(agreed.expected, used)) - paid)
        proof |= {
            "f": "max(0,HE(V*u/max(E,u))-HE(u*rate))-shortfall0",
            "E": decimal(agreed.expected, agreed.exponent),
        }
    more = target - term.posted
    asset = Account.UNBILLED if term.ended else Account.CONTRACT_ASSET
    rule = SHORTFALL if term.ended else PROPORTIONAL
    draft.post(
        rule if more > 0 else revenue.CORRECT if term.ended else rule,
        asset if more > 0 else Account.SHORTFALL,
        Account.SHORTFALL if more > 0 else asset,
        abs(more),
        term.currency,
        proof,
        effective=term.end - 1 if term.ended else None,
        contract=term.subscription,
    )
    return replace(term, posted=target)
