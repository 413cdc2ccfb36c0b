"""Days of a customer whose usage comes out of order: the stories that tests of disorder tell."""

from __future__ import annotations

from hypothesis import strategies as st

from creditfold.partition.simulation import Simulation
from properties.events import DAY, HOUR, MINUTE, START, Event, fact, instant, text
from properties.world import setting

END = START + 60 * DAY


@st.composite
def rollovers(draw: st.DrawFn) -> Event:
    """How much of a block goes on when it ends, and how often."""
    rule: Event = {"times": draw(st.integers(1, 3))}
    if draw(st.booleans()):
        rule["quantity"] = draw(st.sampled_from(["1", "2.5"]))
    if draw(st.booleans()):
        rule["percent"] = draw(st.sampled_from(["50", "33.3"]))
    if draw(st.integers(0, 3)) == 0:
        rule["min_quantity"] = draw(st.sampled_from(["0.5", "2"]))
    if draw(st.booleans()):
        rule["expires"] = draw(st.sampled_from(["PT6H", "P2D"]))
    return rule


@st.composite
def commands(draw: st.DrawFn, number: int, at: int, *, rolling: bool) -> Event:
    """A grant, paid or free, recorded as it happens."""
    unit = draw(st.sampled_from(["USD", "USD", "credits"]))
    data: Event = {
        "block": f"b{number}",
        "kind": draw(st.sampled_from(["paid", "promotional"])),
        "unit": unit,
        "quantity": draw(st.sampled_from(["1", "2", "5", "7.5"])),
    }
    if data["kind"] == "paid":
        data["value"] = {"amount": draw(st.sampled_from(["1", "3.33", "10"])), "currency": "USD"}
        data["funding"] = {"invoice": f"i{number}", "line": "1"}
        data["usable"] = draw(st.sampled_from(["at_once", "at_once", "when_funded"]))
    if draw(st.booleans()):
        data["effective_at"] = text(at + draw(st.sampled_from([-HOUR, MINUTE, HOUR, DAY])))
    if rolling or draw(st.booleans()):
        data["expires_at"] = text(at + draw(st.sampled_from([2 * HOUR, 30 * HOUR, 3 * DAY])))
    if "effective_at" in data and data.get("expires_at", "z") <= data["effective_at"]:
        del data["expires_at"]
    if "expires_at" in data and rolling:
        data["rollover"] = draw(rollovers())
    if draw(st.booleans()):
        data["priority"] = draw(st.integers(0, 2))
    if draw(st.booleans()):
        data["scope"] = {"include": {"meters": draw(st.sampled_from([["api.calls"], ["gb"]]))}}
    return fact("credit.granted", data, id=f"f{number}", at=at, customer="ada", recorded=at)


def bill(invoice: str, at: int, amount: str, due: int | None = None) -> Event:
    """An invoice of one line, which counts when it is issued, or when it is due."""
    data: Event = {
        "invoice": invoice,
        "currency": "USD",
        "lines": [{"line": "1", "amount": amount}],
    }
    if due is not None:
        data |= {"recognition": "on_due", "due_at": text(at + due)}
    return fact("invoice.issued", data, id=f"bill-{invoice}", at=at, customer="ada", recorded=at)


@st.composite
def changes(draw: st.DrawFn, number: int, at: int) -> Event:
    """A command about a block or invoice that may be there, a hold, a program, or the customer."""
    block = {"block": f"b{draw(st.integers(0, 6))}{draw(st.sampled_from(['', '', '~1', '~2']))}"}
    some = draw(st.sampled_from(["1", "2", "5"]))
    hold = {"hold": f"h{draw(st.integers(0, 2))}"}
    more = {"quantity": draw(st.sampled_from(["1", "-1", "4"])), "reason": "r"}
    later = text(at + draw(st.sampled_from([HOUR, DAY, 4 * DAY])))
    invoice = f"i{draw(st.integers(0, 6))}"
    sent = block | {"transfer": f"t{number}", "quantity": some}
    line = {"line": "1", "amount": draw(st.sampled_from(["1", "3.33"]))}
    made = {"block": f"n{number}", "unit": "USD", "blends": [block["block"]]}
    price = {"value": {"amount": line["amount"], "currency": "USD"}}
    note = {"credit_note": f"n{number}", "invoice": invoice, "lines": [line]}
    kind, data = draw(
        st.sampled_from(
            [
                ("credit.voided", block | {"quantity": some, "reason": "r"}),
                ("credit.voided", block | {"reason": "r"}),
                ("credit.adjusted", block | more),
                ("credit.expiry_changed", block | {"expires_at": later}),
                ("hold.placed", hold | {"unit": "USD", "quantity": some, "expires_at": later}),
                ("hold.settled", hold | {"meter": "api.calls", "quantity": some}),
                ("hold.released", hold),
                ("customer.updated", {"overage": {"default": draw(OVERAGE)}}),
                ("customer.updated", {"overage": {"default": "carry"}}),
                ("program.attached", {"program": "p", "definition": draw(programs())}),
                ("program.detached", {"program": "p"}),
                ("program.reset", {"program": "p"}),
                ("credit.refunded", block | {"quantity": some, "reason": "r"}),
                ("credit.transferred", sent | {"to": draw(st.sampled_from(["bo", "nobody"]))}),
                ("credit_note.issued", note | {"to": "balance"}),
                ("invoice.paid", {"invoice": invoice, "amount": "1"}),
                ("invoice.issued", bill(invoice, at, "1")["data"]),
                ("invoice.voided", {"invoice": invoice}),
                ("credit.granted", made | {"kind": "paid", "quantity": some} | price),
                ("credit.granted", made | {"kind": "promotional", "quantity": some}),
            ]
        )
    )
    return fact(kind, data, id=f"f{number}", at=at, customer="ada", recorded=at)


DELAYS = st.sampled_from([0, 0, MINUTE, 2 * HOUR, 26 * HOUR, 70 * HOUR, -MINUTE, -4 * MINUTE])
"""How much later than it happens usage is recorded; clocks of hosts that are ahead make it less."""

OVERAGE = st.sampled_from(["bill", "carry", "block"])


@st.composite
def programs(draw: st.DrawFn) -> Event:
    """Terms by which credit recurs within days."""
    grant: Event = {
        "kind": "promotional",
        "unit": draw(st.sampled_from(["USD", "credits"])),
        "quantity": draw(st.sampled_from(["1", "3"])),
        "expires": draw(st.sampled_from(["period_end", "P2D"])),
    }
    terms: Event = {"grant": grant, "every": draw(st.sampled_from(["PT12H", "P1D"]))}
    if draw(st.booleans()):
        terms["reset"] = {"overage": draw(st.sampled_from(["keep", "drop"]))}
    if draw(st.booleans()):
        terms["overage"] = draw(OVERAGE)
    if draw(st.booleans()):
        terms["rollover"] = draw(rollovers()) | {"expires": "period_end"}
    return terms


@st.composite
def days(
    draw: st.DrawFn, *, eventful: bool = False
) -> tuple[list[Event], list[Event], dict[str, int]]:
    """Commands and usage of some days in the order in which they happened, and delays."""
    begin: Event = {"currency": "USD", "time_zone": "UTC", "credit_limits": {"USD": "3"}}
    told = [
        fact("customer.created", begin, id="new", at=START, customer=name, recorded=START)
        for name in ("ada", "bo")
    ]
    usage: list[Event] = []
    delays: dict[str, int] = {}
    now, rolling = START, draw(st.booleans())
    for number in range(draw(st.integers(3, 16))):
        now += draw(st.sampled_from([0, MINUTE, HOUR, 12 * HOUR, DAY]))
        what = draw(st.integers(0, 3))
        if what == 0:
            block = len([t for t in told if "block" in t["data"]])
            told.append(draw(commands(block, now, rolling=rolling)))
            told[-1]["id"] = f"f{number}"
            value = told[-1]["data"].get("value")
            if value is not None and draw(st.booleans()):
                billed = draw(st.sampled_from([value["amount"], value["amount"], "0.5"]))
                due = draw(st.sampled_from([None, None, HOUR, 2 * DAY]))
                told.append(bill(told[-1]["data"]["funding"]["invoice"], now, billed, due))
            continue
        if what == 1 and eventful:
            told.append(draw(changes(number, now)))
            continue
        data: Event = {
            "meter": draw(st.sampled_from(["api.calls", "api.calls", "gb", "misc.events"])),
            "quantity": str(draw(st.integers(1, 12))),
        }
        if draw(st.booleans()):
            data["properties"] = {"size": "large"}
        if eventful and draw(st.integers(0, 4)) == 0:
            data["hold"] = {"hold": f"h{draw(st.integers(0, 2))}", "final": draw(st.booleans())}
        # Of one instant what comes first goes first, so no two are of one.
        usage.append(fact("usage.recorded", data, id=f"u{number}", at=now + number, customer="ada"))
        delays[f"u{number}"] = draw(DELAYS)
    return told, usage, delays


@st.composite
def amended_days(
    draw: st.DrawFn, *, eventful: bool = False
) -> tuple[list[Event], list[Event], dict[str, int], list[Event]]:
    """Days of which some usage is corrected or retracted once it has come."""
    told, usage, delays = draw(days(eventful=eventful))
    changes: list[Event] = []
    for number, event in enumerate(usage):
        what = draw(st.sampled_from(["", "", "less", "more", "retracted"]))
        if not what:
            continue
        data: Event = {"usage": {"source": "/tests", "id": event["id"]}}
        if what != "retracted":
            data["quantity"] = str(
                draw(st.integers(0, 3) if what == "less" else st.integers(4, 20))
            )
        kind = "usage.retracted" if what == "retracted" else "usage.corrected"
        more = draw(st.sampled_from([0, MINUTE, 3 * HOUR, 50 * HOUR]))
        at = max(START, instant(event["time"]) + min(delays[event["id"]] + more, 71 * HOUR))
        changes.append(fact(kind, data, id=f"change{number}", at=at, customer="ada", recorded=at))
    return told, usage, delays, changes


def folded(
    told: list[Event], usage: list[Event], delays: dict[str, int], *policies: Event
) -> list[Event]:
    """What comes of it when each usage is recorded so much later than it happened."""
    arriving = [
        event | {"recordedtime": text(max(START, instant(event["time"]) + delays[event["id"]]))}
        for event in usage
    ]
    facts = sorted(
        [*told, *arriving],
        key=lambda f: (
            instant(f["recordedtime"]),
            f["type"].split(".")[1] == "usage",
            f["id"].startswith("change"),
        ),
    )
    simulation = Simulation()
    records: list[Event] = []
    for event in [*setting(), *policies, *facts]:
        records += simulation.feed(event)
    records += simulation.sweep(text(END))
    return records + simulation.snapshots(text(END))
