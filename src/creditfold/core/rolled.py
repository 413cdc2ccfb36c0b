"""What rolled over otherwise than late usage says, as entries and postings of the late fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from creditfold.core.draft import Draft, Move
from creditfold.core.entries import Place
from creditfold.core.journal import Item, Use
from creditfold.core.past import Past
from creditfold.core.rolled_funding import deal
from creditfold.core.rollover import may_roll
from creditfold.core.state import BLOCK, Block


def left(items: Mapping[str, Item]) -> Counter[Move]:
    """What rolled over of blocks, and was trimmed for that."""
    return Counter(
        move for item in items.values() if not isinstance(item, Use) for move in item.left
    )


def leave(draft: Draft, moves: Counter[Move], *, back: bool) -> None:
    """Let units leave for where they rolled or were trimmed, or come back, with their value."""
    for move in moves.elements():
        terms, value = draft.granted(move.block), move.value or None
        source, to = (move.to, Place.AVAILABLE) if back else (Place.AVAILABLE, move.to)
        draft.move(move.block, terms, source, to, move.amount, value=value)
        draft.edit_block(move.block).released += -move.value if back else move.value


def made(draft: Draft, past: Past, was: Mapping[str, Block | None]) -> dict[str, int]:
    """How many units blocks have more than before: more or less has rolled into them."""
    return {
        block_id: _wanted(draft, past, block_id).quantity - (was[block_id] or Block()).quantity
        for block_id in sorted(was)
    }


def make(draft: Draft, units: Mapping[str, int]) -> None:
    """Bring units into blocks, as they are granted where there were none, or out of them."""
    for block_id, more in units.items():
        path = [Place.ORIGIN, Place.AVAILABLE]
        if not draft.edit_block(block_id).quantity:
            path.insert(1, Place.ISSUED)
        for source, to in pairwise(path if more > 0 else reversed(path)):
            draft.move(block_id, draft.granted(block_id), source, to, abs(more))


def fund(draft: Draft, past: Past, was: Iterable[str]) -> None:
    """What blocks that may roll over are worth, and what is funded of them, is as in the past."""
    rolling = [block_id for block_id in sorted(was) if may_roll(draft, block_id)]
    for block_id in rolling:
        wanted, block = _wanted(draft, past, block_id), draft.edit_block(block_id)
        block.value, block.rolled_into = wanted.value, wanted.rolled_into
        assert block.released == wanted.released, f"{block_id} released {block.released}"
        block.currency = draft.granted(block_id).currency
    for chain in _chains(draft, rolling):
        funded = {id_: _wanted(draft, past, id_).funded for id_ in chain}
        deal(draft, chain, funded)
        for block_id in chain:
            found = draft.edit_block(block_id).funded
            assert found == funded[block_id], f"{block_id} is funded by {found}"


def _wanted(draft: Draft, past: Past, block_id: str) -> Block:
    wanted: Block | None = past.get((draft.customer, BLOCK, block_id))
    return wanted or Block()


def _chains(draft: Draft, blocks: Iterable[str]) -> Iterator[list[str]]:
    """Blocks of which each rolled into the next, from those that were granted."""
    found: dict[str, set[str]] = {}
    for block_id in blocks:
        chain = [block_id]
        while (source := draft.granted(chain[-1]).rolled_from) is not None:
            chain.append(source)
        found.setdefault(chain[-1], set()).update(chain)
    for chained in found.values():
        yield sorted(chained, key=lambda each: (draft.granted(each).rolled, each))
