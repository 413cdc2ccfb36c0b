"""What commands take later is set aside from usage, wherever it is until they take it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from msgspec.structs import replace

from creditfold.core import blocks, holds, journal
from creditfold.core.draft import Draft, Move, Promise
from creditfold.core.entries import Place
from creditfold.core.journal import Command, Item
from creditfold.core.overlay import Overlay
from creditfold.core.state import BLOCK, HOLD, TERMS, WALLET, Block, Hold, Phase, Terms, Wallet

_UNUSED: Final = (Place.ISSUED, Place.AVAILABLE)
"""Where a command takes units from; what it took of what had expired was available before."""

Kept: TypeAlias = tuple[str, str, Place]
"""A block of which something is set aside, the one that a command takes it of, and the place."""


class SetAside:
    """Of what the commands in `kept` took, no usage of the past gets anything.

    What holds had that `ended` before, in this order, is theirs again until they give it back.
    """

    def __init__(
        self,
        draft: Draft,
        past: Overlay,
        place: str,
        items: Mapping[str, Item],
        kept: Collection[str],
        ended: Iterable[str],
    ) -> None:
        self._draft = draft
        self._past = past
        self._place = place
        self._last = ""
        self._worth = self._taken_later(items)
        self._to_keep: Counter[tuple[str, Place]] = Counter()
        self._has: Counter[Kept] = Counter()
        self._reserved: dict[tuple[str, str], int] = {}
        for at in sorted(kept):
            item = items[at]
            assert isinstance(item, Command)
            self._to_keep.update(_taken(item))
        self._reserve(ended)
        self.keep("")

    def standing(self) -> dict[tuple[str, Place], int]:
        """How much of each block is set aside in a place."""
        found: dict[tuple[str, Place], int] = {}
        for (holder, _, place), amount in self._has.items():
            found[holder, place] = found.get((holder, place), 0) + amount
        return found

    def promised(self) -> dict[str, Promise]:
        """What is to roll over of blocks, whatever usage has left."""
        found = {id_: Promise(0, value) for id_, value in self._worth.items()}
        for (holder, block_id, _), amount in self._has.items():
            if holder != block_id and amount:
                found.setdefault(holder, Promise()).units += amount
        return found

    def of_hold(self, hold: str | None) -> dict[str, int]:
        """By block, what the hold has that a command takes once it has given it back."""
        return {block_id: n for (id_, block_id), n in self._reserved.items() if id_ == hold}

    def _taken_later(self, items: Mapping[str, Item]) -> dict[str, int]:
        """By block, the value that commands have taken of what rolls over from it."""
        taken: Counter[str] = Counter()
        most: Counter[str] = Counter()
        for item in items.values():
            for move in item.moves if isinstance(item, Command) else ():
                taken[move.block] += released(move)
                most[move.block] = max(most[move.block], taken[move.block])
        found: Counter[str] = Counter()
        for block_id, value in most.items():
            terms = self._draft.terms(block_id)
            while value and terms is not None and terms.rolled_from is not None and terms.rolls_on:
                found[terms.rolled_from] += value
                terms = self._draft.terms(terms.rolled_from)
        return found

    def _reserve(self, ended: Iterable[str]) -> None:
        """Note what commands take of blocks that holds have yet to give back.

        Of what is not there otherwise, the hold that ended first gave it back first.
        """
        wanted = Counter[str]()
        for (block_id, place), amount in self._to_keep.items():
            if place is Place.AVAILABLE:
                line = (self._block(each) for each in self._line(block_id))
                wanted[block_id] = amount - sum(block.available for block in line)
        for id_ in dict.fromkeys(ended):
            hold: Hold | None = self._past.get((self._draft.customer, HOLD, id_))
            for holder, amount in hold.parts if hold is not None else ():
                rest = amount
                for block_id in wanted:
                    part = min(rest, wanted[block_id])
                    if part > 0 and holder in self._line(block_id):
                        rest -= part
                        wanted[block_id] -= part
                        self._reserved[id_, holder] = amount - rest

    def keep(self, last: str) -> None:
        """Set aside what is there of what commands take later, or of what rolls over into that.

        All has been done up to the `last` place.
        """
        self._last = last
        for hold in [id_ for id_, _ in self._reserved]:
            if self._past.get((self._draft.customer, HOLD, hold)) is None:
                self.forget(hold)
        for (block_id, place), wanted in self._to_keep.items():
            more = wanted - sum(n for kept, n in self._has.items() if kept[1:] == (block_id, place))
            for holder in self._line(block_id):
                block = self._block(holder)
                there = getattr(block, place)
                part = min(more, there)
                if part > 0:
                    more -= part
                    self._has[holder, block_id, place] += part
                    key = self._draft.customer, BLOCK, holder
                    self._past.changes[key] = replace(block, **{place: there - part})
        for holder in sorted({k[0] for k, n in self._has.items() if n and k[0] != k[1]}):
            self._stay(holder)

    def _line(self, block_id: str) -> Iterator[str]:
        """A block, and those that are to roll over into it one after the other, the last first."""
        yield block_id
        terms = self._draft.terms(block_id)
        while terms is not None and terms.rolled_from is not None and terms.rolls_on:
            if self._rolls_later(terms.rolled_from):
                yield terms.rolled_from
            terms = self._draft.terms(terms.rolled_from)

    def _rolls_later(self, block_id: str) -> bool:
        terms: Terms | None = self._past.get((self._draft.customer, TERMS, block_id))
        if terms is None or terms.expires_at is None:
            return True
        ends = journal.due_place(terms.expires_at, Phase.ROLLOVER, block_id)
        return self._place <= ends and self._last < ends

    def _stay(self, block_id: str) -> None:
        """A block rolls over what is set aside of it, even where usage had all the rest."""
        wallet: Wallet | None = self._past.get((self._draft.customer, WALLET, ""))
        if wallet is None or block_id not in wallet.blocks:
            of = self._draft
            draft = Draft(self._past, of.catalog, of.customer, "", 0, 0, units_only=True)
            blocks.revive(draft, block_id, draft.granted(block_id))
            self._past.changes.update(draft.changes)

    def _block(self, block_id: str) -> Block:
        block: Block | None = self._past.get((self._draft.customer, BLOCK, block_id))
        return block or Block()

    def roll(self, draft: Draft) -> None:
        """What was set aside of a block that rolled over is so of that which it rolled into."""
        for source, promise in draft.promised.items():
            block: Block | None = draft.get(BLOCK, source)
            into: str | None = getattr(block, "rolled_into", None)
            if into is None or into == getattr(draft.before(BLOCK, source), "rolled_into", None):
                continue
            moved = [kept for kept, n in self._has.items() if n and kept[0] == source != kept[1]]
            room = sum(self._has[kept] for kept in moved) - promise.units
            for kept in sorted(moved, key=lambda kept: draft.granted(kept[1]).rolled):
                part = min(room, self._has.pop(kept))
                room -= part
                self._has[into, kept[1], kept[2]] += part

    def give(self, draft: Draft, item: Command) -> None:
        """Let the command have what it takes."""
        lapsed = {move.block for move in item.moves if move.source is Place.EXPIRED}
        for (block_id, at), amount in _taken(item).items():
            self._to_keep[block_id, at] -= amount
            back = min(amount, self._has[block_id, block_id, at])
            self._has[block_id, block_id, at] -= back
            block, to = draft.edit_block(block_id), Place.EXPIRED if block_id in lapsed else at
            draft.put(BLOCK, block_id, replace(block, **{to: getattr(block, to) + back}))
            if at is Place.AVAILABLE:
                self._give_up(draft, block_id, amount)

    def _give_up(self, draft: Draft, block_id: str, amount: int) -> None:
        """Take what is missing out of holds that had ended when it was taken, and now have not."""
        for (id_, of), part in self._reserved.items():
            more = min(part, amount - draft.edit_block(block_id).available)
            if of == block_id and more > 0:
                self._reserved[id_, of] -= more
                holds.give_up(draft, id_, block_id, more)

    @property
    def held(self) -> set[str]:
        """The blocks of which holds have something that commands take."""
        return {block_id for _, block_id in self._reserved}

    def let_go(self, draft: Draft, ending: Collection[str]) -> None:
        """Let what commands take of what blocks roll into roll over, whichever hold has it now."""
        for (id_, block_id), part in self._reserved.items():
            if part and block_id in ending:
                self._reserved[id_, block_id] = 0
                holds.give_up(draft, id_, block_id, part)

    def forget(self, hold: str) -> None:
        """It has given back what was reserved of it."""
        self._reserved = {key: n for key, n in self._reserved.items() if key[0] != hold}


def released(move: Move) -> int:
    """What of a block's value left with the move, or came back."""
    back = move.to in (Place.ISSUED, Place.AVAILABLE, Place.EXPIRED)
    return -move.value if back else move.value


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
