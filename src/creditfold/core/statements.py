"""Statements: at the end of each period what was used, what credit covered, what is to be billed.

Shortfalls of commitments are listed with the rest.

A statement tells what was entered since the one before it, so all of them sum to the ledger, and
none ever changes: what comes late or is corrected stands in the next one, marked as earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from creditfold.core.calendar import calendar_anchor, period
from creditfold.core.commitment_state import COMMITMENT_TERM, CommitmentTerm
from creditfold.core.counted import COVERED, OVERAGE, USED, Usage
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.entries import (
    CoveredSum,
    OverageSum,
    ShortfallSum,
    StatementLine,
    StatementSent,
)
from creditfold.core.exact import decimal
from creditfold.core.facts import OveragePolicy
from creditfold.core.notices import tell
from creditfold.core.state import PROFILE, Phase, Profile
from creditfold.core.statement_state import STATEMENT, TALLY, Statement, Tally
from creditfold.core.times import rfc3339

LINES_MAX: Final = 1_000
"""Lines of one record; a longer statement goes out in numbered parts."""

_NONE: Final = Tally({})


class _Place(NamedTuple):
    """Where a tally is kept: its line of a statement."""

    number: int
    subscription: str
    meter: str
    product: str
    earlier: bool

    @property
    def key(self) -> str:
        """The id of its record: the lines of a statement lie together."""
        earlier = "e" if self.earlier else "o"
        names = (self.subscription, self.meter, self.product)
        return "\0".join((f"{self.number:x}", *names, earlier))

    @staticmethod
    def of(key: str) -> _Place:
        """The place with this key."""
        number, subscription, meter, product, earlier = key.split("\0")
        return _Place(int(number, 16), subscription, meter, product, earlier == "e")


def id_of(customer: str, number: int) -> str:
    """The id of a customer's n-th statement, to be named by the invoice that bills it."""
    return f"{customer}:statement:{number}"


def number(draft: Draft, usage: Usage) -> int | None:
    """In which statement what is entered now of a usage goes out, if any is wanted."""
    if draft.units_only or not draft.catalog.states:
        return None
    found = _current(draft, draft.present)
    if found is None:
        return None
    # The clocks of hosts differ: usage may be of the next period minutes before it begins.
    return found.number + (usage.time >= found.end)


def sent(draft: Draft, ref: str) -> int | None:
    """The number of the statement that went out under this id."""
    known: Statement | None = draft.get(STATEMENT)
    name, _, digits = ref.rpartition(":")
    if known is None or name != f"{draft.customer}:statement" or not digits.isdecimal():
        return None
    found = int(digits)
    return found if id_of(draft.customer, found) == ref and _is_out(known, found) else None


def _is_out(known: Statement, found: int) -> bool:
    return 0 < found < known.number + (not known.open)


def count(draft: Draft) -> None:
    """Add what the outcome entered to the statements in which it goes out."""
    for each in draft.counted:
        found = number(draft, each.usage)
        if found is None:
            continue
        usage, current = each.usage, _current(draft, draft.present)
        assert current is not None
        place = _Place(
            found,
            usage.subscription or "",
            usage.meter,
            usage.product,
            usage.time < current.begin,
        )
        tally: Tally = draft.get(TALLY, place.key) or _NONE
        steps, price = tally.cells.get(each.cell, ("0", "0"))
        changed = (str(int(steps) + each.quantity), str(int(price) + each.amount))
        cells = {**tally.cells, each.cell: changed}
        draft.put(TALLY, place.key, Tally(cells))


def owe(draft: Draft, shortfall: str, amount: int) -> int | None:
    """So much more of a shortfall is owed, or less: the statement in which that goes out."""
    if not draft.catalog.states or not amount:
        return None
    # A term that ends with a period belongs to it.
    found = _current(draft, draft.present - draft.by_clock)
    if found is None:
        return None
    owed = dict(found.shortfalls)
    owed[shortfall] = owed.get(shortfall, 0) + amount
    draft.put(STATEMENT, "", replace(found, shortfalls=tuple(sorted(owed.items()))))
    return found.number


def _shortfalls(draft: Draft, known: Statement) -> Iterator[ShortfallSum]:
    for id_, amount in known.shortfalls:
        if amount:
            term: CommitmentTerm = draft.get(COMMITMENT_TERM, id_)
            yield ShortfallSum(
                id_,
                term.subscription,
                term.currency,
                decimal(amount, MINOR_EXPONENT[term.currency]),
                earlier=term.end <= known.begin,
            )


def fall_due(draft: Draft, subject: str) -> None:
    """The period is over: its statement goes out, dated in the moment before its end."""
    known: Statement = draft.get(STATEMENT)
    assert subject == str(known.number), f"statement {subject} is due, and {known.number} is open"
    lines: list[StatementLine] = []
    ahead = False
    for key, tally in draft.scan(TALLY):
        place = _Place.of(key)
        if place.number != known.number:
            ahead = True
            continue
        line = _line(draft, place, tally.cells)
        if line is not None:
            lines.append(line)
        draft.put(TALLY, key, None)
    parts = max(1, -(-len(lines) // LINES_MAX))
    for part in range(parts):
        tell(
            draft,
            "statement_ready",
            effective_at=rfc3339(known.end - 1),
            statement=StatementSent(
                id_of(draft.customer, known.number),
                rfc3339(known.begin),
                rfc3339(known.end),
                tuple(lines[part * LINES_MAX : (part + 1) * LINES_MAX]),
                part + 1,
                parts,
                () if part else tuple(_shortfalls(draft, known)),
            ),
        )
    draft.put(STATEMENT, "", replace(known, open=False, shortfalls=()))
    if ahead:
        _current(draft, draft.present)


def _current(draft: Draft, at: int) -> Statement | None:
    """The statement that is open; where none is, the one of the instant's period is opened."""
    known: Statement | None = draft.get(STATEMENT)
    if known is not None and known.open:
        return known
    every = draft.policy.statement_every
    if every is None:
        return None
    profile: Profile = draft.get(PROFILE)
    zone = draft.catalog.zone(profile.time_zone)
    if known is not None:  # what a statement has told is over
        at = max(at, known.end)
    begin, end = period(calendar_anchor(every), every, at, zone)
    opened = Statement(1, begin, end)
    if known is not None:  # the period, or the zone, may have changed within the last one
        opened = Statement(known.number + 1, max(begin, known.end), end)
    draft.put(STATEMENT, "", opened)
    draft.schedule((end, Phase.STATEMENT, str(opened.number)))
    return opened


def _line(
    draft: Draft, place: _Place, cells: Mapping[tuple[str, ...], tuple[str, str]]
) -> StatementLine | None:
    """What the cells say that are not zero, if any is."""
    exponent = draft.catalog.meters[place.meter].exponent
    used = "0"
    covered: list[CoveredSum] = []
    overage: list[OverageSum] = []
    for cell, steps, price in _not_zero(cells):
        match cell:
            case (kind,) if kind == USED:
                used = decimal(steps, exponent)
            case (kind, credit, unit) if kind == COVERED:
                covered.append(CoveredSum(credit, unit, decimal(steps, _exponent(draft, unit))))
            case (kind, policy, unit, rate):
                assert kind == OVERAGE
                overage.append(
                    OverageSum(
                        decimal(steps, exponent),
                        policy=None if policy == OveragePolicy.BILL else policy,
                        unit=unit or None,
                        rate=rate or None,
                        amount=decimal(price, _exponent(draft, unit)) if unit else None,
                    )
                )
    if used == "0" and not covered and not overage:
        return None
    return StatementLine(
        place.meter,
        place.product,
        used,
        subscription=place.subscription or None,
        earlier=place.earlier,
        covered=tuple(covered),
        overage=tuple(overage),
    )


def _not_zero(
    cells: Mapping[tuple[str, ...], tuple[str, str]],
) -> Iterator[tuple[tuple[str, ...], int, int]]:
    for cell, (steps, price) in sorted(cells.items()):
        if (steps, price) != ("0", "0"):
            yield cell, int(steps), int(price)


def _exponent(draft: Draft, unit: str) -> int:
    exponent = draft.catalog.exponent(unit)
    assert exponent is not None
    return exponent
