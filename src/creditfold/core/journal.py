"""The journal: what moved a customer's units within the late window, by its place in time.

A place sorts by instant; at one instant what falls due comes first, by its phase, then commands,
then usage as it came. A command that is older than usage folded before it stands behind that
usage: it acts where it was recorded. Usage of that instant that comes later stands behind it.

An item after which another block would pay, or pay otherwise, is a boundary, and keeps the
images of the records that it changed. Between two boundaries usage only takes from blocks that
have enough, in an order that does not matter, so it needs no image to be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from creditfold.core.counted import Usage
from creditfold.core.draft import Draft, Move
from creditfold.core.entries import AVAILABLE, ISSUED, Place, identity
from creditfold.core.exact import half_even
from creditfold.core.facts import CARRY, HoldPlaced
from creditfold.core.overage_state import CARRIED, OVERAGE, Carried, OpenOverage
from creditfold.core.predicate import Value
from creditfold.core.state import (
    AGENDA,
    BLOCK,
    HOLD,
    JOURNAL,
    PASSED,
    PROFILE,
    SEEN,
    TERMS,
    WALLET,
    Agenda,
    Block,
    Hold,
    Passed,
    Phase,
    Price,
    Profile,
    Seen,
    Terms,
    Wallet,
    seen_key,
)
from creditfold.core.times import rfc3339
from creditfold.core.uncovered import Reach, Repaid, Unpaid

_BEFORE_1970: Final = 1 << 62
"""Keeps the instants of a key positive."""

_COMMAND, _USAGE, _AFTER_USAGE = "c", "u", "v"
"""Behind the phases, which are digits."""

PRUNED_MAX = 256
"""Items that one usage may drop: an outcome's changes have to fit into a batch."""


class Image(Struct, frozen=True, array_like=True, gc=False):
    """A record as it was before an item changed it; None: there was none."""

    kind: str
    id: str
    record: bytes | None


class Use(Struct, frozen=True, tag="use", gc=False):
    """Usage with its prices as they were when it came, and what it has drawn in order.

    `recorded` is the quantity that the prices are for, `quantity` what corrections made of it.
    It stands `at` an instant, which is its time, or that of what came before it; `behind` is how
    many outcomes the customer had by then, where something of that instant came before it.
    """

    source: str
    id: str
    time: int
    recorded_at: int
    meter: str
    product: str
    exponent: int
    recorded: int
    quantity: int
    properties: dict[str, Value]
    prices: tuple[Price, ...]
    at: int
    behind: int = 0
    hold: str | None = None
    final: bool = False
    subscription: str | None = None
    slices: tuple[tuple[str, int], ...] = ()
    unpaid: Unpaid | None = None
    images: tuple[Image, ...] = ()

    @property
    def costs(self) -> dict[str, Price]:
        """By unit; of another quantity than was recorded the proportion, half even."""
        if self.quantity == self.recorded:
            return {price.unit: price for price in self.prices}
        return {
            price.unit: replace(
                price, amount=half_even(price.amount * self.quantity, self.recorded)
            )
            for price in self.prices
        }

    @property
    def carried(self) -> bool:
        """Whether credit that came later may have repaid what no block covered."""
        return self.unpaid is not None and self.unpaid.policy is CARRY

    @property
    def place(self) -> str:
        """Its key in the journal."""
        return usage_place(self.at, self.behind, self.source, self.id)

    def outcome(self, customer: str) -> str:
        """The id of the outcome that the usage first had."""
        return _outcome(customer, self.source, self.id, self.time)

    @property
    def usage(self) -> Usage:
        """As its entries name it."""
        return Usage(self.id, self.meter, self.product, self.time, self.subscription)

    def overage(self, customer: str) -> str:
        """The id under which what no block covers of it is open."""
        return f"{self.outcome(customer)}.o1"


@lru_cache(maxsize=4_096)  # folding a usage again asks for it several times over
def _outcome(customer: str, source: str, id_: str, time: int) -> str:
    return identity(customer, source, id_, rfc3339(time))


class Money(Struct, frozen=True, array_like=True, gc=False):
    """What a command changed of the value and the funding of a block that may roll over."""

    block: str
    value: int
    funded: int


class Command(Struct, frozen=True, tag="command", gc=False):
    """A command, or a program's due date, that changed who pays, as it is done in its place again.

    What it moved stands as it was answered, and so do the terms of blocks, their money, the profile
    and what was billed that it left behind. A hold takes what it now can. Of what an enrolment had
    granted before a date that `resets` it so much has `left` by rolling over as it now may, and
    the rest expires; all that is carried is `dropped` that its credit could have `repaid`.
    """

    time: int
    recorded_at: int
    images: tuple[Image, ...]
    moves: tuple[Move, ...] = ()
    terms: tuple[tuple[str, Terms], ...] = ()
    resets: tuple[str, ...] = ()
    placed: HoldPlaced | None = None
    released: str | None = None
    profile: Profile | None = None
    billed: tuple[str, ...] = ()
    dropped: tuple[Reach, ...] = ()
    repaid: tuple[Repaid, ...] = ()
    money: tuple[Money, ...] = ()
    left: tuple[Move, ...] = ()


class FellDue(Struct, frozen=True, tag="due", gc=False):
    """Something fell due; its place says what and when, `left` what rolled over and was trimmed."""

    images: tuple[Image, ...]
    repaid: tuple[Repaid, ...] = ()
    left: tuple[Move, ...] = ()


Item: TypeAlias = Use | Command | FellDue

IMAGED: Final[dict[str, type[Struct]]] = {
    BLOCK: Block,
    TERMS: Terms,
    WALLET: Wallet,
    AGENDA: Agenda,
    OVERAGE: OpenOverage,
    CARRIED: Carried,
    HOLD: Hold,
    PROFILE: Profile,
}
"""What decides who pays, and is folded anew; money and identities are not."""

_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(type_) for kind, type_ in IMAGED.items()}


def restored(image: Image) -> Struct | None:
    """The record of an image."""
    return None if image.record is None else _decoders[image.kind].decode(image.record)


def images(draft: Draft, kept: Mapping[tuple[str, Place], int] | None = None) -> tuple[Image, ...]:
    """The records of the draft's changes that are folded anew, as they were before it.

    What was `kept` from usage stood in its block all the same. A block that is sold and not granted
    yet has nothing but money.
    """
    found = []
    for _, kind, id_ in draft.changes:
        if kind in IMAGED and (kind != BLOCK or draft.terms(id_) is not None):
            before = draft.before(kind, id_)
            if kept and isinstance(before, Block):
                before = replace(
                    before,
                    issued=before.issued + kept.get((id_, ISSUED), 0),
                    available=before.available + kept.get((id_, AVAILABLE), 0),
                )
            data = None if before is None else _encoder.encode(before)
            found.append(Image(kind, id_, data))
    return tuple(found)


def given_back(item: Item, less: Mapping[str, int]) -> Item | None:
    """The item with images in which so much less of each block is drawn, None where none can be."""
    images = []
    for image in item.images:
        n = less.get(image.id, 0) if image.kind == BLOCK else 0
        if not n:
            images.append(image)
            continue
        block = restored(image)
        if isinstance(block, Block) and block.drawn >= n and block.available >= -n:
            changed = replace(block, available=block.available + n, drawn=block.drawn - n)
            images.append(replace(image, record=_encoder.encode(changed)))
        else:
            return None
    return item if images == [*item.images] else replace(item, images=tuple(images))


def left(moves: Iterable[Move]) -> tuple[Move, ...]:
    """Those of a rollover that took value along."""
    return tuple(move for move in moves if move.to in (Place.ROLLED_OUT, Place.VOIDED))


def left_by_resets(draft: Draft) -> tuple[Move, ...]:
    """What rolled over, and was trimmed for that, by a reset among what else was done."""
    return left(draft.moves[n] for n in sorted(draft.by_reset))


def bounds(draft: Draft, use: Use) -> bool:
    """Whether another block pays after this use, or it cannot be undone by its slices alone."""
    return (
        draft.exhausted
        or use.hold is not None
        or use.carried
        or AVAILABLE in [move.to for move in draft.moves]
    )


def as_it_comes(draft: Draft, place: str) -> bool:
    """Whether what belongs at the place counts where it comes: nothing is folded again there."""
    return not draft.policy.in_order or place <= draft.account.settled


def usage_place(time: int, behind: int, source: str, id_: str) -> str:
    """Where usage of this time stands, behind what has such a sequence or a lower one."""
    command = f"{_AFTER_USAGE}{behind:016x}" if behind else ""
    return f"{time + _BEFORE_1970:016x}{command}{_USAGE}{source}\0{id_}"


def standing(draft: Draft, time: int) -> tuple[int, int]:
    """Where usage of this time that comes now stands: the instant, and behind what came by then.

    It is at its own time, behind other usage of that time, where usage counts as if it had come in
    order, else behind all that came. So a batch that reports one time moves nothing by its ids.
    """
    account = draft.account
    instant = f"{time + _BEFORE_1970:016x}"
    if account.front < instant:
        return time, 0
    if as_it_comes(draft, instant + _USAGE):
        return instant_of(account.front), account.seq
    if account.front < instant + _USAGE:
        return time, 0
    following = next((place for place, _ in draft.scan(JOURNAL, instant + _USAGE)), "")
    return time, account.seq if following.startswith(instant) else 0


def due_place(instant: int, phase: Phase, subject: str) -> str:
    """Where something that falls due stands."""
    return f"{instant + _BEFORE_1970:016x}{phase:02d}{subject}"


def command_place(time: int, seq: int, last: str) -> str:
    """Where a command stands: at its time, or behind the `last` that was folded before it."""
    place = f"{time + _BEFORE_1970:016x}{_COMMAND}{seq:016x}"
    return place if place > last else f"{last[:16]}{_AFTER_USAGE}{seq:016x}"


def behind_place(place: str, last: str) -> str:
    """The place, or right behind the `last` that was folded before it."""
    return place if place >= last else f"{last}\0"


def last_before(draft: Draft, place: str) -> str:
    """The last item from a place on that what comes now stands behind; "" where there is none.

    Usage ahead of the log came before it, but happens behind it. What a command has put on the
    agenda for an instant that had gone by stands behind that command.
    """
    front = draft.account.front
    if place > front or as_it_comes(draft, place):
        return front
    items = list(behind(draft, place))
    present = draft.present
    if draft.by_clock:
        known = [_log_time(at, item) for at, item in items]
        present = max((at for at in known if at >= present), default=present - 1)
    last, ahead = "", False
    for at, item in items:
        if instant_of(at) > present:
            break
        if isinstance(item, Use):
            ahead = item.recorded_at < present == item.time
        elif not _follows(at, item):
            ahead = False
        last = last if ahead else at
    return last


def _log_time(place: str, item: Item) -> int:
    """An instant that the log had reached when the item was done."""
    if not isinstance(item, FellDue):
        return item.recorded_at
    # What fell due behind usage that is ahead of the log did so before that usage's instant.
    return -_BEFORE_1970 if _follows(place, item) else instant_of(place)


def _follows(place: str, item: Item) -> bool:
    """Whether it fell due right behind another item, and not at an instant of its own."""
    return isinstance(item, FellDue) and not place[16].isdigit()


def instant_of(place: str) -> int:
    """The instant of a place."""
    return int(place[:16], 16) - _BEFORE_1970


def enter(draft: Draft, place: str, item: Item) -> None:
    """Write an item down, and how far the customer's journal reaches by it."""
    draft.put(JOURNAL, place, item)
    account = draft.account
    if place > account.front:
        account.front = place
    if item.images and place > account.boundary:
        account.boundary = place


def behind(draft: Draft, place: str) -> Iterator[tuple[str, Item]]:
    """The items at a place and behind it."""
    yield from draft.scan(JOURNAL, place)


def remember(draft: Draft, source: str, id_: str, time: int) -> None:
    """Note when the id of a fact that is not in the journal may be forgotten."""
    draft.put(PASSED, f"{time + _BEFORE_1970:016x}{seen_key(source, id_)}", Passed())


def prune(draft: Draft) -> None:
    """Drop what no usage or correction that the log can still take would need, oldest first."""
    account = draft.account
    oldest = draft.now - draft.catalog.late_window_max
    if oldest < account.pruned_to:
        return
    dropped = 0
    for kind in (JOURNAL, PASSED):
        for place, item in draft.scan(kind):
            if instant_of(place) >= oldest:
                break
            if dropped == PRUNED_MAX:
                return
            dropped += 1
            draft.put(kind, place, None)
            if isinstance(item, Use):
                _forget(draft, seen_key(item.source, item.id))
            elif kind == PASSED:
                _forget(draft, place[16:])
    # The next round is worth its scan when a good part of the window has gone by.
    account.pruned_to = oldest + draft.catalog.late_window_max // 4


def _forget(draft: Draft, key: str) -> None:
    """Drop an id, unless another fact has it by now: its window may have been shorter."""
    seen: Seen | None = draft.get(SEEN, key)
    if seen is not None and seen.until is not None and seen.until < draft.now:
        draft.put(SEEN, key, None)
