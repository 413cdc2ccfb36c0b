"""Programs against an hour by hour walk through the same facts that shares no code with them.

The walk looks at every hour in turn: what changed at it, then who matches, then who is not covered
and so is granted. It knows dates from dateutil and fields from dictionaries.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from dateutil import tz
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from creditfold.partition.simulation import Simulation
from properties.events import DAY, HOUR, Event, fact, instant, outcomes, text

BEGIN = instant("2026-01-05T00:00:00Z")
HOURS = 24 * 100
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
EVERY = {
    "P1M": relativedelta(months=1),
    "P2W": relativedelta(weeks=2),
    "P10D": relativedelta(days=10),
}
WHO = (
    {"field": "customer.attributes.tier", "eq": "gold"},
    {"field": "customer.id", "exists": True},
    {"field": "subscription.plan", "eq": "pro"},
    {"not": {"field": "subscription.plan", "eq": "pro"}},
    {"field": "subscription.products", "eq": "gpu"},
    {"field": "subscription.products", "ne": "gpu"},
)
PRODUCTS = ([], ["gpu"], ["api", "gpu"], ["api", "disk"])
TRIALS = (None, None, "after", "only")
ANCHORS = ("2026-01-31T05:00", "2025-12-01T00:00", "subscription", None)


@st.composite
def programs(draw: st.DrawFn, mine: bool, who: Event) -> Event:
    """The terms of one version; all versions are for customers, or all for subscriptions."""
    terms: Event = {
        "grant": {
            "kind": "promotional",
            "unit": "credits",
            "quantity": draw(st.sampled_from(["100", "7"])),
            "expires": "period_end",
        },
        "every": draw(st.sampled_from(sorted(EVERY))),
        "proration": {
            "first": draw(st.sampled_from(["none", "by_second"])),
            "last": "none",
        },
    }
    anchors = [each for each in ANCHORS if mine or each != "subscription"]
    if mine and "subscription" not in str(who):
        anchors = ["subscription"]
    anchor = draw(st.sampled_from(anchors))
    trial = draw(st.sampled_from(TRIALS)) if mine else None
    said = {"anchor": anchor, "trial": trial}
    return terms | {name: value for name, value in said.items() if value is not None}


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[int, str, Event]]:
    """(hour, type, data): each at an hour of its own, in order."""
    hours = draw(st.lists(st.integers(1, HOURS - 48), min_size=1, max_size=10, unique=True))
    who = draw(st.sampled_from(WHO))
    mine = "subscription" in str(who) or draw(st.booleans())
    found: list[tuple[int, str, Event]] = []
    for number, hour in enumerate(sorted(hours)):
        what = draw(
            st.sampled_from(
                ["program", "tier", "plan", "products", "trial", "halt", "go", "end", "attach"]
            )
        )
        data: Event = {"program": "p", "version": number + 1}
        if what in ("program", "end"):
            data["effective_from"] = text(BEGIN + (hour + draw(st.sampled_from([0, 72]))) * HOUR)
        match what:
            case "program":
                kind, data = "program.published", data | draw(programs(mine, who)) | {"who": who}
            case "end":
                kind = "program.ended"
            case "tier":
                kind = "customer.updated"
                data = {"attributes": {"tier": draw(st.sampled_from(["gold", "tin"]))}}
            case "plan":
                kind = "subscription.changed"
                data = {"subscription": "s", "plan": draw(st.sampled_from(["pro", "free"]))}
            case "products":
                kind = "subscription.changed"
                data = {"subscription": "s", "products": draw(st.sampled_from(PRODUCTS))}
            case "trial":
                kind = "subscription.changed"
                ends = BEGIN + (hour + draw(st.sampled_from([-48, 0, 72]))) * HOUR
                data = {"subscription": "s", "trial_until": text(ends)}
            case "attach":
                kind = draw(st.sampled_from(["program.attached", "program.detached"]))
                data = {"program": "p"}
            case _:
                kind = f"subscription.{'paused' if what == 'halt' else 'resumed'}"
                data = {"subscription": "s"}
        found.append((hour, kind, data))
    return found


class Walk:
    """All grants, as (block, instant, quantity)."""

    def __init__(self, zone: str, trial: int | None = None) -> None:
        self.zone = tz.gettz(zone)
        self.anchor = BEGIN + (trial or 0) * HOUR
        self.trial = BEGIN if trial is None else self.anchor
        self.versions: list[Event] = []
        self.tier, self.plan, self.active = "tin", "pro", True
        self.products: list[str] = []
        self.attached: bool | None = None
        self.covered, self.count, self.first = 0, 0, None
        self.grants: list[tuple[str, int, Fraction]] = []

    def apply(self, kind: str, data: Event) -> None:
        match kind:
            case "program.published":
                self.versions.append(data)
            case "program.ended" if self.versions:
                self.versions.append(data)
            case "customer.updated":
                self.tier = data["attributes"]["tier"]
            case "subscription.changed":
                self.plan = data.get("plan", self.plan)
                self.products = data.get("products", self.products)
                self.trial = instant(data["trial_until"]) if "trial_until" in data else self.trial
            case "program.attached" if self.versions:
                self.attached = True
            case "program.detached" if self.versions:
                self.attached = False
            case "subscription.paused":
                self.active = False
            case "subscription.resumed":
                self.active = True

    def look(self, now: int) -> None:
        known = [v for v in self.versions if instant(v["effective_from"]) <= now]
        if not known or "who" not in known[-1] or self.attached is False:
            return
        terms = known[-1]
        mine = "subscription" in str((self.versions[0].get("anchor"), self.versions[0]["who"]))
        subject = "s" if mine else "ada"
        if (mine and not self.active) or not (self.attached or self.matches(terms["who"])):
            return
        if now < self.covered or (mine and not self.in_time(terms.get("trial"), now)):
            return
        begin, end = self.period(terms, now)
        self.count += 1
        share = Fraction(1)
        if terms["proration"]["first"] == "by_second":
            share = Fraction(end - now, end - begin)
        self.covered = end
        quantity = Fraction(round(int(terms["grant"]["quantity"]) * 10**6 * share), 10**6)
        self.grants.append((f"p:{subject}:{self.count}", now, quantity))

    def in_time(self, trial: str | None, now: int) -> bool:
        """Whether what is said of trials lets it grant."""
        if trial is None:
            return True
        return (now < self.trial) == (trial == "only")

    def matches(self, who: Event) -> bool:
        if "not" in who:
            return self.plan != "pro"
        return {
            "customer.attributes.tier": self.tier == "gold",
            "customer.id": True,
            "subscription.plan": self.plan == "pro",
            "subscription.products": ("gpu" in self.products) == ("eq" in who),
        }[who["field"]]

    def period(self, terms: Event, now: int) -> tuple[int, int]:
        if self.first is None:
            self.first = now
        anchor: Any = terms.get("anchor")
        if anchor in (None, "subscription"):
            moment = self.first if anchor is None else self.anchor
            shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)).astimezone(
                self.zone
            )
            start = shown.replace(tzinfo=None)
        else:
            start = datetime.fromisoformat(anchor)
        return _around(start, terms["every"], self.zone, now)


def _around(start: datetime, every: str, zone: Any, now: int) -> tuple[int, int]:
    """The dates of the grid before or at an instant, and after it."""
    dates = []
    for n in range(-25, 60):
        there = tz.resolve_imaginary((start + EVERY[every] * n).replace(tzinfo=zone))
        dates.append(instant(there.astimezone(UTC).isoformat()))
    return max(date for date in dates if date <= now), min(date for date in dates if date > now)


def _facts(zone: str, trial: int | None, found: list[tuple[int, str, Event]]) -> list[Event]:
    def made(number: int, kind: str, data: Event, at: int) -> Event:
        customer = None if kind in ("program.published", "program.ended") else "ada"
        customer = None if kind == "unit.declared" else customer
        return fact(kind, data, id=f"f{number}", at=at, customer=customer, recorded=at)

    events = [
        ("unit.declared", {"unit": "credits", "version": 1}),
        (
            "customer.created",
            {"currency": "USD", "time_zone": zone, "attributes": {"tier": "tin"}},
        ),
        ("subscription.started", {"subscription": "s", "plan": "pro", "period": "P1M"}),
    ]
    if trial is not None:
        events[-1][1]["trial_until"] = text(BEGIN + trial * HOUR)
    begun = [made(-n, kind, data, BEGIN) for n, (kind, data) in enumerate(events, 1)]
    return begun + [
        made(n, kind, data, BEGIN + hour * HOUR) for n, (hour, kind, data) in enumerate(found)
    ]


def _granted(
    zone: str, found: list[tuple[int, str, Event]], sweeps: list[int], trial: int | None = None
) -> list[Any]:
    """What the fold grants, with the clock coming round at these hours besides."""
    fold, out = Simulation(), []
    events = _facts(zone, trial, found)
    for event in events:
        due = sorted(BEGIN + hour * HOUR for hour in sweeps)
        for at in due:
            if fold.now < at < instant(event["time"]):
                out += fold.sweep(text(at))
        out += fold.feed(event)
    out += fold.sweep(text(BEGIN + HOURS * HOUR))
    return [
        (entry["block"], instant(outcome["effective_at"]), Fraction(entry["quantity"]))
        for outcome in outcomes(out)
        for entry in outcome.get("entries", ())
        if entry["from"] == "origin"
    ]


@given(
    st.sampled_from(ZONES),
    steps(),
    st.lists(st.integers(0, HOURS), max_size=6),
    st.none() | st.integers(0, HOURS // 2),
)
def test_programs_grant_what_a_walk_through_the_hours_finds(zone, found, sweeps, trial):
    """Blocks, instants and quantities; whenever the clock comes round."""
    walk = Walk(zone, trial)
    by_hour = {hour: (kind, data) for hour, kind, data in found}
    for hour in range(2 * HOURS + 1):
        # Zones that are half an hour off have their dates between two hours.
        now = BEGIN + hour * (HOUR // 2)
        if hour % 2 == 0 and hour // 2 in by_hour:
            walk.look(now)  # what is due at an instant comes before the facts of it
            walk.apply(*by_hour[hour // 2])
        walk.look(now)
    assert walk.grants == _granted(zone, found, sweeps, trial)
    assert walk.grants == _granted(zone, found, [], trial)


def test_the_walk_would_see_a_grant_that_is_a_day_off():
    """It finds a month that is counted in days."""
    program = {
        "program": "p",
        "version": 1,
        "effective_from": text(BEGIN),
        "who": WHO[1],
        "grant": {"kind": "promotional", "unit": "credits", "quantity": "1", "expires": "P1D"},
        "every": "P1M",
    }
    walk = Walk("UTC")
    walk.apply("program.published", program | {"proration": {"first": "none"}})
    for hour in range(HOURS):
        walk.look(BEGIN + hour * HOUR)
    granted = _granted("UTC", [(1, "program.published", program | {"every": "P31D"})], [])
    assert [t for _, t, _ in walk.grants[:2]] == [t for _, t, _ in granted[:2]]
    assert walk.grants[2][1] == granted[2][1] - 3 * DAY
