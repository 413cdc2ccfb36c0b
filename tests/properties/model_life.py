"""A naive model of a life in the order of events: it is told anew from the start whenever asked.

Units only, of one unit that one meter counts: what they are worth is held to the invariants. What
happened is a list of commands as they were answered, and usage by its time; nothing is undone, all
is done again. It imports no creditfold.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

NEVER = 10**30
TIMES = 2
"""How often credit of a program rolls over."""


class Refused(Exception):  # noqa: N818  # a refusal is an answer, not an error
    """The command is rejected."""


class Short(Exception):  # noqa: N818  # told again with what it needs kept
    """A command would lack what it was answered."""


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
    rolled: int = 0
    root: str = ""
    original: int = 0
    at: Counter[str] = field(default_factory=Counter)

    @property
    def unused(self) -> int:
        return self.at["issued"] + self.at["available"]

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
    rolls: bool
    attached: bool = True
    granted: int = 0
    next: int = 0

    def date_after(self, time: int) -> int:
        return self.begin + ((time - self.begin) // self.every + 1) * self.every


@dataclass
class Command:
    """What was answered: done again in its place, it `takes` the same, beyond what it makes.

    It finds blocks as they are `after` an instant: what rolls over does so before the rest expires.
    """

    at: int
    after: int
    steps: list[Callable[[Telling], object]] = field(default_factory=list)
    takes: Counter[tuple[str, str]] = field(default_factory=Counter)


class Telling:
    """All blocks as one telling of the story leaves them.

    It is not `sure` once a hold would have taken what is kept for a command: it then has less here,
    and has it from the start; in the fold it has that until it ends, and usage draws less of it.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, Block] = {}
        self.holds: dict[str, Hold] = {}
        self.sure = True
        self.now = 0
        self.kept: Counter[tuple[str, str]] = Counter()
        self.uncovered = 0

    def come_to(self, now: int) -> None:
        """A hold that ends goes before what else falls due at its instant."""
        for id_, hold in sorted(self.holds.items(), key=lambda each: (each[1].ends, each[0])):
            if hold.ends <= now:
                self._come_to(hold.ends - 1)
                self.end_hold(id_, hold.ends - 1)
        self._come_to(now)
        self.now = now

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
                self.sure &= not self.kept[block.id, "available"]
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
        return max(0, block.at[place] - self.kept[block.id, place])

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

    def end(self, program: str, time: int) -> None:
        """A reset ends what the program granted, not what rolled over."""
        for block in self.blocks.values():
            granted = block.program == program and not block.rolled
            if granted and (self.free(block, "available") or block.at["held"]):
                block.expires_at = time
                block.come_to(time, self.kept[block.id, "available"])


class Life:
    """One customer's commands and usage, and what comes of them."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.commands: list[Command] = []
        self.usage: dict[str, tuple[int, int]] = {}
        self.names: dict[str, tuple[str, bool]] = {}
        self.programs: dict[str, Program] = {}
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
            telling = Telling()
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
            telling.come_to(command.after)
            if number in kept:
                telling.kept.subtract(+command.takes)
            for (id_, place), amount in (+command.takes).items():
                block = telling.blocks[id_]
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

    def _answer(self, at: int, *, before: bool = False) -> tuple[Command, Telling]:
        """A command at an instant (or right before it), and how it finds things."""
        command = Command(at, at - before)
        found = self.told()
        found.come_to(command.after)
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

    def grant(self, block: Block) -> None:
        if block.id in self.told().blocks:
            raise Refused
        self._make(*self._answer(self.now), block)

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
        block = self.told().blocks.get(id_)
        if block is None or -amount > block.unused or (amount > 0 and block.expires_at <= self.now):
            raise Refused
        if block.paid and block.quantity + amount < block.original:
            raise Refused
        place = "issued" if block.effective_at > self.now else "available"

        def step(telling: Telling) -> None:
            telling.blocks[id_].quantity += amount
            telling.blocks[id_].at[place] += amount

        self._do(*self._answer(self.now), step, (id_, place, -amount) if amount < 0 else None)

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
        """What rolls over and what programs grant by an instant, each at its own."""
        while (at := self._next_due(now)) is not None:
            self._come_to(at - 1)
            ending = [b for b in self.told().blocks.values() if b.expires_at == at]
            for block in sorted(ending, key=lambda each: each.id):
                if self._may_roll(block) and block.at["available"]:
                    command, found = self._answer(at, before=True)
                    self._roll(command, found, block.id)
            self._come_to(at)
            for program in sorted(self.programs.values(), key=lambda each: each.id):
                if program.attached and program.next == at:
                    command, found = self._answer(at)
                    if program.resets:
                        self._reset(command, found, program)
                    self._grant(command, found, program)
        self._come_to(now)

    def _come_to(self, now: int) -> None:
        self.now, self._known = now, None

    def _next_due(self, now: int) -> int | None:
        dates = [p.next for p in self.programs.values() if p.attached]
        rolling = (b for b in self.told().blocks.values() if self._may_roll(b))
        dates += [b.expires_at for b in rolling if b.expires_at > self.now]
        return min((date for date in dates if date <= now), default=None)

    def _may_roll(self, block: Block) -> bool:
        program = self.programs.get(block.program or "")
        return program is not None and program.rolls and block.rolled < TIMES

    def _roll(self, command: Command, found: Telling, id_: str) -> None:
        """Half of the grant goes on at most; of all that did, the oldest is trimmed to that."""
        block = found.blocks[id_]
        program = self.programs[block.program or ""]
        cap = round(found.blocks[block.root].original / 2)
        amount = min(block.at["available"], cap)
        ends = program.date_after(command.at)
        if not program.attached:
            ends = command.at + block.expires_at - block.effective_at
        if not amount:
            return
        self._leave(command, found, id_, amount, "rolled_out")
        name = f"{block.root}~{block.rolled + 1}"
        made = Block(name, amount, command.at, ends, priority=block.priority)
        made.program, made.rolled, made.root = block.program, block.rolled + 1, block.root
        self._make(command, found, made)
        standing = [b for b in found.blocks.values() if b.program == block.program and b.rolled]
        above = sum(each.at["available"] for each in standing) - cap
        for each in sorted(standing, key=lambda each: (each.effective_at, each.id)):
            part = min(above, each.at["available"])
            if part > 0:
                above -= part
                self._leave(command, found, each.id, part, "voided")

    def _reset(self, command: Command, found: Telling, program: Program) -> None:
        """What the program granted ends; half of each may go on, where it rolls over."""
        for block in found.in_order():
            granted = block.program == program.id and not block.rolled
            if granted and block.at["available"] and self._may_roll(block):
                self._roll(command, found, block.id)
        self._do(command, found, lambda telling: telling.end(program.id, command.at))

    def _grant(self, command: Command, found: Telling, program: Program) -> None:
        program.granted += 1
        program.next = program.date_after(command.at)
        ends = program.next if program.life is None else command.at + program.life
        name = f"{program.id}:ada:{program.granted}"
        self._make(
            command, found, Block(name, program.quantity, command.at, ends, program=program.id)
        )
