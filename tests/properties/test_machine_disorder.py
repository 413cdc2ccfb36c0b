"""Anything in any order, by either rule of late usage: no fact breaks an invariant.

The facts are those of test_machine.py, with corrections and retractions, late usage of holds,
programs and transfers, and without a model: what one would say, test_machine_life.py and
test_disorder.py say of parts.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from properties.events import DAY, HOUR, Event, instant, outcomes, text
from properties.invariants import check_all
from properties.records import Records
from properties.stories import rollovers
from properties.test_machine import BLOCKS, INVOICES, WHO, FoldAgainstModel, in_currency
from properties.world import CUSTOMERS, amounts, kinds, quantities

PROGRAMS = ["p0", "p1"]


class AnythingInOrder(FoldAgainstModel):
    """Feeds the fold alone; the invariants are looked at when the story ends."""

    late: ClassVar[Event] = {"late.order": "event_time"}

    def _send(self, event: Event) -> Event:
        self.failed = True
        out = self.fold.feed(copy.deepcopy(event))
        self.out += out
        (outcome,) = [
            o
            for o in outcomes(out)
            if (o["cause"].get("source"), o["cause"].get("id")) == (event["source"], event["id"])
            and o.get("customer", "") == event.get("subject", "")
        ]
        if outcome["status"] == "applied":
            self.facts.append(event)
        self.model.now = self.now
        self.failed = False
        return outcome

    def _compare(self) -> None:
        """There is nothing to compare with."""

    @precondition(lambda self: self._recent())
    @rule(which=st.integers(0, 10**6), quantity=st.none() | st.just("0") | quantities)
    def correct(self, which: int, quantity: str | None) -> None:
        recent = self._recent()
        usage = recent[which % len(recent)]
        data: Event = {"usage": {"source": usage["source"], "id": usage["id"]}}
        kind = "usage.retracted" if quantity is None else "usage.corrected"
        if quantity is not None:
            data["quantity"] = quantity
        self._send(self._new(kind, usage["subject"], data))

    @precondition(lambda self: self._recent("hold.placed"))
    @rule(
        which=st.integers(0, 10**6),
        when=st.integers(0, 9),
        quantity=quantities,
        final=st.booleans(),
    )
    def use_hold(self, which: int, when: int, quantity: str, *, final: bool) -> None:
        """What a hold was for is told of after it may have ended."""
        recent = self._recent("hold.placed")
        placed = recent[which % len(recent)]
        begin, end = instant(placed["time"]), instant(placed["data"]["expires_at"])
        data: Event = {"meter": placed["data"].get("meter", "api.calls"), "quantity": quantity}
        data["hold"] = {"hold": placed["data"]["hold"], "final": final}
        time = min(self.now, begin + (end - begin) * when // 10)
        self._send(self._new("usage.recorded", placed["subject"], data, time))

    @rule(
        name=WHO,
        block=st.sampled_from([*BLOCKS, "p0:ada:1", "p0:ada:1~1"]),
        to=WHO,
        quantity=quantities,
    )
    def transfer(self, name: str, block: str, to: str, quantity: str) -> None:
        """The books of a customer are read in one currency."""
        if CUSTOMERS[name] != CUSTOMERS[to]:
            return
        data = {"transfer": f"t{self.count}", "block": block, "quantity": quantity, "to": to}
        self._send(self._new("credit.transferred", name, data))

    @rule(
        name=WHO,
        block=st.sampled_from(BLOCKS),
        quantity=quantities,
        kind=kinds,
        value=amounts,
        life=st.sampled_from([HOUR, DAY, 3 * DAY]),
        rollover=rollovers(),
        invoice=st.sampled_from(INVOICES),
        waits=st.booleans(),
    )
    def grant_to_roll(self, name: str, block: str, quantity: str, kind: str, **how: Any) -> None:
        """Credit of every kind that rolls over; an invoice line may sell it."""
        currency = CUSTOMERS[name]
        data: Event = {"block": block, "kind": kind, "unit": currency, "quantity": quantity}
        if kind != "promotional":
            data["value"] = {"amount": in_currency(how["value"], currency), "currency": currency}
            data["funding"] = {"invoice": how["invoice"], "line": "1"}
            if how["waits"] and kind not in ("sla", "goodwill") and data["value"]["amount"] != "0":
                data["usable"] = "when_funded"
        data |= {"expires_at": text(self.now + how["life"]), "rollover": how["rollover"]}
        self._send(self._new("credit.granted", name, data))

    def _grants(self) -> list[tuple[str, Event]]:
        """Who was granted what."""
        kind = "creditfold.credit.granted.v1"
        return [(each["subject"], each["data"]) for each in self.facts if each["type"] == kind]

    @precondition(lambda self: self._grants())
    @rule(
        which=st.integers(0, 10**6),
        rolled=st.sampled_from(["", "", "", "~1"]),
        also=st.integers(0, 2),
        quantity=quantities,
        value=amounts,
        invoice=st.none() | st.sampled_from(INVOICES),
        rollover=st.none() | rollovers(),
    )
    def blend(self, which: int, quantity: str, value: str, **how: Any) -> None:
        """What is unused of a block goes on in another, which an invoice line may sell."""
        grants = self._grants()
        name, old = grants[which % len(grants)]
        data = {
            key: old[key] for key in ("kind", "unit", "draws_on", "failed_period") if key in old
        }
        alike = [
            other["block"]
            for who, other in grants
            if who == name and (other["kind"], other["unit"]) == (old["kind"], old["unit"])
        ]
        blends = list(dict.fromkeys([old["block"] + how["rolled"], *alike[: how["also"]]]))
        data |= {"block": f"n{self.count}", "quantity": quantity, "blends": blends}
        if "value" in old:
            currency = CUSTOMERS[name]
            data["value"] = {"amount": in_currency(value, currency), "currency": currency}
        if "value" in old and how["invoice"] is not None:
            data["funding"] = {"invoice": how["invoice"], "line": "1"}
        if how["rollover"] is not None:
            data |= {"expires_at": text(self.now + DAY), "rollover": how["rollover"]}
        self._send(self._new("credit.granted", name, data))

    @rule(
        name=WHO,
        program=st.sampled_from(PROGRAMS),
        every=st.sampled_from(["PT12H", "P2D"]),
        expires=st.sampled_from(["period_end", "P3D"]),
        rolls=st.booleans(),
        resets=st.sampled_from([None, "keep", "drop"]),
        waits=st.sampled_from([False, False, True]),
    )
    def attach(self, name: str, program: str, every: str, expires: str, **how: Any) -> None:
        grant = {"kind": "promotional", "unit": "credits", "quantity": "70", "expires": expires}
        if how["waits"]:
            grant |= {"kind": "included", "usable": "when_funded"}
        terms: Event = {"grant": grant, "every": every}
        if how["rolls"]:
            terms["rollover"] = {"quantity": "50", "times": 2, "expires": "P2D"}
        if how["resets"] is not None:
            terms["reset"] = {"overage": how["resets"]}
        data = {"program": program, "definition": terms}
        self._send(self._new("program.attached", name, data))

    @rule(
        name=WHO,
        program=st.sampled_from(PROGRAMS),
        what=st.sampled_from(["program.reset", "program.reset", "program.detached"]),
    )
    def reset(self, name: str, program: str, what: str) -> None:
        self._send(self._new(what, name, {"program": program}))

    @rule(
        name=WHO,
        invoice=st.sampled_from(INVOICES),
        program=st.sampled_from(PROGRAMS),
        recognition=st.sampled_from(["on_issue", "on_payment"]),
    )
    def fund(self, name: str, invoice: str, program: str, recognition: str) -> None:
        span = {"from": text(self.now - DAY), "to": text(self.now + 2 * DAY)}
        line = {"line": "1", "amount": "7", "funds": {"program": program} | span}
        data = {"invoice": invoice, "currency": CUSTOMERS[name], "lines": [line]}
        self._send(self._new("invoice.issued", name, data | {"recognition": recognition}))

    def _recent(self, what: str = "usage.recorded") -> list[Event]:
        kind = f"creditfold.{what}.v1"
        usage = [each for each in self.facts if each["type"] == kind]
        return [each for each in usage if instant(each["time"]) + 4 * DAY > self.now]

    def teardown(self) -> None:
        if self.failed:
            return
        self.out += self.fold.sweep(text(self.now + 10 * DAY))
        self.out += self.fold.snapshots(text(self.now + 10 * DAY))
        check_all(Records(self.out, minor={"bo": 0}))


class AnythingOnArrival(AnythingInOrder):
    """The same, where late usage takes what is left."""

    late: ClassVar[Event] = {"late.order": "arrival"}


class AnythingNear(AnythingInOrder):
    """The same, where it takes what is left once more than three items have come since."""

    late: ClassVar[Event] = {"late.refold_max": 3}


TestAnythingInOrder = AnythingInOrder.TestCase
TestAnythingNear = AnythingNear.TestCase
TestAnythingOnArrival = AnythingOnArrival.TestCase
