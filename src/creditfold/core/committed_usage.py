"""What counts towards a commitment: what bought credit pays, what is owed, what lapses unused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from creditfold.core import journal, revenue
from creditfold.core.commitment_state import CommitmentTerm
from creditfold.core.draft import Draft
from creditfold.core.exact import half_even
from creditfold.core.facts import Kind
from creditfold.core.journal import Use
from creditfold.core.state import BLOCK, JOURNAL, TERMS, Block, Phase, Terms


class Lapse(NamedTuple):
    """So much more, or less, of bought credit lapsed at an instant."""

    unit: str
    at: int
    amount: int

    def counts(self, term: CommitmentTerm) -> int:
        """What of it counts in the term: what ends with a term belongs to it."""
        inside = term.begin < self.at <= term.end
        return self.amount if self.unit == term.agreed.unit and inside else 0


def used(draft: Draft, term: CommitmentTerm) -> Iterator[int]:
    """What the draft has changed of usage in the term, or of whether its credit was bought."""

    def was(block_id: str) -> Terms:
        return draft.before(TERMS, block_id) or draft.granted(block_id)

    for use, before in _changed(draft, was):
        yield counts(draft, term, use)
        if before is not None and _lies_in(term, before):
            yield -_counts(was, before, term.agreed.unit)


def _changed(draft: Draft, was: Callable[[str], Terms]) -> Iterator[tuple[Use, Use | None]]:
    """Usage as it is and was; an invoice may have put a price on what it drew as free.

    What can change no more stays as it counted, whether the journal still has it or not.
    """
    for (_, kind, id_), record in draft.changes.items():
        if kind == JOURNAL and isinstance(record, Use):
            yield record, draft.before(JOURNAL, id_)
    priced = {
        id_
        for (_, kind, id_), terms in draft.changes.items()
        if kind == TERMS and terms is not None and _bought(terms) != _bought(was(id_))
    }
    oldest = journal.due_place(draft.catalog.kept_since(draft.now), Phase.HOLD_END, "")
    for id_, item in draft.scan(JOURNAL, oldest) if priced else ():
        drew = isinstance(item, Use) and not priced.isdisjoint(dict(item.slices))
        if drew and (draft.customer, JOURNAL, id_) not in draft.changes:
            yield item, item


def lapses(draft: Draft) -> Iterator[Lapse]:
    """What the draft has changed of bought credit that lapsed, or of what was paid for it."""
    for (_, kind, id_), record in draft.changes.items():
        if kind == BLOCK:
            before: Block | None = draft.before(BLOCK, id_)
            more = _lapsed(record) - (0 if before is None else _lapsed(before))
            terms = draft.terms(id_)
            if more and terms is not None and terms.expires_at is not None and _bought(terms):
                yield Lapse(terms.unit, terms.expires_at, more)


def used_before(draft: Draft, term: CommitmentTerm) -> Iterator[int]:
    """Usage may be ahead of the log by minutes, and a subscription may begin in the past.

    What may have been dropped from the journal does not count, whether it was or not.
    """
    since = max(term.begin, draft.catalog.kept_since(draft.now))
    for _, item in journal.behind(draft, journal.due_place(since, Phase.HOLD_END, "")):
        if isinstance(item, Use):
            yield counts(draft, term, item)


def lapsed_before(draft: Draft, term: CommitmentTerm) -> Iterator[int]:
    """Bought credit that lapsed before the log learned of the term."""
    terms: Terms
    for id_, terms in draft.scan(TERMS):
        if terms.expires_at is not None and _bought(terms):
            lapse = Lapse(terms.unit, terms.expires_at, _lapsed(draft.get(BLOCK, id_)))
            yield lapse.counts(term)


def _lies_in(term: CommitmentTerm, use: Use) -> bool:
    """Whether the usage is of the term's time, and not said to be of another subscription."""
    return term.begin <= use.time < term.end and use.subscription in (None, term.subscription)


def counts(draft: Draft, term: CommitmentTerm, use: Use) -> int:
    """What of a use counts in the term."""
    return _counts(draft.granted, use, term.agreed.unit) if _lies_in(term, use) else 0


def _counts(granted: Callable[[str], Terms], use: Use, unit: str) -> int:
    """What of a use's cost in the unit bought credit has paid, or the customer owes.

    What was paid or is owed in another unit counts in proportion.
    """
    costs = use.costs
    if unit not in costs or not use.quantity:
        return 0
    parts = [
        (terms.unit, amount)
        for block_id, amount in use.slices
        if _bought(terms := granted(block_id))
    ]
    unpaid = use.unpaid
    if unpaid is not None and unpaid.policy.owed:
        priced = unpaid.unit in costs
        parts.append((unpaid.unit, unpaid.amount) if priced else ("", unpaid.quantity))
    whole = {price.unit: price.amount for price in costs.values()} | {"": use.quantity}
    return sum(
        part if of == unit else half_even(whole[unit] * part, whole[of])
        for of, part in parts
        if part
    )


def _bought(terms: Terms) -> bool:
    """Whether drawing the block counts: a customer who is given credit has not met a minimum."""
    if terms.kind is Kind.MATERIAL_RIGHT:
        return False  # it came with another sale
    return not terms.free and (terms.kind is not Kind.BUFFER or terms.cost > 0)


def _lapsed(block: Block) -> int:
    """What of the expired units was paid for: it is not paid a second time as a shortfall."""
    unearned = block.worth - revenue.usage_revenue(block)
    if unearned <= 0:
        return 0
    return half_even(block.expired * min(block.breakage, unearned), unearned)
