"""The past of a customer's units: undone to a place, and folded again from there."""

from __future__ import annotations

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
from creditfold.core.rolled_funding import settle
from creditfold.core.set_aside import SetAside, released
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
    Phase,
    Terms,
)

REDONE: Final = frozenset(
    {Phase.HOLD_END, Phase.ROLLOVER, Phase.EXPIRY, Phase.ACTIVATION, Phase.REPAYMENT}
)
"""Phases that move units; the others stand as they are."""


def has_place(draft: Draft, phase: Phase, subject: str) -> bool:
    """Whether what fell due is undone with what came before it; else it did nothing.

    A block that ends while holds have all of it moves nothing, and yet does not end again.
    """
    if draft.moves or phase is Phase.HOLD_END:
        return True
    return phase in (Phase.ROLLOVER, Phase.EXPIRY) and bool(draft.get(BLOCK, subject).held)


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
        self._had: dict[tuple[str, Place], int] = {}
        self._ended: list[str] = []
        self._billed: set[str] = set()
        for item in reversed(list(items.values())):
            self._undo(item)
        account: Account = self.get((draft.customer, ACCOUNT, ""))
        carried = sum(1 for _ in self.scan(draft.customer, CARRIED)) if self._carries else 0
        self.changes[draft.customer, ACCOUNT, ""] = replace(account, carried=carried)
        ended = reversed(self._ended)
        self._aside = SetAside(draft, self, place, items, kept, ended)

    @property
    def _carries(self) -> bool:
        return any(kind == CARRIED for _, kind, _ in self.changes) or bool(
            self._draft.account.carried
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
                id_ = item.overage(customer)
                if (
                    item.carried
                    and item.unpaid.amount
                    and self.get((customer, CARRIED, id_)) is None
                ):
                    self._billed.add(id_)
                self.changes[customer, OVERAGE, id_] = None
        for image in item.images:
            key = customer, image.kind, image.id
            if image.kind == HOLD and image.record is not None and self.get(key) is None:
                self._ended.append(image.id)
            record = journal.restored(image)
            if image.kind == TERMS and record is None:
                record = self._unmade(image.id)
            self.changes[key] = record

    def _unmade(self, block_id: str) -> Terms | None:
        """A block that is yet to be made keeps its name; what rolls over may be less by then."""
        terms: Terms | None = self.get((self._draft.customer, TERMS, block_id))
        if terms is None or not terms.rolls_on:
            return terms
        return replace(terms, quantity=0, value=0)

    def redo(self, place: str, item: Use | Command) -> Use | Command:
        """Do an item again; it as it now is."""
        if isinstance(item, Use):
            now = min(item.time, self._draft.present)
            draft = self._begin(item.time, now, item.outcome(self._draft.customer))
            reserved = self._aside.of_hold(item.hold)
            use = replace(item, slices=(), unpaid=None, images=())
            use = burn(draft, use, demand_of(draft, use), reserved)
            self._bill(draft, use.overage(self._draft.customer))
            images = journal.images(draft, self._had) if journal.bounds(draft, use) else ()
            redone: Use | Command = replace(use, images=images)
        else:
            draft = self._begin(item.time, item.recorded_at, self._draft.outcome)
            self._command(draft, place, item)
            images = journal.images(draft, self._had)
            redone = replace(
                item, images=images, repaid=tuple(draft.repaid), left=journal.left_by_resets(draft)
            )
        self._end(draft, place)
        return redone

    def _command(self, draft: Draft, place: str, item: Command) -> None:
        if item.placed is not None:
            holds.place_again(draft, item.placed)
            self._aside.forget(item.placed.hold)
        if item.released is not None and draft.get(HOLD, item.released) is not None:
            holds.end(draft, item.released)
        self._restore(draft, item)
        self._move(draft, place, item)
        for each in item.money:
            settle(draft, each.block, each.funded)
        fresh = {move.block for move in item.moves if move.source is Place.ORIGIN}
        for enrolment in item.resets:
            held = self._aside.held
            self._aside.let_go(draft, {b for b in held if draft.granted(b).enrolment == enrolment})
            rollover.reset(draft, enrolment, fresh)
        for ended in item.dropped:
            overage.drop(draft, ended)
        if item.profile is not None:
            draft.put(PROFILE, "", item.profile)
        self._billed.update(item.billed)
        for id_ in item.billed:
            draft.put(OVERAGE, id_, None)
            self._bill(draft, id_)

    def _bill(self, draft: Draft, id_: str) -> None:
        """What an invoice has billed is repaid by nothing, and usage ahead of the log stands behind
        the invoice."""
        if id_ in self._billed:
            overage.keep_carried(draft, id_, None)

    @staticmethod
    def _restore(draft: Draft, item: Command) -> None:
        """Let blocks have the terms and the money that the command left them with."""
        for block_id, terms in item.terms:
            rolled = draft.granted(block_id) if terms.rolls_on else terms
            draft.put(TERMS, block_id, replace(terms, quantity=rolled.quantity, value=rolled.value))
        for each in item.money:
            block = draft.edit_block(each.block)
            block.value += each.value
            block.funded += each.funded
        made = {move.block for move in item.moves if move.source is Place.ORIGIN}
        for block_id, terms in item.terms:
            if block_id in made and terms.rolled_from is not None:  # what a correction reopened
                rollover.link(draft, terms.rolled_from, block_id)

    def _move(self, draft: Draft, place: str, item: Command) -> None:
        """Move what the command moved: an answer stands."""
        if place in self._kept:
            self._aside.give(draft, item)
        for move in item.moves:
            if move.source is not Place.ORIGIN:
                block = draft.edit_block(move.block)
                if getattr(block, move.source) < move.amount:
                    assert place not in self._kept, f"what the command at {place} took is gone"
                    raise Short(place)
            draft.move(move.block, draft.granted(move.block), move.source, move.to, move.amount)
            draft.edit_block(move.block).released += released(move)
        touched = [move.block for move in item.moves] + [block_id for block_id, _ in item.terms]
        for block_id in dict.fromkeys(touched):
            if draft.edit_block(block_id).remaining:
                blocks.revive(draft, block_id, draft.granted(block_id))
            else:
                blocks.exhaust(draft, {block_id})

    def fall_due(self, place: str, redone: dict[str, Item]) -> None:
        """Do what falls due before a place."""
        while (found := self._next_due(place)) is not None:
            instant, phase, subject = found
            draft = self._begin(instant, instant, self._draft.outcome, by_clock=True)
            if phase is Phase.ROLLOVER:
                self._aside.let_go(draft, {subject})
            fall_due(draft, phase, subject)
            at = self._stands(journal.due_place(instant, phase, subject))
            if has_place(draft, phase, subject):
                images, left = journal.images(draft, self._had), journal.left(draft.moves)
                redone[at] = FellDue(images, tuple(draft.repaid), left)
            else:
                at = self._last
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
        self._had = self._aside.standing()
        draft = Draft(
            self,
            self._draft.catalog,
            self._draft.customer,
            outcome,
            time,
            now,
            by_clock=by_clock,
            units_only=True,
        )
        draft.promised = self._aside.promised()
        draft.aside = {id_: n for (id_, at), n in self._had.items() if at is Place.AVAILABLE}
        return draft

    def _end(self, draft: Draft, place: str) -> None:
        if draft.account.carried:
            overage.schedule_repayment(draft)
        self._aside.roll(draft)
        self.changes.update(draft.changes)
        self._last = max(self._last, place)
        self._aside.keep(self._last)
