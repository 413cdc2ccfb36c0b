"""Usage out of order nets to what it would have in order.

Usage that comes behind the front of its customer's journal is drawn at once where that cannot
matter: no boundary stands behind its place, and it empties no block itself. Otherwise everything
behind its place is undone on a copy of the customer's units, and folded again with it in its
place by the same functions. What then differs from what has been done goes out as compensating
entries of the late fact; the entries that were made stay.

A command acts again where it stood. What falls due is found anew, since a block that was
empty may now have something left to expire.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from creditfold.core import blocks, journal, waiting
from creditfold.core.bodies import CustomerBody
from creditfold.core.burn import burn, burn_more, unwound
from creditfold.core.compensate import changed_slices, compensate, respread, take_back, uncover
from creditfold.core.demand import Demand
from creditfold.core.draft import Draft
from creditfold.core.due import fall_due
from creditfold.core.entries import Place
from creditfold.core.facts import (
    HoldPlaced,
    HoldReleased,
    HoldSettled,
    UsageCorrected,
    UsageRecorded,
    UsageRetracted,
)
from creditfold.core.journal import Command, FellDue, Item, Money, Use
from creditfold.core.overage_state import CARRIED
from creditfold.core.past import REDONE, Past, Short, has_place
from creditfold.core.rejections import Code, Rejection
from creditfold.core.rollover import may_roll
from creditfold.core.state import (
    AGENDA,
    BLOCK,
    JOURNAL,
    PROFILE,
    TERMS,
    WALLET,
    Block,
    Phase,
    Profile,
)

_USAGE = frozenset({UsageRecorded, UsageCorrected, UsageRetracted})
"""What the journal has as usage, and not as a command."""


def take(draft: Draft, use: Use, demand: Demand) -> None:
    """Draw usage that the journal does not hold yet."""
    if _drawn(draft, use, demand) or _refolded(draft, use):
        return
    draft.stands = journal.standing(draft, use.time)
    at, behind = draft.stands
    last = _drawn(draft, replace(use, at=at, behind=behind), demand)
    assert last, f"usage at {use.place} stands behind all and was not drawn"


def _drawn(draft: Draft, use: Use, demand: Demand) -> bool:
    """Draw usage in its place, where no other has to be drawn anew for it."""
    account, place = draft.account, use.place
    if place <= account.boundary and draft.policy.in_order:
        return False
    drawn = burn(draft, use, demand)
    bounds = journal.bounds(draft, drawn)
    if place <= account.front and bounds and draft.policy.in_order:
        draft.restart()
        return False
    if bounds:
        drawn = replace(drawn, images=journal.images(draft))
    journal.enter(draft, place, drawn)
    return True


def due(draft: Draft, phase: Phase, subject: str) -> None:
    """Do what falls due, before usage of a later time that has been folded already."""
    place = journal.due_place(draft.time, phase, subject)
    # What falls due later at this instant does so by itself; all repayments are one.
    until = journal.due_place(
        draft.time, phase, "~" if phase is Phase.REPAYMENT else f"{subject}\0"
    )
    place = journal.behind_place(place, journal.last_before(draft, place))
    if phase in REDONE and place < draft.account.front and draft.policy.in_order:
        _refold(draft, place, dict(journal.behind(draft, place)), until)
        return
    fall_due(draft, phase, subject)
    if phase not in REDONE:
        _write(draft, place, _answered(draft), until)
    elif has_place(draft, phase, subject):
        left = journal.left(draft.moves)
        journal.enter(draft, place, FellDue(journal.images(draft), tuple(draft.repaid), left))


def command(draft: Draft, body: CustomerBody) -> None:
    """Write down a command that changed who pays, where it stands."""
    if type(body) in _USAGE:
        return
    if isinstance(body, HoldSettled):
        if body.quantity.coefficient:
            return  # it is usage
        body = HoldReleased(body.hold)
    item = _answered(draft)
    if isinstance(body, HoldPlaced):
        item = replace(item, moves=(), placed=body)
    if isinstance(body, HoldReleased):
        item = replace(item, moves=(), released=body.hold)
    seq, at = draft.account.seq, min(draft.time, draft.now)
    last = journal.last_before(draft, journal.command_place(at, seq, ""))
    _write(draft, journal.command_place(at, seq, last), item, _by_now(draft))


def _answered(draft: Draft) -> Command:
    """What was done, as it stands; what it has paid for may be used from now on."""
    waiting.wake(draft)
    profile: Profile | None = draft.get(PROFILE)
    before: Profile | None = draft.before(PROFILE, "")
    if before is None or profile is None or before.decides_as(profile):
        profile = None
    changed = draft.changes.items()
    over = {each.overage for each in draft.repaid}
    moves = tuple(move for n, move in enumerate(draft.moves) if n not in draft.by_reset)
    made = {move.block for move in moves if move.source is Place.ORIGIN}
    return Command(
        draft.time,
        draft.present,
        journal.images(draft),
        moves=moves,
        # What a reset ends may be another block then.
        terms=tuple(
            (id_, terms)
            for (_, kind, id_), terms in changed
            if kind == TERMS and (id_ in made or not draft.resets)
        ),
        resets=draft.resets,
        profile=profile,
        billed=tuple(
            id_
            for (_, kind, id_), left in changed
            if kind == CARRIED and not left and id_ not in over
        ),
        dropped=draft.dropped,
        repaid=tuple(draft.repaid),
        money=tuple(_money(draft)),
        left=journal.left_by_resets(draft),
    )


def _money(draft: Draft) -> Iterator[Money]:
    """What else than rollovers changed of the money of blocks that may roll over."""
    for _, kind, id_ in draft.changes:
        if kind != BLOCK or draft.terms(id_) is None or not may_roll(draft, id_):
            continue
        before, after = draft.before(BLOCK, id_) or Block(), draft.get(BLOCK, id_)
        value = after.value - before.value - draft.rolled.get((id_, "value"), 0)
        funded = after.funded - before.funded - draft.rolled.get((id_, "funded"), 0)
        if value or funded:
            yield Money(id_, value, funded)


def _write(draft: Draft, place: str, item: Command, until: str) -> None:
    """Write down what a command did; usage ahead of it, which it may concern, is folded again."""
    done = (item.moves, item.terms, item.money, item.resets, item.placed, item.released)
    if not any((*done, item.billed)) and item.profile is None and not item.dropped:
        return
    front = draft.account.front
    journal.enter(draft, place, item)
    if place < front and draft.policy.in_order:
        # It was done last, whatever its place.
        _refold(draft, place, {**dict(journal.behind(draft, place)), place: item}, until)


def _by_now(draft: Draft) -> str:
    """A place behind all that has fallen due so far."""
    return journal.command_place(draft.present + 1, 0, "")


def _refolded(draft: Draft, use: Use) -> bool:
    """Fold usage in its place, and all behind it again; or let all up to there stand as it came,
    since that would be too much."""
    most = draft.policy.refold_max
    items = dict(islice(journal.behind(draft, use.place), most + 1))
    if len(items) > most:
        draft.account.settled = max(draft.account.settled, use.place)
        return False
    _refold(draft, use.place, items, _by_now(draft), use)
    return True


def _refold(
    draft: Draft, place: str, items: dict[str, Item], until: str, after: Use | None = None
) -> None:
    """Fold the items behind a place again from there on, with `after` among them.

    They are in the order in which they were done; what falls due by `until` does so again.
    """
    todo: dict[str, Use | Command] = {
        place: item for place, item in items.items() if not isinstance(item, FellDue)
    }
    if after is not None:
        todo[place] = after
    past, redone = _again(draft, place, items, todo, until)
    compensate(draft, past, items, redone)
    for at in sorted(items.keys() - redone.keys()):
        draft.put(JOURNAL, at, None)
    for at, item in redone.items():
        if items.get(at) != item:
            draft.put(JOURNAL, at, item)
    account = draft.account
    account.front = max((account.front, *redone))
    account.boundary = max((at for at, item in redone.items() if item.images), default=place)


def _again(
    draft: Draft, place: str, items: dict[str, Item], todo: dict[str, Use | Command], until: str
) -> tuple[Past, dict[str, Item]]:
    """What would have been. Where a command would lack what it took, no usage may have that."""
    kept: frozenset[str] = frozenset()
    while True:
        past = Past(draft, place, items, kept)
        redone: dict[str, Item] = {}
        try:
            for at, item in sorted(todo.items()):
                past.fall_due(min(at, until), redone)
                redone[at] = past.redo(at, item)
            past.fall_due(until, redone)
        except Short as short:
            kept |= {short.place}
        else:
            return past, redone


def correct(draft: Draft, use: Use, changed: Use) -> Rejection | None:
    """Give a use that was folded the quantity of `changed`."""
    account = draft.account
    more, bounded = changed.quantity > use.quantity, use.place <= account.boundary
    as_it_comes = journal.as_it_comes(draft, use.place)
    if (more or bounded) and not as_it_comes and _refolded(draft, changed):
        return None
    after = burn_more(draft, use, changed) if more else unwound(draft, changed)
    if use.carried or after.carried:  # what credit repays is no longer the usage's alone
        settled = use.place <= account.settled
        draft.restart()
        if settled or not _refolded(draft, changed):
            return Rejection(
                Code.TOO_LATE,
                "what credit repays of this usage cannot be found anew: usage about it counts as "
                "it came (late.order, late.refold_max). It stays as it is: adjust a block instead",
            )
        return None
    before = {use.place: use}
    backs, _ = changed_slices(draft, before, {use.place: after})
    for slice_, amount in backs:
        take_back(draft, slice_, amount)
        blocks.returned(draft, slice_.block, amount)
        respread(draft, slice_.block, {use.product: -amount})
    uncover(draft, before, {use.place: after})
    draft.put(JOURNAL, use.place, after)
    if bounded:
        _tell_images(draft, use, after)
    _reached(draft, {block_id for block_id, _ in (*use.slices, *after.slices)})
    return None


def _tell_images(draft: Draft, use: Use, after: Use) -> None:
    """Let the images behind usage that was changed as it came be as if it had always been so.

    Where one cannot be, for the block had not so much then, nothing up to it is folded again.
    """
    account = draft.account
    less = Counter(dict(use.slices))
    less.subtract(dict(after.slices))
    for at, item in journal.behind(draft, use.place):
        known = item if at == use.place else journal.given_back(item, less)
        if known is None:
            account.settled = max(account.settled, at)
        elif known is not item:
            draft.put(JOURNAL, at, known)


def _reached(draft: Draft, blocks: set[str]) -> None:
    """Write down which blocks may pay, or may not any more, from now on.

    That usage changed as if it had always been so; where usage and the clock look changed now.
    """
    images = tuple(i for i in journal.images(draft) if i.kind in (WALLET, AGENDA))
    if images:
        terms = tuple((id_, draft.granted(id_)) for id_ in sorted(blocks))
        account = draft.account
        place = journal.command_place(min(draft.time, draft.now), account.seq, account.front)
        journal.enter(draft, place, Command(draft.time, draft.present, images, terms=terms))
