"""A life of programs, transfers and disorder, against a model that tells it in order each time.

Late, corrected and retracted usage, whatever has been granted, voided, sent away, reset or rolled
over since: after every step each block is where usage in the order of its event times leaves it.
What was sent away goes on with the other customer by its own terms.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from creditfold.partition.simulation import Simulation
from properties.events import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    START,
    Event,
    fact,
    outcomes,
    snapshots,
    text,
)
from properties.invariants import check_all
from properties.model_life import Block, Life, Program, Refused, Rule, Telling
from properties.records import Records

GRANTED = ["b0", "b1", "b2", "b3"]
ROLLED = ["b0~1", "b1~1", "b1~2", "p0:ada:1~1", "p0:ada:1~2", "p0:ada:2~1", "p1:ada:2~1"]
BLOCKS = [*GRANTED, "p0:ada:1", "p1:ada:2", *ROLLED]
HOLDS = ["h0", "h1"]
LEFT = ("voided", "rolled_out", "transferred_out")
PLACES = ("issued", "available", "held", "drawn", "expired", *LEFT)
CATALOG: list[tuple[str, Event]] = [
    ("meter.declared", {"meter": "calls", "version": 1, "product": "api"}),
    ("unit.declared", {"unit": "credits", "version": 1, "exponent": 0, "meter": "calls"}),
]
quantities = st.sampled_from([1, 2, 5, 9])
rules = st.none() | st.builds(
    Rule,
    st.sampled_from([None, 2, 4]),
    st.booleans(),
    st.sampled_from([0, 0, 3]),
    st.integers(1, 2),
)


def written(rule: Rule) -> Event:
    """A rule as grants say it."""
    told: Event = {"times": rule.times}
    if rule.quantity is not None:
        told["quantity"] = str(rule.quantity)
    if rule.half:
        told["percent"] = "50"
    if rule.floor:
        told["min_quantity"] = str(rule.floor)
    return told


class LifeInOrder(RuleBasedStateMachine):
    """Feeds both, and holds each block of the fold to the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.fold, self.life, self.there = Simulation(), Life(START), Life(START)
        self.now, self.count = START, 0
        self.facts: list[Event] = []
        self.out: list[Event] = []
        self.failed = False
        self.sure = self.sure_there = True
        self.held: list[tuple[str, int, int]] = []

    # Feeding

    def _send(self, kind: str, data: Event, customer: str | None = "ada", at: int = 0) -> str:
        """Feed one fact; its status."""
        self.count += 1
        event = fact(
            kind, data, id=f"f{self.count}", at=at or self.now, customer=customer, recorded=self.now
        )
        return self._feed(event)

    def _feed(self, event: Event) -> str:
        out = self.fold.feed(event)
        self.out += out
        own = [o for o in outcomes(out) if o["cause"].get("id") == event["id"]]
        if own[0]["status"] == "applied":
            self.facts.append(event)
        return str(own[0]["status"])

    def _agree(self, status: str, answer: Any, *args: Any) -> None:
        """Let the model do the same, and blocks agree, as long as it is sure of them."""
        self.failed, expected = True, "applied"
        if not self.sure:
            self.failed = False
            return
        try:
            answer(*args)
        except Refused:
            expected = "rejected"
        assert expected == status
        self._compare()
        self.failed = False

    def _compare(self) -> None:
        self.out += self.fold.sweep(text(self.now))
        self.life.sweep(self.now)
        expected = self.life.told()
        self.sure = expected.sure
        if not self.sure:
            return
        stated = snapshots(self.fold.snapshots(text(self.now)))
        self._compare_blocks(expected, stated["ada"])
        overage = stated["ada"]["overage"].get("meter:calls", "0")
        assert expected.uncovered == Fraction(overage)
        if self.sure_there:
            self.there.sweep(self.now)
            self._compare_blocks(self.there.told(), stated["bo"])

    @staticmethod
    def _compare_blocks(expected: Telling, stated: Event) -> None:
        blocks = {block["block"]: block for block in stated["blocks"]}
        assert expected.blocks.keys() <= blocks.keys()
        for id_, block in blocks.items():
            mine = expected.blocks.get(id_) or Block(id_, 0, 0)
            assert {p: mine.at[p] for p in PLACES} == {p: int(block[p]) for p in PLACES}, id_
            assert mine.quantity == int(block["quantity"]) == sum(mine.at.values()), id_

    def _pass(self, pause: int) -> None:
        """No two facts are of one instant: whole seconds are commands', the rest is usage's."""
        self.now += pause + SECOND
        if self.sure:
            self.life.sweep(self.now)

    # What may happen

    @initialize()
    def begin(self) -> None:
        for kind, data in CATALOG:
            self._send(kind, data, None)
        for name in ("ada", "bo"):
            self._send("customer.created", {"currency": "USD", "time_zone": "UTC"}, name)

    @rule(pause=st.sampled_from([0, HOUR, 12 * HOUR, DAY]))
    def sweep(self, pause: int) -> None:
        self._pass(pause)
        self._agree("applied", self.life.sweep, self.now)

    @rule(
        block=st.sampled_from(GRANTED),
        quantity=quantities,
        paid=st.booleans(),
        start=st.sampled_from([0, 0, -2 * HOUR, HOUR, DAY]),
        life=st.sampled_from([None, HOUR, DAY, 3 * DAY]),
        priority=st.sampled_from([None, 1]),
        rule=rules,
        blends=st.just([]) | st.lists(st.sampled_from(BLOCKS), max_size=2, unique=True),
    )
    def grant(self, block: str, quantity: int, *, paid: bool, start: int, **how: Any) -> None:
        self._pass(0)
        begin = self.now + start
        made = Block(block, quantity, begin, paid=paid)
        data: Event = {"block": block, "unit": "credits", "quantity": str(quantity)}
        data |= {"kind": "promotional", "effective_at": text(begin)}
        if paid:
            data |= {"kind": "paid", "value": {"amount": str(quantity), "currency": "USD"}}
        if how["life"] is not None:
            made.expires_at = begin + how["life"]
            data["expires_at"] = text(made.expires_at)
        if how["rule"] is not None:
            made.rule = how["rule"]
            data["rollover"] = written(how["rule"])
        if how["priority"] is not None:
            data["priority"] = made.priority = how["priority"]
        blends = [each for each in how["blends"] if each != block]
        if blends:
            data["blends"] = blends
        status = self._send("credit.granted", data)
        if paid and status == "applied":
            line = {"line": "1", "amount": str(quantity), "sells": [{"block": block}]}
            bill = {"invoice": f"i-{block}", "currency": "USD", "lines": [line]}
            assert "applied" == self._send("invoice.issued", bill)
        self._agree(status, self.life.grant, made, blends)

    @rule(
        quantity=quantities,
        ago=st.sampled_from([0, 0, MINUTE, 3 * HOUR, 26 * HOUR, 2 * DAY, -4 * MINUTE]),
        hold=st.none() | st.tuples(st.sampled_from(HOLDS), st.booleans()),
    )
    def use(self, quantity: int, ago: int, hold: tuple[str, bool] | None) -> None:
        self._pass(0)
        self._use(quantity, self.now - ago, hold)

    @precondition(lambda self: self.held)
    @rule(
        quantity=quantities,
        which=st.integers(0, 10**6),
        when=st.integers(0, 9),
        final=st.booleans(),
    )
    def use_hold(self, quantity: int, which: int, when: int, *, final: bool) -> None:
        """What one of the last holds was for is told of after it may have ended."""
        self._pass(0)
        hold, begin, end = self.held[-1 - which % min(3, len(self.held))]
        time = begin + (end - begin) * when // 10 // SECOND * SECOND
        self._use(quantity, max(min(time, self.now), self.now - 2 * DAY), (hold, final))

    def _use(self, quantity: int, at: int, hold: tuple[str, bool] | None) -> None:
        time = max(at, START) + self.count + 1
        data: Event = {"meter": "calls", "quantity": str(quantity)}
        if hold is not None:
            data["hold"] = {"hold": hold[0], "final": hold[1]}
        status = self._send("usage.recorded", data, at=time)
        self._agree(status, self.life.use, f"f{self.count}", time, quantity, hold)

    @rule(
        hold=st.sampled_from(HOLDS), quantity=quantities, life=st.sampled_from([MINUTE, HOUR, DAY])
    )
    def hold(self, hold: str, quantity: int, life: int) -> None:
        """It ends at no instant of any fact."""
        self._pass(0)
        ends = self.now + life + SECOND // 2
        data = {"hold": hold, "unit": "credits", "quantity": str(quantity)}
        status = self._send("hold.placed", data | {"expires_at": text(ends)})
        if status == "applied":
            self.held.append((hold, self.now, ends))
        self._agree(status, self.life.hold, hold, ends, quantity)

    @rule(hold=st.sampled_from(HOLDS))
    def release(self, hold: str) -> None:
        self._pass(0)
        self._agree(self._send("hold.released", {"hold": hold}), self.life.release, hold)

    def _recent(self) -> list[str]:
        usage = self.life.usage.items()
        return [id_ for id_, (time, _) in usage if time + 72 * HOUR > self.now + DAY]

    @precondition(lambda self: self._recent())
    @rule(which=st.integers(0, 10**6), quantity=st.just(0) | quantities, retract=st.booleans())
    def correct(self, which: int, quantity: int, *, retract: bool) -> None:
        names = self._recent()
        self._pass(0)
        data: Event = {"usage": {"source": "/tests", "id": names[which % len(names)]}}
        kind = "usage.retracted" if retract else "usage.corrected"
        if retract:
            quantity = 0
        else:
            data["quantity"] = str(quantity)
        self._agree(self._send(kind, data), self.life.amend, data["usage"]["id"], quantity)

    @rule(block=st.sampled_from(BLOCKS), quantity=st.none() | quantities)
    def void(self, block: str, quantity: int | None) -> None:
        self._pass(0)
        data = {"block": block, "reason": "r"}
        if quantity is not None:
            data["quantity"] = str(quantity)
        self._agree(self._send("credit.voided", data), self.life.take, block, quantity, "voided")

    @rule(block=st.sampled_from(BLOCKS), amount=quantities | quantities.map(lambda n: -n))
    def adjust(self, block: str, amount: int) -> None:
        """Not where all that was paid for has left: what then is added may be voided."""
        there = self.life.told().blocks.get(block)
        if there is not None and there.paid and not there.unused and not there.at["drawn"]:
            return
        self._pass(0)
        data = {"block": block, "quantity": str(amount), "reason": "r"}
        self._agree(self._send("credit.adjusted", data), self.life.adjust, block, amount)

    @precondition(lambda self: self.life.known)
    @rule(
        which=st.integers(0, 10**6), quantity=quantities, to=st.sampled_from(["bo", "bo", "none"])
    )
    def transfer(self, which: int, quantity: int, to: str) -> None:
        """It arrives, or comes back, before anything else happens."""
        self._pass(0)
        block = sorted(self.life.known)[which % len(self.life.known)]
        data = {"transfer": f"t{self.count}", "block": block, "quantity": str(quantity), "to": to}
        status = self._send("credit.transferred", data)

        def answer() -> None:
            amount = self.life.take(block, quantity, "transferred_out")
            if to == "none":
                self.life.come_back(block, amount)

        if (status, to) == ("applied", "bo"):
            source = self.life.told().blocks.get(block)
            self.sure_there &= self.sure and source is not None
            if self.sure_there:
                self.there.sweep(self.now)
                self.there.grant(source.sent(f"ada:{data['transfer']}", quantity))
        self._agree(status, answer)

    @rule(
        name=st.sampled_from(["p0", "p1"]),
        every=st.sampled_from(["PT12H", "P1D"]),
        quantity=st.sampled_from([3, 8]),
        life=st.sampled_from([None, 2 * DAY]),
        resets=st.booleans(),
        rule=rules,
    )
    def attach(self, name: str, every: str, quantity: int, **how: Any) -> None:
        if name in self.life.programs:
            return
        self._pass(0)
        grant = {"kind": "promotional", "unit": "credits", "quantity": str(quantity)}
        grant["expires"] = "period_end" if how["life"] is None else "P2D"
        terms: Event = {"grant": grant, "every": every}
        if how["resets"]:
            terms["reset"] = {"overage": "keep"}
        if how["rule"] is not None:
            terms["rollover"] = written(how["rule"]) | {"expires": "period_end"}
        length = DAY if every == "P1D" else 12 * HOUR
        program = Program(name, self.now, length, quantity, how["life"], how["resets"], how["rule"])
        status = self._send("program.attached", {"program": name, "definition": terms})
        self._agree(status, self.life.attach, program)

    @precondition(lambda self: any(p.attached for p in self.life.programs.values()))
    @rule(which=st.integers(0, 1))
    def detach(self, which: int) -> None:
        self._pass(0)
        names = sorted(name for name, p in self.life.programs.items() if p.attached)
        program = self.life.programs[names[which % len(names)]]
        status = self._send("program.detached", {"program": program.id})
        program.attached = False
        self._agree(status, lambda: None)

    @rule(name=st.sampled_from(["p0", "p1"]))
    def reset(self, name: str) -> None:
        self._pass(0)
        self._agree(self._send("program.reset", {"program": name}), self.life.reset, name)

    @precondition(lambda self: len(self.facts) > len(CATALOG))
    @rule(which=st.integers(0, 10**6))
    def redeliver(self, which: int) -> None:
        self._pass(0)
        again = self.facts[which % len(self.facts)] | {"recordedtime": text(self.now)}
        recent = again["time"] > text(self.now - 3 * DAY)
        status = self._feed(again)
        assert status == "duplicate" or (status == "rejected" and not recent)
        self._agree("applied", lambda: None)

    def teardown(self) -> None:
        if self.failed or not self.facts:
            return
        self.out += self.fold.sweep(text(self.now + 10 * DAY))
        self.out += self.fold.snapshots(text(self.now + 10 * DAY))
        check_all(Records(self.out))


TestLifeInOrder = LifeInOrder.TestCase
