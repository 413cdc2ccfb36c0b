"""Anything in any order, by either rule of late usage: no fact breaks an invariant.

The facts are those of test_machine.py, with corrections and retractions, and without a model: what
one would say, test_machine_life.py and test_disorder.py say of parts.
"""

from __future__ import annotations

import copy

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from properties.events import DAY, Event, instant, outcomes, text
from properties.invariants import check_all
from properties.records import Records
from properties.test_machine import FoldAgainstModel
from properties.world import quantities


class AnythingInOrder(FoldAgainstModel):
    """Feeds the fold alone; the invariants are looked at when the story ends."""

    late_order = "event_time"

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

    def _recent(self) -> list[Event]:
        kind = "creditfold.usage.recorded.v1"
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

    late_order = "arrival"


TestAnythingInOrder = AnythingInOrder.TestCase
TestAnythingOnArrival = AnythingOnArrival.TestCase
