"""Requests for top-ups close each gap once, and do not depend on when the clock sweeps."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from creditfold.partition.simulation import Simulation
from properties.events import DAY, HOUR, START, Event, fact, outcomes, snapshots, text

UNIT = "credits"
SETTING: list[tuple[str, Event]] = [
    ("meter.declared", {"meter": "calls", "version": 1, "product": "api"}),
    ("unit.declared", {"unit": UNIT, "version": 1, "exponent": 0, "meter": "calls"}),
]
TERMS = st.fixed_dictionaries(
    {"threshold": st.integers(0, 20)},
    optional={"cooldown": st.sampled_from(["PT1H", "P1D"]), "min": st.integers(0, 20)},
).flatmap(
    lambda terms: st.builds(
        lambda more: terms | more,
        st.one_of(
            st.fixed_dictionaries({"add": st.integers(1, 9)}),
            st.fixed_dictionaries({"target": st.integers(21, 40)}),
        ),
    )
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["use", "use", "grant", "hold", "answer", "decline"]),
        st.integers(1, 15),
        st.sampled_from([0, HOUR // 2, 2 * HOUR, DAY]),
    ),
    max_size=15,
)


class Run:
    """The same facts, with or without sweeps in between."""

    def __init__(self, terms: Event, *, sweeps: bool) -> None:
        self.fold, self.sweeps, self.now, self.count = Simulation(), sweeps, START, 0
        self.wanted: dict[str, Event] = {}
        self.answered: set[str] = set()
        self.applied = False
        for kind, data in SETTING:
            self.send(kind, data, None)
        self.send("customer.created", {"currency": "USD", "overage": {"default": "block"}})
        self.send("customer.updated", {"top_ups": {UNIT: terms}})

    def keep(self, out: list[Event]) -> None:
        """Requests go out once each."""
        for record in out:
            if record["type"] == "creditfold.notice.top_up_wanted.v1":
                assert record["data"]["notice"] not in self.wanted
                self.wanted[record["data"]["notice"]] = record["data"]

    def send(self, kind: str, data: Event, customer: str | None = "c") -> None:
        self.count += 1
        event = fact(kind, data, id=f"f{self.count}", at=self.now, customer=customer)
        out = self.fold.feed(event)
        self.keep(out)
        self.applied = "applied" == outcomes(out)[-1]["status"]

    def step(self, what: str, amount: int, pause: int) -> None:
        """One fact; the oldest open request is answered in full or declined."""
        self.now += pause
        self.applied = False
        if self.sweeps:
            self.keep(self.fold.sweep(text(self.now - pause // 2)))
            self.keep(self.fold.sweep(text(self.now)))
        name = f"n{self.count}"
        grant = {"block": name, "kind": "promotional", "unit": UNIT, "quantity": amount}
        until = text(self.now + 3 * HOUR)
        asked = next((n for n in self.wanted if n not in self.answered), None)
        match what:
            case "use":
                self.send("usage.recorded", {"meter": "calls", "quantity": amount})
            case "grant":
                self.send("credit.granted", grant)
            case "hold":
                hold = {"hold": name, "unit": UNIT, "quantity": amount, "expires_at": until}
                self.send("hold.placed", hold)
            case "answer" if asked is not None:
                self.answered.add(asked)
                whole = {"quantity": self.wanted[asked]["quantity"], "tops_up": asked}
                self.send("credit.granted", grant | whole)
            case "decline" if asked is not None:
                self.answered.add(asked)
                self.send("top_up.declined", {"notice": asked})

    def balance(self) -> Fraction:
        """What is usable, and what is asked for and not answered."""
        usable = snapshots(self.fold.snapshots(text(self.now)))["c"]["usable"].get(UNIT, "0")
        pending = [n["quantity"] for id_, n in self.wanted.items() if id_ not in self.answered]
        return Fraction(usable) + sum(map(Fraction, pending))


@given(terms=TERMS, steps=STEPS)
def test_a_gap_is_asked_for_at_once_or_when_its_cooldown_ends_and_never_twice(
    terms: Event, steps: list[tuple[str, int, int]]
):
    swept, plain = Run(terms, sweeps=True), Run(terms, sweeps=False)
    for step in steps:
        before = set(swept.wanted)
        swept.step(*step)
        plain.step(*step)
        swept.keep(swept.fold.sweep(text(swept.now)))
        if "cooldown" not in terms and step[0] != "decline" and swept.applied:
            assert swept.balance() > terms["threshold"], "the whole gap is asked for"
            for new in swept.wanted.keys() - before:
                without = swept.balance() - Fraction(swept.wanted[new]["quantity"])
                assert without <= terms["threshold"], "there was a gap"
    for run in (swept, plain):
        run.now += 2 * DAY
        run.keep(run.fold.sweep(text(run.now)))
    assert swept.wanted == plain.wanted
    if "cooldown" in terms and not any(what == "decline" for what, *_ in steps):
        assert swept.balance() > terms["threshold"]
