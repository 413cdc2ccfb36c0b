"""Late, shuffled, corrected and retracted usage nets to what usage in order gives."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

from hypothesis import assume, given

from properties.events import START, Event, balances, fact, outcomes, postings, snapshots, text
from properties.invariants import check_all, usage_is_conserved
from properties.model import LEDGER
from properties.records import Records
from properties.stories import amended_days, days, folded

DECIMALS = LEDGER | {"credits": 6, "tokens": 0}

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


def net(records: list[Event]) -> dict[str, Any]:
    """Per block its places and revenue, per account its balance, per unit its overage.

    A block of which nothing is left but its name, since what rolled into it did not, is none.
    """
    snapshot = snapshots(records)["ada"]
    return {
        "blocks": {b["block"]: b for b in snapshot["blocks"] if b["quantity"] != "0"},
        "books": books(records),
        "usable": snapshot["usable"],
        "overage": snapshot["overage"],
        "accounts": balances(postings(records)),
    }


def books(records: list[Event]) -> dict[tuple[str, str], int]:
    """What stands in each account for each block."""
    found: Counter[tuple[str, str]] = Counter()
    for line in postings(records):
        if line["customer"] == "ada" and "block" in line:
            found[line["block"], line["debit"]] += line["amount"]
            found[line.get("credit_block", line["block"]), line["credit"]] -= line["amount"]
    return {key: amount for key, amount in found.items() if amount}


def answers(records: list[Event]) -> dict[str, Any]:
    """What commands and programs were answered: it stands, whatever usage comes late.

    A hold takes what it then can, and what rolls over, is trimmed or ends is what is left. What a
    blend took along of what was funded by then stands too.
    """
    found: dict[str, Any] = {
        "blended": [
            (line["block"], line["credit_block"], line["amount"])
            for line in postings(records)
            if line["rule"] == "R-BLEND"
        ]
    }
    for outcome in outcomes(records):
        cause = outcome["cause"]
        done = cause.get("due", cause.get("type", ""))
        anew = (".usage.", "hold_end", "rollover ", "expiry ", "repayment")
        if any(word in done for word in anew):
            continue
        resets = "refill" in done or "program.reset" in done
        moves = [
            (entry["block"], entry["from"], entry["to"], entry["quantity"], entry.get("value"))
            for entry in outcome.get("entries", [])
            if "hold" not in entry
            and entry["to"] not in ("drawn", "expired")
            and (entry["to"] != "rolled_out" or done.endswith("credit.granted.v1"))
            and not (resets and ("~" in entry["block"] or entry["to"] == "voided"))
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
def test_what_corrections_reopen_stands_whatever_comes_late(
    story: tuple[list[Event], list[Event], dict[str, int], list[Event]],
) -> None:
    told, usage, delays, changes = story
    records = Records(folded([*told, *changes], usage, delays, REOPEN))
    check_all(records)
    usage_is_conserved(records, [*usage, *changes], DECIMALS)


@given(amended_days(eventful=True))
def test_what_corrections_reopen_stands_among_commands(
    story: tuple[list[Event], list[Event], dict[str, int], list[Event]],
) -> None:
    told, usage, delays, changes = story
    check_all(Records(folded([*told, *changes], usage, delays, REOPEN)))


@given(amended_days())
def test_what_corrections_reopen_ends_as_it_would_have_unless_it_is_used(
    story: tuple[list[Event], list[Event], dict[str, int], list[Event]],
) -> None:
    told, usage, delays, changes = story
    # What is reopened stands: usage that comes late, or is found to be more, gets none of it.
    on_time = dict.fromkeys(delays, 0)
    used = {event["id"]: int(event["data"]["quantity"]) for event in usage}
    less = [
        change
        for change in changes
        if int(change["data"].get("quantity", "0")) <= used[change["data"]["usage"]["id"]]
    ]
    expired = net(folded([*told, *less], usage, on_time))
    records = folded([*told, *less], usage, on_time, REOPEN)
    reopened = net(records)
    check_all(Records(records))
    usage_is_conserved(Records(records), [*usage, *less], DECIMALS)
    again = {id_ for _, id_ in Records(records).reopened}
    rest = {id_: block for id_, block in reopened["blocks"].items() if id_ in again}
    assert all(block["available"] == "0" for block in rest.values())
    assume(all(block["drawn"] == "0" for block in rest.values()))
    for account in expired["accounts"].keys() | reopened["accounts"].keys():
        ours, theirs = (found["accounts"].get(account, 0) for found in (reopened, expired))
        assert abs(ours - theirs) <= len(rest), account  # each share of a value is a whole one
    assert expired["overage"] == reopened["overage"]
    assert expired["usable"] == reopened["usable"]
    for place in ("expired", "drawn"):
        assert by_grant(expired, place) == by_grant(reopened, place)


def by_grant(found: dict[str, Any], place: str) -> dict[str, Fraction]:
    """What stands in a place of a block and of all that came from it."""
    total: dict[str, Fraction] = {}
    for id_, block in found["blocks"].items():
        grant = id_.partition("~")[0]
        total[grant] = total.get(grant, Fraction(0)) + Fraction(block[place])
    return total


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
