"""Commitments against a recount of the unit ledger, whatever order usage comes in.

The model knows terms as days, adds up what entries and overage say was paid or is owed for usage
of each day, and never looks at how the fold keeps a term.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from creditfold.partition.simulation import Simulation
from properties.events import (
    DAY,
    HOUR,
    START,
    Event,
    balances,
    fact,
    instant,
    of_type,
    outcomes,
    postings,
    snapshots,
    text,
)
from properties.invariants import check_all
from properties.records import Records

END = START + 9 * DAY
SETTING: list[tuple[str, Event]] = [
    ("meter.declared", {"meter": "calls", "version": 1, "product": "api"}),
    (
        "rate_card.published",
        {
            "rate_card": "list",
            "version": 1,
            "effective_from": "2025-01-01T00:00:00Z",
            "rates": [{"meter": "calls", "unit": "USD", "per_unit": "0.75"}],
        },
    ),
    (
        "policy.published",
        {
            "version": 1,
            "effective_from": "2025-01-01T00:00:00Z",
            "keys": {"statement.every": "PT16H"},
            "author": "a",
            "reason": "r",
        },
    ),
]
HOURS = st.integers(0, 4 * 24 - 1)


@st.composite
def commitments(draw: st.DrawFn) -> Event:
    """So much a day, sometimes with less expected of it, priced as it is or not."""
    quantity = draw(st.sampled_from([5, 12, 30]))
    body: Event = {"unit": "USD", "quantity": quantity, "term": "P1D"}
    if draw(st.booleans()):
        body |= {"expected": quantity - draw(st.integers(0, 4)), "shortfall": "proportional"}
    if draw(st.booleans()):
        body["rate"] = draw(st.sampled_from(["0.333", "1.5", "0"]))
    return body


@st.composite
def grants(draw: st.DrawFn, number: int) -> list[Event]:
    """A block, given or bought; what is bought may be billed, at once or a day later."""
    at = START + draw(HOURS) * HOUR
    bought = draw(st.sampled_from([True, True, False]))
    block: Event = {"block": f"b{number}", "unit": "USD", "quantity": draw(st.integers(1, 25))}
    block["kind"] = "paid" if bought else "promotional"
    ends = draw(st.sampled_from(["never", "within hours", "at midnight"]))
    if ends == "within hours":
        block["expires_at"] = text(at + draw(st.integers(1, 60)) * HOUR)
    elif ends == "at midnight":
        block["expires_at"] = text(START + ((at - START) // DAY + draw(st.integers(1, 2))) * DAY)
    if bought:
        block["value"] = {"amount": block["quantity"], "currency": "USD"}
    found = [fact("credit.granted", block, id=f"g{number}", at=at, customer="c")]
    if bought and draw(st.sampled_from([True, True, False])):
        line = {"line": "1", "amount": block["quantity"], "sells": [{"block": f"b{number}"}]}
        bill = {"invoice": f"i{number}", "currency": "USD", "lines": [line]}
        at += draw(st.sampled_from([0, DAY]))
        found.append(fact("invoice.issued", bill, id=f"i{number}", at=at, customer="c"))
    return found


@st.composite
def usages(draw: st.DrawFn, number: int) -> tuple[Event, int, Event | None]:
    """A usage, how late it comes, and what is said of it in the end."""
    at = START + draw(HOURS) * HOUR + 30 * 60 * 1_000_000 + number
    used = {"meter": "calls", "quantity": draw(st.integers(1, 20))}
    ref: Event = {"usage": {"source": "/tests", "id": f"u{number}"}}
    said = draw(st.sampled_from(["nothing", "nothing", "corrected", "retracted"]))
    wrong = None
    if said != "nothing":
        if said == "corrected":
            ref["quantity"] = draw(st.integers(1, 20))
        late = at + 71 * HOUR + number
        wrong = fact(f"usage.{said}", ref, id=f"w{number}", at=late, customer="c")
    event = fact("usage.recorded", used, id=f"u{number}", at=at, customer="c")
    return event, draw(st.sampled_from([0, 1, 30, 70])) * HOUR, wrong


@st.composite
def changes(draw: st.DrawFn, least: Event) -> list[Event]:
    """Sometimes the minimum becomes another one: of the day and those after it, or of the next."""
    if draw(st.booleans()):
        return []
    body: Event = {"subscription": "s", "commitment": {"unit": "USD", "term": "P1D"}}
    body["commitment"] |= {"quantity": draw(st.sampled_from([3, 12, 40]))}
    body["commitment"] |= {"rate": least["rate"]} if "rate" in least else {}
    body["at_period_end"] = draw(st.booleans())
    # Before the first cancellation there may be.
    at = START + draw(st.integers(0, 23)) * HOUR + draw(st.integers(0, 1))
    return [fact("subscription.changed", body, id="change", at=at, customer="c")]


def minimum(commands: list[Event], n: int) -> int:
    """What the term of the n-th day has to reach."""
    for event in commands:
        if event["id"] == "change" and n >= day(event["time"]) + event["data"]["at_period_end"]:
            return int(event["data"]["commitment"]["quantity"])
    return int(commands[0]["data"]["commitment"]["quantity"])


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Event], list[tuple[Event, int, Event | None]]]:
    """The commands of one customer, and its usage."""
    start = {"subscription": "s", "plan": "p", "period": "P1D", "commitment": draw(commitments())}
    commands = [fact("subscription.started", start, id="s", at=START, customer="c")]
    for number in range(draw(st.integers(1, 4))):
        commands += draw(grants(number))
    commands += draw(changes(start["commitment"]))
    stop = START + draw(st.integers(24, 6 * 24)) * HOUR
    commands.append(
        fact("subscription.cancelled", {"subscription": "s"}, id="x", at=stop, customer="c")
    )
    return commands, [draw(usages(number)) for number in range(draw(st.integers(1, 8)))]


def run(
    commands: list[Event], used: list[tuple[Event, int, Event | None]], *, late: bool
) -> list[Event]:
    """All that comes out, with usage in the order of its time or as late as it is."""
    fold, out = Simulation(), []
    for number, (kind, data) in enumerate(SETTING):
        out += fold.feed(fact(kind, data, id=f"c{number}", at=START - DAY))
    out += fold.feed(
        fact("customer.created", {"currency": "USD"}, id="c", at=START - DAY, customer="c")
    )
    todo = [(instant(each["time"]), each) for each in commands]
    for event, delay, wrong in used:
        at = instant(event["time"]) + delay * late
        todo.append((at, event | {"recordedtime": text(at)}))
        if wrong is not None:
            todo.append((instant(wrong["time"]), wrong))
    for _, event in sorted(todo, key=lambda each: each[0]):
        out += fold.feed(event)
    return out + fold.sweep(text(END)) + fold.snapshots(text(END))


def day(at: str) -> int:
    return (instant(at) - START) // DAY


def counted(records: list[Event]) -> Counter[int]:
    """By day of the usage: what bought blocks paid and what is owed; and what lapsed of them."""
    applied = [o for o in outcomes(records) if o["status"] == "applied"]
    (snapshot,) = snapshots(records).values()
    blocks = {block["block"]: block for block in snapshot["blocks"]}
    days = {
        o["cause"]["id"]: day(o["effective_at"])
        for o in applied
        if o["cause"].get("type", "").endswith("usage.recorded.v1")
    }
    found: Counter[int] = Counter()
    for outcome in applied:
        for entry in outcome.get("entries", []):
            if blocks[entry["block"]]["kind"] == "paid":
                sign = (entry["to"] == "drawn") - (entry["from"] == "drawn")
                if sign:
                    found[days[entry["usage"]]] += sign * Fraction(entry["quantity"])
        for over in outcome.get("overage", []):
            found[days[over.get("usage", outcome["cause"].get("id"))]] += Fraction(over["amount"])
    for block in blocks.values():
        if block["kind"] == "paid" and "expires_at" in block:
            billed = Fraction(block["recognised"]) - Fraction(block["drawn"])
            # What ends at midnight belongs to the day before.
            found[(instant(block["expires_at"]) - START - 1) // DAY] += billed
    return found


@given(stories())
def test_each_term_is_what_the_unit_ledger_adds_up_to_in_any_order(
    story: tuple[list[Event], list[tuple[Event, int, Event | None]]],
):
    commands, used = story
    terms = commands[0]["data"]["commitment"]
    stop = day(commands[-1]["time"])
    rate = Fraction(terms.get("rate", "1"))
    ends = []
    for late in (False, True):
        records = run(commands, used, late=late)
        check_all(Records(records))
        (snapshot,) = snapshots(records).values()
        found = counted(records)
        expected = {
            f"s:shortfall:{n + 1}": (
                found[n],
                max(0, round(minimum(commands, n) * rate * 100) - round(found[n] * rate * 100)),
            )
            for n in range(stop + 1)  # a term that begins when it is cancelled has begun
        }
        stated = {
            each["shortfall"]: (Fraction(each["counted"]), Fraction(each["to_bill"]) * 100)
            for each in snapshot["commitments"]
        }
        assert expected == stated
        listed: Counter[str] = Counter()
        for notice in of_type(records, "notice.statement_ready"):
            for each in notice["statement"].get("shortfalls", ()):
                listed[each["id"]] += Fraction(each["amount"]) * 100
        assert {id_: amount for id_, (_, amount) in stated.items() if amount} == {
            id_: amount for id_, amount in listed.items() if amount
        }
        ends.append((stated, {k: v for k, v in balances(postings(records)).items() if v}))
    assert ends[0] == ends[1]
