"""Late, shuffled, corrected and retracted usage nets to what usage in order gives."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from creditfold.partition.simulation import Simulation
from properties.events import (
    DAY,
    HOUR,
    MINUTE,
    START,
    Event,
    balances,
    fact,
    instant,
    outcomes,
    postings,
    snapshots,
    text,
)
from properties.invariants import check_all, usage_is_conserved
from properties.model import LEDGER
from properties.records import Records
from properties.world import setting

DECIMALS = LEDGER | {"credits": 6, "tokens": 0}
END = START + 60 * DAY


@st.composite
def commands(draw: st.DrawFn, number: int, at: int) -> Event:
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
    if draw(st.booleans()):
        data["effective_at"] = text(at + draw(st.sampled_from([-HOUR, MINUTE, HOUR, DAY])))
    if draw(st.booleans()):
        data["expires_at"] = text(at + draw(st.sampled_from([2 * HOUR, 30 * HOUR, 3 * DAY])))
    if "effective_at" in data and data.get("expires_at", "z") <= data["effective_at"]:
        del data["expires_at"]
    if draw(st.booleans()):
        data["priority"] = draw(st.integers(0, 2))
    if draw(st.booleans()):
        data["scope"] = {"include": {"meters": draw(st.sampled_from([["api.calls"], ["gb"]]))}}
    return fact("credit.granted", data, id=f"f{number}", at=at, customer="ada", recorded=at)


def bill(invoice: str, at: int, amount: str) -> Event:
    data = {
        "invoice": invoice,
        "currency": "USD",
        "lines": [{"line": "1", "amount": amount}],
    }
    return fact("invoice.issued", data, id=f"bill-{invoice}", at=at, customer="ada", recorded=at)


@st.composite
def changes(draw: st.DrawFn, number: int, at: int) -> Event:
    """A command about a block or invoice that may be there, a hold, a program, or the customer."""
    block = {"block": f"b{draw(st.integers(0, 6))}"}
    some = draw(st.sampled_from(["1", "2", "5"]))
    hold = {"hold": f"h{draw(st.integers(0, 2))}"}
    more = {"quantity": draw(st.sampled_from(["1", "-1", "4"])), "reason": "r"}
    later = text(at + draw(st.sampled_from([HOUR, DAY, 4 * DAY])))
    invoice = f"i{draw(st.integers(0, 6))}"
    sent = block | {"transfer": f"t{number}", "quantity": some}
    line = {"line": "1", "amount": draw(st.sampled_from(["1", "3.33"]))}
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
                ("invoice.voided", {"invoice": invoice}),
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
        terms["rollover"] = {"percent": "50", "times": 2, "expires": "period_end"}
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
    now = START
    for number in range(draw(st.integers(3, 16))):
        now += draw(st.sampled_from([0, MINUTE, HOUR, 12 * HOUR, DAY]))
        what = draw(st.integers(0, 3))
        if what == 0:
            told.append(draw(commands(len([t for t in told if "block" in t["data"]]), now)))
            told[-1]["id"] = f"f{number}"
            value = told[-1]["data"].get("value")
            if value is not None and draw(st.booleans()):
                told.append(bill(told[-1]["data"]["funding"]["invoice"], now, value["amount"]))
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
def amended_days(draw: st.DrawFn) -> tuple[list[Event], list[Event], dict[str, int], list[Event]]:
    """Days of which some usage is corrected or retracted once it has come."""
    told, usage, delays = draw(days())
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


REOPEN = fact(
    "policy.published",
    {
        "version": 7,
        "effective_from": text(START),
        "keys": {"correction.expired_block": "reopen"},
        "author": "a",
        "reason": "r",
    },
    id="reopen",
    at=START,
)


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


def net(records: list[Event]) -> dict[str, Any]:
    """Per block its places and revenue, per account its balance, per unit its overage."""
    snapshot = snapshots(records)["ada"]
    return {
        "blocks": {block["block"]: block for block in snapshot["blocks"]},
        "usable": snapshot["usable"],
        "overage": snapshot["overage"],
        "accounts": balances(postings(records)),
    }


def answers(records: list[Event]) -> dict[str, Any]:
    """What commands and programs were answered: it stands, whatever usage comes late.

    A hold takes what it then can, and what a reset ends is what is left.
    """
    found: dict[str, Any] = {}
    for outcome in outcomes(records):
        cause = outcome["cause"]
        done = cause.get("due", cause.get("type", ""))
        if any(word in done for word in (".usage.", "hold_end", "expiry ", "repayment")):
            continue
        moves = [
            (entry["block"], entry["from"], entry["to"], entry["quantity"], entry.get("value"))
            for entry in outcome.get("entries", [])
            if "hold" not in entry and entry["to"] not in ("drawn", "expired")
        ]
        if moves or "due" not in cause:
            found[outcome["outcome"]] = (outcome["status"], outcome.get("code"), moves)
    return found


@given(days())
def test_delayed_usage_nets_to_usage_in_order(
    story: tuple[list[Event], list[Event], dict[str, int]],
) -> None:
    told, usage, delays = story
    in_order = folded(told, usage, dict.fromkeys(delays, 0))
    late = folded(told, usage, delays)
    assert net(in_order) == net(late)
    check_all(Records(late))
    usage_is_conserved(Records(late), usage, DECIMALS)


@given(amended_days())
def test_corrected_usage_nets_to_what_was_right_in_the_first_place(
    story: tuple[list[Event], list[Event], dict[str, int], list[Event]],
) -> None:
    told, usage, delays, changes = story
    right = {
        change["data"]["usage"]["id"]: change["data"].get("quantity", "0") for change in changes
    }
    meant = [
        event
        | {"data": event["data"] | {"quantity": right.get(event["id"], event["data"]["quantity"])}}
        for event in usage
        if right.get(event["id"]) != "0"
    ]
    in_order = folded(told, meant, dict.fromkeys(delays, 0))
    changed = folded([*told, *changes], usage, delays)
    assert {"applied"} == {
        o["status"] for o in outcomes(changed) if o["cause"].get("id", "").startswith("change")
    } or not changes
    assert net(in_order) == net(changed)
    check_all(Records(changed))
    usage_is_conserved(Records(changed), [*usage, *changes], DECIMALS)


@given(amended_days())
def test_what_corrections_reopen_ends_as_it_would_have_unless_it_is_used(
    story: tuple[list[Event], list[Event], dict[str, int], list[Event]],
) -> None:
    told, usage, delays, changes = story
    on_time = dict.fromkeys(delays, 0)  # what is reopened stands, whatever comes late after it
    expired = net(folded([*told, *changes], usage, on_time))
    records = folded([*told, *changes], usage, on_time, REOPEN)
    reopened = net(records)
    check_all(Records(records))
    usage_is_conserved(Records(records), [*usage, *changes], DECIMALS)
    rest = {id_: block for id_, block in reopened["blocks"].items() if "rolled_from" in block}
    assert all(block["available"] == "0" for block in rest.values() if "expires_at" in block)
    assume(all(block["drawn"] == "0" for block in rest.values()))
    assert expired["accounts"] == reopened["accounts"]
    assert expired["overage"] == reopened["overage"]
    assert expired["usable"] == reopened["usable"]
    for id_, block in expired["blocks"].items():
        parts = [
            reopened["blocks"][id_],
            *(b for key, b in rest.items() if key.startswith(f"{id_}~")),
        ]
        assert Fraction(block["expired"]) == sum(Fraction(part["expired"]) for part in parts)
        assert block["drawn"] == reopened["blocks"][id_]["drawn"]


@given(days(eventful=True))
def test_delayed_usage_nets_to_usage_in_order_where_commands_are_answered_alike(
    story: tuple[list[Event], list[Event], dict[str, int]],
) -> None:
    told, usage, delays = story
    in_order = folded(told, usage, dict.fromkeys(delays, 0))
    late = folded(told, usage, delays)
    check_all(Records(late))
    assume(answers(in_order) == answers(late))
    assert net(in_order) == net(late)
