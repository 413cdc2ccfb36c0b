"""A naive model of a life in the order of events: it is told anew from the start whenever asked.

Units only, of one unit that one meter counts: what they are worth is held to the invariants. What
happened is a list of commands as they were answered, and usage by its time; nothing is undone, all
is done again, and what then is left rolls over. It imports no creditfold.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

NEVER = 10**30


class Refused(Exception):  # noqa: N818  # a refusal is an answer, not an error
    """The command is rejected."""


class Short(Exception):  # noqa: N818  # told again with what it needs kept
    """A command would lack what it was answered."""


@dataclass(frozen=True)
class Rule:
    """How much of a block rolls over at most, what it is topped up to, and how often it does."""

    quantity: int | None = None
    half: bool = False
    floor: int = 0
    times: int = 2

    def cap(self, original: int) -> int:
        caps = [NEVER if self.quantity is None else self.quantity]
        return min([*caps, round(original / 2)] if self.half else caps)


@dataclass
class Block:
    """One grant and where its units are."""

    id: str
    quantity: int
    effective_at: int
    expires_at: int = NEVER
    paid: bool = False
    priority: int = NEVER
    program: str | None = None
    dates: Program | None = None
    rule: Rule | None = None
    rolled: int = 0
    root: str = ""
    original: int = 0
    at: Counter[str] = field(default_factory=Counter)

    @property
    def rolls(self) -> bool:
        return self.rule is not None and self.rolled < self.rule.times

    @property
    def unused(self) -> int:
        return self.at["issued"] + self.at["available"]

    def sent(self, id_: str, quantity: int) -> Block:
        """What another customer gets of it: it rolls as often as is left; nothing tops it up."""
        made = Block(id_, quantity, self.effective_at, self.expires_at, self.paid, self.priority)
        if self.rule is not None and self.rolls:
            made.rule = replace(self.rule, floor=0, times=self.rule.times - self.rolled)
        made.dates = self.dates
        return made

    def covers(self, time: int) -> bool:
        return self.effective_at <= time < self.expires_at

    def order(self) -> tuple[Any, ...]:
        """Priority, expiry, free before paid, activation, id."""
        return (self.priority, self.expires_at, self.paid, self.effective_at, self.id)

    def move(self, source: str, to: str, amount: int) -> None:
        self.at[source] -= amount
        self.at[to] += amount
        assert self.at[source] >= 0, (self, source)

    def come_to(self, now: int, kept: int = 0) -> None:
        """Be where the interval says at an instant; what is kept for a command stays for it."""
        if self.effective_at <= now:
            self.move("issued", "available", self.at["issued"])
        if self.expires_at <= now:
            self.move("available", "expired", max(0, self.at["available"] - kept))


@dataclass
class Hold:
    """What is set aside until it ends, by block in the order in which it was taken."""

    ends: int
    parts: dict[str, int]


@dataclass
class Program:
    """A recurring grant: its terms, its dates, and how many it made."""

    id: str
    begin: int
    every: int
    quantity: int
    life: int | None
    resets: bool
    rule: Rule | None
    attached: bool = True
    granted: int = 0
    next: int = 0

    def date_after(self, time: int) -> int:
        return self.begin + ((time - self.begin) // self.every + 1) * self.every


@dataclass
class Command:
    """What was answered: done again in its place, it `takes` the same, beyond what it makes."""

    at: int
    steps: list[Callable[[Telling], object]] = field(default_factory=list)
    takes: Counter[tuple[str, str]] = field(default_factory=Counter)


class Telling:
    """All blocks as one telling of the story leaves them.

    It is not `sure` once a hold would have taken what is kept for a command: it then has less here,
    and has it from the start; in the fold it has that until it ends, and usage draws less of it.
    """

    def __init__(self, programs: dict[str, Program]) -> None:
        self.programs = programs
        self.blocks: dict[str, Block] = {}
        self.holds: dict[str, Hold] = {}
        self.sure = True
        self.now = 0
        self.kept: Counter[tuple[str, str]] = Counter()
        self.uncovered = 0
        self.over: set[tuple[str, int]] = set()

    def come_to(self, now: int) -> None:
        """At one instant holds end first; what ends then rolls over, and the rest of it expires."""
        while (at := self._next_end(now)) is not None:
            self._come_to(at - 1)
            for id_ in sorted(id_ for id_, hold in self.holds.items() if hold.ends == at):
                self.end_hold(id_, at - 1)
            for block in sorted(self.blocks.values(), key=lambda each: each.id):
                if block.expires_at == at and (block.id, at) not in self.over:
                    self.over.add((block.id, at))
                    self.roll(block, at)
            self._come_to(at)
        self._come_to(now)
        self.now = now

    def _next_end(self, now: int) -> int | None:
        ends = [b.expires_at for b in self.blocks.values() if (b.id, b.expires_at) not in self.over]
        ends += [hold.ends for hold in self.holds.values()]
        return min((at for at in ends if at <= now), default=None)

    def _come_to(self, now: int) -> None:
        for block in self.blocks.values():
            block.come_to(now, self.kept[block.id, "available"])

    def hold(self, id_: str, time: int, ends: int, quantity: int) -> int:
        """Take what is there, up to so much; what is missing. One of that name had ended."""
        if id_ in self.holds:
            self.end_hold(id_, time)
        parts = {}
        for block in self.in_order():
            if block.covers(time) and quantity:
                kept = self.kept[block.id, "available"] + self._promised(block, "available")
                self.sure &= not kept
                if part := min(quantity, self.free(block, "available")):
                    block.move("available", "held", part)
                    parts[block.id] = part
                    quantity -= part
        self.holds[id_] = Hold(ends, parts)
        return quantity

    def end_hold(self, id_: str, now: int) -> None:
        """What is left goes back, and where the block has expired by now, it expires too."""
        for block_id, amount in self.holds.pop(id_).parts.items():
            block = self.blocks[block_id]
            block.move("held", "expired" if block.expires_at <= now else "available", amount)

    def free(self, block: Block, place: str) -> int:
        """What usage may have: nothing that a command takes of it, or of what it rolls into."""
        return max(0, self.left(block, place) - self._promised(block, place))

    def left(self, block: Block, place: str) -> int:
        return max(0, block.at[place] - self.kept[block.id, place])

    def _promised(self, block: Block, place: str) -> int:
        later = (f"{block.root}~{n}" for n in range(block.rolled + 1, 10))
        return sum(self.kept[id_, place] for id_ in later if id_ not in self.blocks)

    def in_order(self) -> list[Block]:
        return sorted(self.blocks.values(), key=Block.order)

    def use(self, time: int, quantity: int, hold: str | None, *, final: bool) -> None:
        used = quantity
        open_ = hold in self.holds and time < self.holds[hold].ends
        held = self.holds[hold].parts if open_ else {}
        for block_id, amount in held.items():
            part = min(quantity, amount) if self.blocks[block_id].effective_at <= time else 0
            self.blocks[block_id].move("held", "drawn", part)
            held[block_id] -= part
            quantity -= part
        for block in self.in_order():
            for place in ("available", "issued"):
                if block.covers(time):
                    part = min(quantity, self.free(block, place))
                    block.move(place, "drawn", part)
                    quantity -= part
        self.uncovered += quantity
        if open_ and final and used:
            self.end_hold(hold, self.now)

    def roll(self, block: Block, at: int) -> None:
        """Of all that rolled over of a program, the oldest is trimmed to the cap."""
        if block.rule is None or not block.rolls:
            return
        cap = block.rule.cap(self.blocks[block.root].original)
        left = self.left(block, "available")
        amount = min(left, cap)
        if not (left or block.at["held"]) or not (amount or block.rule.floor):
            return
        ends = at + block.expires_at - block.effective_at
        if block.dates is not None:
            ends = block.dates.date_after(at)
        block.move("available", "rolled_out", amount)
        quantity = max(amount, block.rule.floor)
        name = self._name(block)
        made = Block(name, quantity, at, ends, block.paid, block.priority, block.program)
        made.rule, made.rolled, made.root = block.rule, block.rolled + 1, block.root
        made.dates = block.dates
        made.at["available"] = made.original = quantity
        self.blocks[made.id] = made
        if block.program is not None:
            self._trim(block.program, cap, at)

    def _name(self, block: Block) -> str:
        """What it is called once it has rolled over: again, where more came after it had."""
        number = block.rolled + 1
        while (name := f"{block.root}~{number}") in self.blocks:
            number += 1
        return name

    def _trim(self, program: str, cap: int, at: int) -> None:
        """What is kept for a command is there too, and stays."""
        rolled = [b for b in self.blocks.values() if b.program == program and b.rolled]
        standing = [each for each in rolled if each.expires_at >= at]
        above = sum(each.at["available"] for each in standing) - cap
        for each in sorted(standing, key=lambda each: (each.effective_at, each.id)):
            part = min(above, self.free(each, "available"))
            if part > 0:
                above -= part
                each.move("available", "voided", part)

    def reset(self, program: str, time: int) -> None:
        """What the program granted ends, and may roll over; what did so before stays."""
        for block in self.in_order():
            granted = block.program == program and not block.rolled and block.expires_at > time
            if granted and (self.left(block, "available") or block.at["held"]):
                self.roll(block, time)
                if block.at["available"] or block.at["held"]:
                    block.expires_at = time
                    self.over.add((block.id, time))
                    block.come_to(time, self.kept[block.id, "available"])


class Life:
    """One customer's commands and usage, and what comes of them."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.commands: list[Command] = []
        self.usage: dict[str, tuple[int, int]] = {}
        self.names: dict[str, tuple[str, bool]] = {}
        self.programs: dict[str, Program] = {}
        self.known: dict[str, Block] = {}
        self._known: Telling | None = None

    # Telling

    def told(self) -> Telling:
        """What usage in order leaves; of what commands were answered, usage gets nothing."""
        if self._known is None:
            self._known = self._anew()
        return copy.deepcopy(self._known)

    def _anew(self) -> Telling:
        kept: set[int] = set()
        while True:
            telling = Telling(self.programs)
            try:
                self._tell(telling, kept)
            except Short as short:
                if short.args[0] in kept:
                    raise  # what was kept is gone
                kept.add(short.args[0])
            else:
                return telling

    def _tell(self, telling: Telling, kept: set[int]) -> None:
        for number in kept:
            telling.kept.update(+self.commands[number].takes)
        usage = sorted((time, id_, n) for id_, (time, n) in self.usage.items())
        for number, command in enumerate(self.commands):
            while usage and usage[0][0] < command.at:
                self._use(telling, *usage.pop(0))
            telling.come_to(command.at)
            if number in kept:
                telling.kept.subtract(+command.takes)
            for (id_, place), amount in (+command.takes).items():
                block = telling.blocks.get(id_)
                if block is None:
                    raise Short(number)
                there = block.at[place] if number in kept else telling.free(block, place)
                if there < amount:
                    raise Short(number)
            for step in command.steps:
                step(telling)
        for each in usage:
            self._use(telling, *each)
        telling.come_to(self.now)

    def _use(self, telling: Telling, time: int, id_: str, quantity: int) -> None:
        telling.come_to(min(time, self.now))
        hold, final = self.names.get(id_, (None, False))
        telling.use(time, quantity, hold, final=final)

    def _answer(self, at: int) -> tuple[Command, Telling]:
        """A command at an instant, and how it finds things."""
        command = Command(at)
        found = self.told()
        found.come_to(at)
        self.commands.append(command)
        self._known = None
        return command, found

    def _do(
        self,
        command: Command,
        found: Telling,
        step: Callable[[Telling], object],
        takes: tuple[str, str, int] | None = None,
    ) -> None:
        """Do one step of it now, and whenever the story is told."""
        step(found)
        command.steps.append(step)
        if takes is not None:
            command.takes[takes[0], takes[1]] += takes[2]

    # Facts

    def grant(self, block: Block, blends: Sequence[str] = ()) -> None:
        """What is unused of the blocks that it blends is its own from then on."""
        there = self.told().blocks
        if block.id in there or any(id_ not in there for id_ in blends):
            raise Refused
        if any(not there[id_].unused or there[id_].paid != block.paid for id_ in blends):
            raise Refused
        command, found = self._answer(self.now)
        for id_ in blends:
            block.quantity += there[id_].unused
            self._leave(command, found, id_, there[id_].unused, "rolled_out")
        self._make(command, found, block)

    def _make(self, command: Command, found: Telling, block: Block) -> None:
        block.at["issued"] = block.original = block.quantity
        block.root = block.root or block.id

        def step(telling: Telling) -> None:
            made = telling.blocks[block.id] = copy.deepcopy(block)
            if made.effective_at <= command.at:
                made.move("issued", "available", made.quantity)

        self._do(command, found, step, (block.id, "available", -block.quantity))

    def take(self, id_: str, amount: int | None, to: str) -> int:
        """Void or transfer: unused units leave; how many."""
        block = self.told().blocks.get(id_)
        if block is None or not block.unused or (amount or 0) > block.unused:
            raise Refused
        if block.paid and to == "voided":
            raise Refused
        amount = amount or block.unused
        self._leave(*self._answer(self.now), id_, amount, to)
        return amount

    def _leave(self, command: Command, found: Telling, id_: str, amount: int, to: str) -> None:
        place = "issued" if found.blocks[id_].at["issued"] else "available"

        def step(telling: Telling) -> None:
            telling.blocks[id_].move(place, to, amount)

        self._do(command, found, step, (id_, place, amount))

    def come_back(self, id_: str, amount: int) -> None:
        """The other side refused."""
        command, found = self._answer(self.now)

        def step(telling: Telling) -> None:
            block = telling.blocks[id_]
            place = "issued" if block.effective_at > command.at else "available"
            block.move("transferred_out", place, amount)
            block.come_to(command.at)

        self._do(command, found, step)

    def adjust(self, id_: str, amount: int) -> None:
        block = self.told().blocks.get(id_) or self._emptied(id_)
        if block is None or -amount > block.unused or (amount > 0 and block.expires_at <= self.now):
            raise Refused
        if block.paid and block.quantity + amount < block.original:
            raise Refused
        place = "issued" if block.effective_at > self.now else "available"

        def step(telling: Telling) -> None:
            there = telling.blocks.setdefault(id_, copy.deepcopy(block))
            there.quantity += amount
            there.at[place] += amount

        if id_ not in self.told().blocks or block.rolled:
            block = self._emptied(id_) or block
        self._do(*self._answer(self.now), step, (id_, place, -amount) if amount < 0 else None)

    def _emptied(self, id_: str) -> Block | None:
        """What rolled over once, and by late usage has not: nothing is in it."""
        known = copy.deepcopy(self.known.get(id_))
        if known is not None:
            known.quantity, known.original, known.at = 0, 0, Counter()
        return known

    def amend(self, id_: str, quantity: int) -> None:
        """Usage has another quantity, or none."""
        self.usage[id_] = (self.usage[id_][0], quantity)
        self._known = None

    def use(self, id_: str, time: int, quantity: int, hold: tuple[str, bool] | None = None) -> None:
        """Usage that may name a hold, which with the last of it ends."""
        self.usage[id_] = (time, quantity)
        if hold is not None:
            self.names[id_] = hold
        self._known = None

    # Holds

    def hold(self, id_: str, ends: int, quantity: int) -> None:
        """All of it or nothing."""
        found = self.told()
        if id_ in found.holds or found.hold(id_, self.now, ends, quantity):
            raise Refused
        time = self.now
        self._do(*self._answer(time), lambda telling: telling.hold(id_, time, ends, quantity))

    def release(self, id_: str) -> None:
        if id_ not in self.told().holds:
            raise Refused
        command, found = self._answer(self.now)

        def step(telling: Telling) -> None:
            if id_ in telling.holds:
                telling.end_hold(id_, command.at)

        self._do(command, found, step)

    # Programs

    def attach(self, program: Program) -> None:
        program.next = program.begin
        self.programs[program.id] = program

    def reset(self, id_: str) -> None:
        program = self.programs.get(id_)
        if program is None:
            raise Refused
        command, found = self._answer(self.now)
        self._reset(command, found, program)
        if program.attached:
            self._grant(command, found, program)

    def sweep(self, now: int) -> None:
        """What programs grant by an instant, each at its own."""
        while (at := self._next_due(now)) is not None:
            self._come_to(at)
            for program in sorted(self.programs.values(), key=lambda each: each.id):
                if program.attached and program.next == at:
                    command, found = self._answer(at)
                    if program.resets:
                        self._reset(command, found, program)
                    self._grant(command, found, program)
        self._come_to(now)
        for id_, block in self.told().blocks.items():
            self.known[id_] = block

    def _come_to(self, now: int) -> None:
        self.now, self._known = now, None

    def _next_due(self, now: int) -> int | None:
        dates = (p.next for p in self.programs.values() if p.attached)
        return min((date for date in dates if date <= now), default=None)

    def _reset(self, command: Command, found: Telling, program: Program) -> None:
        self._do(command, found, lambda telling: telling.reset(program.id, command.at))

    def _grant(self, command: Command, found: Telling, program: Program) -> None:
        program.granted += 1
        program.next = program.date_after(command.at)
        ends = program.next if program.life is None else command.at + program.life
        name = f"{program.id}:ada:{program.granted}"
        made = Block(name, program.quantity, command.at, ends, program=program.id)
        made.rule, made.dates = program.rule, program
        self._make(command, found, made)
