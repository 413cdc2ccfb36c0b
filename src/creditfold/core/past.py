"""The past of a customer's units: undone to a place, and folded again from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from creditfold.core import blocks, holds, journal, overage, rollover
from creditfold.core.burn import burn, demand_of
from creditfold.core.draft import Draft
from creditfold.core.due import fall_due
from creditfold.core.entries import Place
from creditfold.core.journal import Command, FellDue, Item, Use
from creditfold.core.overage_state import CARRIED, OVERAGE
from creditfold.core.overlay import Overlay
from creditfold.core.state import (
    ACCOUNT,
    AGENDA,
    BLOCK,
    HOLD,
    PROFILE,
    TERMS,
    Account,
    Agenda,
    Block,
    Hold,
    Phase,
)

REDONE: Final = frozenset({Phase.HOLD_END, Phase.EXPIRY, Phase.ACTIVATION, Phase.REPAYMENT})
"""Phases that move units; the others stand as they are."""

_UNUSED: Final = (Place.ISSUED, Place.AVAILABLE)
"""Where a command takes units from; what it took of what had expired was available before."""


class Short(Exception):  # noqa: N818  # no error: the refold starts again with what it learned
    """A command moved units that would not be there any more."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


class Past(Overlay):
    """A customer's units as they were at a place, and as they become from there on.

    Of what the commands in `kept` took, no usage gets anything.
    """

    def __init__(
        self, draft: Draft, place: str, items: Mapping[str, Item], kept: frozenset[str]
    ) -> None:
        super().__init__(draft.state(), {})
        self._draft = draft
        self._place = place
        self._last = ""
        self._kept = kept
        self._to_keep: Counter[tuple[str, Place]] = Counter()
        self._has: Counter[tuple[str, Place]] = Counter()
        self._had: Counter[tuple[str, Place]] = Counter()
        self._ended: list[str] = []
        self._reserved: dict[tuple[str, str], int] = {}
        for item in reversed(list(items.values())):
            self._undo(item)
        account: Account = self.get((draft.customer, ACCOUNT, ""))
        carried = sum(1 for _ in self.scan(draft.customer, CARRIED)) if self._carries else 0
        self.changes[draft.customer, ACCOUNT, ""] = replace(account, carried=carried)
        for place in kept:
            item = items[place]
            assert isinstance(item, Command)
            self._to_keep.update(_taken(item))
        self._reserve()
        self._keep()

    @property
    def _carries(self) -> bool:
        return any(kind == CARRIED for _, kind, _ in self.changes) or bool(
            self._draft.edit_account().carried
        )

    def _undo(self, item: Item) -> None:
        """Take back what the last item did."""
        customer = self._draft.customer
        if isinstance(item, Use):
            for block_id, amount in item.slices:
                block: Block = self.get((customer, BLOCK, block_id))
                self.changes[customer, BLOCK, block_id] = replace(
                    block, available=block.available + amount, drawn=block.drawn - amount
                )
            if item.unpaid is not None:
                self.changes[customer, OVERAGE, item.overage(customer)] = None
        for image in item.images:
            key = customer, image.kind, image.id
            if image.kind == HOLD and image.record is not None and self.get(key) is None:
                self._ended.append(image.id)
            self.changes[key] = journal.restored(image)

    def _reserve(self) -> None:
        """Note what commands take of blocks that holds have yet to give back.

        Of what is not there otherwise, the hold that ended first gave it back first.
        """
        customer = self._draft.customer
        wanted = Counter[str]()
        for (block_id, place), amount in self._to_keep.items():
            if place is Place.AVAILABLE:
                block: Block | None = self.get((customer, BLOCK, block_id))
                wanted[block_id] = amount - (block.available if block is not None else 0)
        for id_ in dict.fromkeys(reversed(self._ended)):
            hold: Hold | None = self.get((customer, HOLD, id_))
            for block_id, amount in hold.parts if hold is not None else ():
                part = min(amount, wanted[block_id])
                if part > 0:
                    wanted[block_id] -= part
                    self._reserved[id_, block_id] = part

    def _keep(self) -> None:
        """Set aside what is there of what commands take later."""
        for (block_id, place), wanted in self._to_keep.items():
            block: Block | None = self.get((self._draft.customer, BLOCK, block_id))
            more = min(wanted - self._has[block_id, place], getattr(block, place, 0))
            if more:
                self._has[block_id, place] += more
                draft = self._begin(0, 0, "")
                self._shift(draft, block_id, place, -more)
                self.changes.update(draft.changes)

    @staticmethod
    def _shift(draft: Draft, block_id: str, place: Place, more: int) -> None:
        block = draft.edit_block(block_id)
        if place is Place.AVAILABLE:
            block.available += more
        elif place is Place.EXPIRED:
            block.expired += more
        else:
            block.issued += more

    def redo(self, place: str, item: Use | Command) -> Use | Command:
        """Do an item again; it as it now is."""
        if isinstance(item, Use):
            now = min(item.time, self._draft.present)
            draft = self._begin(item.time, now, item.outcome(self._draft.customer))
            reserved = {b: n for (id_, b), n in self._reserved.items() if id_ == item.hold}
            use = replace(item, slices=(), unpaid=None, images=())
            use = burn(draft, use, demand_of(draft, use), reserved)
            images = journal.images(draft, self._had) if journal.bounds(draft, use) else ()
            redone: Use | Command = replace(use, images=images)
        else:
            draft = self._begin(item.time, item.recorded_at, self._draft.outcome)
            self._command(draft, place, item)
            images = journal.images(draft, self._had)
            redone = replace(item, images=images, repaid=tuple(draft.repaid))
        self._end(draft, place)
        return redone

    def _command(self, draft: Draft, place: str, item: Command) -> None:
        if item.placed is not None:
            holds.place_again(draft, item.placed)
            self._forget(item.placed.hold)
        if item.released is not None and draft.get(HOLD, item.released) is not None:
            holds.end(draft, item.released)
        for block_id, terms in item.terms:
            draft.put(TERMS, block_id, terms)
        self._move(draft, place, item)
        fresh = {move.block for move in item.moves if move.source is Place.ORIGIN}
        for enrolment in item.resets:
            rollover.end_again(draft, enrolment, fresh)
        for ended in item.dropped:
            overage.drop(draft, ended)
        if item.profile is not None:
            draft.put(PROFILE, "", item.profile)
        for id_ in item.billed:
            draft.put(OVERAGE, id_, None)
            if draft.get(CARRIED, id_) is not None:
                draft.put(CARRIED, id_, None)
                draft.edit_account().carried -= 1

    def _move(self, draft: Draft, place: str, item: Command) -> None:
        """Move what the command moved: an answer stands."""
        if place in self._kept:
            lapsed = {move.block for move in item.moves if move.source is Place.EXPIRED}
            for (block_id, at), amount in _taken(item).items():
                self._to_keep[block_id, at] -= amount
                back = min(amount, self._has[block_id, at])
                self._has[block_id, at] -= back
                self._shift(draft, block_id, Place.EXPIRED if block_id in lapsed else at, back)
                if at is Place.AVAILABLE:
                    self._give_up(draft, block_id, amount)
        for move in item.moves:
            if move.source is not Place.ORIGIN:
                block = draft.edit_block(move.block)
                if getattr(block, move.source) < move.amount:
                    assert place not in self._kept, f"what the command at {place} took is gone"
                    raise Short(place)
            draft.move(move.block, draft.granted(move.block), move.source, move.to, move.amount)
        touched = [move.block for move in item.moves] + [block_id for block_id, _ in item.terms]
        for block_id in dict.fromkeys(touched):
            if draft.edit_block(block_id).remaining:
                blocks.revive(draft, block_id, draft.granted(block_id))
            else:
                blocks.exhaust(draft, {block_id})

    def _give_up(self, draft: Draft, block_id: str, amount: int) -> None:
        """Take what is missing out of holds that had ended when it was taken, and now have not."""
        for (id_, of), part in self._reserved.items():
            more = min(part, amount - draft.edit_block(block_id).available)
            if of == block_id and more > 0:
                self._reserved[id_, of] -= more
                holds.give_up(draft, id_, block_id, more)

    def fall_due(self, place: str, redone: dict[str, Item]) -> None:
        """Do what falls due before a place."""
        while (found := self._next_due(place)) is not None:
            instant, phase, subject = found
            draft = self._begin(instant, instant, self._draft.outcome, by_clock=True)
            fall_due(draft, phase, subject)
            at = self._stands(journal.due_place(instant, phase, subject))
            if draft.moves or phase is Phase.HOLD_END:
                redone[at] = FellDue(journal.images(draft, self._had), tuple(draft.repaid))
            self._end(draft, at)

    def _stands(self, at: str) -> str:
        """Where something that falls due stands: it may do so behind what was not undone."""
        last = self._last
        if at < self._place and not last:
            earlier = journal.behind(self._draft, at)
            last = max((found for found, _ in earlier if found < self._place), default="")
        return journal.behind_place(at, last)

    def _next_due(self, place: str) -> tuple[int, Phase, str] | None:
        agenda: Agenda | None = self.get((self._draft.customer, AGENDA, ""))
        for instant, phase, subject in agenda.items if agenda is not None else ():
            if journal.due_place(instant, phase, subject) >= place:
                return None
            if phase in REDONE:
                return instant, Phase(phase), subject
        return None

    def _begin(self, time: int, now: int, outcome: str, *, by_clock: bool = False) -> Draft:
        self._had = Counter(self._has)
        return Draft(
            self,
            self._draft.catalog,
            self._draft.customer,
            outcome,
            time,
            now,
            by_clock=by_clock,
            units_only=True,
        )

    def _end(self, draft: Draft, place: str) -> None:
        if draft.edit_account().carried:
            overage.schedule_repayment(draft)
        self.changes.update(draft.changes)
        self._last = max(self._last, place)
        for id_ in [id_ for id_, _ in self._reserved]:
            if self.get((draft.customer, HOLD, id_)) is None:
                self._forget(id_)
        self._keep()

    def _forget(self, hold: str) -> None:
        """It has given back what was reserved of it."""
        self._reserved = {key: n for key, n in self._reserved.items() if key[0] != hold}


def _taken(item: Command) -> Counter[tuple[str, Place]]:
    """What of unused credit the command took, beyond what it had put there itself."""
    taken: Counter[tuple[str, Place]] = Counter()
    for move in item.moves:
        if move.source in _UNUSED:
            taken[move.block, move.source] += move.amount
        elif move.source is Place.EXPIRED:
            taken[move.block, Place.AVAILABLE] += move.amount
        if move.to in _UNUSED:
            taken[move.block, move.to] -= move.amount
    return +taken
