"""What rolled over follows usage that comes late: amounts, value, funding, trims and chains."""

from __future__ import annotations

from typing import Any

import pytest

from core.book import Book, moves
from core.test_changes import sound
from core.test_late import arrival, retract, use
from creditfold.core.times import rfc3339
from properties.events import HOUR, Event, balances, instant

END = "2026-01-10T00:00:00Z"
BEFORE = "2026-01-09T12:00:00Z"
BEFORE_THAT = "2026-01-09T06:00:00Z"
AFTER = "2026-01-10T12:00:00Z"
LATER = "2026-01-11T00:00:00Z"
MOVED = ("quantity", "value_now", "available", "drawn", "expired", "voided", "rolled_out")


def rolling(*, billed: str | None = "100", **rule: Any) -> Book:
    """100 units for 100.00, of which something rolls over."""
    book = Book()
    book.grant("b", "100", expires_at=END, rollover=rule, at="2026-01-09T00:00:00Z")
    if billed is not None:
        book.invoice({"amount": billed, "sells": [{"block": "b"}]})
    return book


def late(book: Book, quantity: str, at: str = BEFORE, recorded: str = AFTER) -> Event:
    """Usage from before the end that is recorded after it."""
    book.sweep(recorded)
    return use(book, f"late{len(book.facts)}", quantity, at, recorded=recorded)


def stand(book: Book) -> dict[str, tuple[str, ...]]:
    now = rfc3339(book.simulation.now)
    return {b["block"]: tuple(b[at] for at in MOVED) for b in book.snapshot(now)["blocks"]}


def in_order(book: Book) -> Book:
    """The same facts, with usage where it happened."""
    again = Book()
    facts = book.facts[len(again.facts) :]
    usage = [f for f in facts if ".usage." in f["type"]]
    told = [f | {"recordedtime": f["time"]} if f in usage else f for f in facts]
    for event in sorted(told, key=lambda f: instant(f.get("recordedtime") or f["time"])):
        again.send(event)
    again.sweep(LATER)
    return again


def nets(book: Book) -> None:
    """Blocks and accounts are what they are when usage comes in order; all invariants hold."""
    book.sweep(LATER)
    other = in_order(book)
    ours, theirs = stand(book), stand(other)
    assert theirs == {id_: each for id_, each in ours.items() if id_ in theirs}
    assert all(each[0] == "0" for id_, each in ours.items() if id_ not in theirs)
    kept, accounts = (
        {account: n for account, n in balances(each.postings).items() if n}
        for each in (book, other)
    )
    assert accounts == kept
    sound(book)


def test_late_usage_lets_less_roll_over_and_value_and_funding_come_back():
    """Of 50 left 40 rolled; of the 30 that were left, 30: what had rolled is rolled anew."""
    book = rolling(quantity="40")
    use(book, "u", "50", BEFORE)
    told = late(book, "20")
    assert [
        ("b", "rolled_out", "available", "40"),
        ("b", "expired", "available", "10"),
        ("b", "available", "drawn", "20"),
        ("b", "available", "rolled_out", "30"),
        ("b~1", "available", "origin", "10"),
    ] == moves(told)
    assert ["40", "30"] == [e["value"] for e in told["entries"] if "value" in e]
    assert ("30", "30", "30", "0", "0", "0", "0") == stand(book)["b~1"]
    assert ("R-ROLL", "2000", "2000", 1000) in book.lines
    nets(book)


def test_what_has_not_rolled_over_keeps_its_name_with_nothing_in_it():
    book = rolling(quantity="40")
    late(book, "100")
    assert ("0", "0", "0", "0", "0", "0", "0") == stand(book)["b~1"]
    refused = book.refused("credit.voided", {"block": "b~1", "reason": "r"}, AFTER)
    assert "above_unused" == refused
    retract(book, book.facts[-2]["id"], at=AFTER)
    assert ("40", "40", "40", "0", "0", "0", "0") == stand(book)["b~1"]
    sound(book)


def test_nothing_rolls_over_where_late_usage_had_it_all():
    book = rolling(quantity="40")
    late(book, "100")
    nets(book)


def test_a_retraction_lets_roll_over_what_had_all_been_used():
    """It is granted then, and told."""
    book = rolling(quantity="40")
    use(book, "u", "100", BEFORE)
    book.sweep(AFTER)
    assert "b~1" not in stand(book)
    told = retract(book, "u", at=AFTER)
    assert ("b~1", "origin", "issued", "40") in moves(told)
    assert ("100", "100", "0", "0", "60", "0", "40") == stand(book)["b"]
    assert [-4000, -6000] == [book.accounts[account] for account in ("2000", "4050")]
    sound(book)


def test_a_chain_of_rollovers_follows():
    book = rolling(quantity="40", times=2, expires="PT6H")
    use(book, "u", "50", BEFORE)
    late(book, "35", recorded="2026-01-10T18:00:00Z")
    assert ["15", "15"] == [stand(book)[id_][0] for id_ in ("b~1", "b~2")]
    nets(book)


def test_a_minimum_is_topped_up_to_by_what_then_is_left():
    book = rolling(quantity="40", min_quantity="20")
    use(book, "u", "50", BEFORE)
    late(book, "45")
    assert ("20", "5", "20", "0", "0", "0", "0") == stand(book)["b~1"]
    nets(book)


@pytest.mark.parametrize("billed", [None, "30", "70"])
def test_what_is_funded_in_part_goes_with_the_units_that_roll(billed):
    book = rolling(billed=billed, quantity="40")
    use(book, "u", "50", BEFORE)
    late(book, "25")
    use(book, "u2", "5", AFTER)
    nets(book)


def test_what_is_billed_after_a_rollover_follows_the_units_that_late_usage_leaves():
    """The payment has its place: of what it funds, more or less has rolled by then."""
    book = rolling(billed=None, quantity="40")
    use(book, "u", "50", BEFORE)
    book.sweep(END)
    book.invoice({"amount": "90", "sells": [{"block": "b"}]}, at="2026-01-10T03:00:00Z")
    late(book, "25")
    nets(book)


def test_what_a_command_took_of_rolled_credit_stays_taken():
    """30 of the 40 went to somebody else; usage of 90 before finds 70."""
    book = rolling(quantity="40")
    book.sweep(END)
    book.published("policy.published", FORFEIT, "2026-01-10T06:00:00Z")
    book.applied("credit.voided", {"block": "b~1", "quantity": "30", "reason": "r"})
    told = late(book, "90")
    assert ["20"] == [over["quantity"] for over in told["overage"]]
    assert ("30", "30", "0", "0", "0", "30", "0") == stand(book)["b~1"]
    assert ("100", "100", "0", "70", "0", "0", "30") == stand(book)["b"]
    sound(book)


FORFEIT = {
    "version": 1,
    "effective_from": "2026-01-01T00:00:00Z",
    "keys": {"revoke.forfeit": "allow"},
    "author": "controller",
    "reason": "contract",
}

DAILY = {
    "grant": {"kind": "promotional", "unit": "USD", "quantity": "10", "expires": "period_end"},
    "every": "P1D",
    "anchor": "2026-01-01T00:00",
}


def daily(**terms: Any) -> Book:
    book = Book()
    definition = DAILY | {"rollover": {"quantity": "8", "times": 3, "expires": "period_end"}}
    definition["rollover"] |= {"expires": "P3D"}
    book.applied("program.attached", {"program": "p", "definition": definition | terms})
    return book


@pytest.mark.parametrize("resets", [False, True])
def test_the_oldest_is_trimmed_by_what_then_stands(resets):
    """By the clock, at a period's end or at a reset: caps are on what stands of all that rolled."""
    book = daily(**({"reset": {"overage": "keep"}} if resets else {}))
    use(book, "u", "5", "2026-01-01T12:00:00Z")
    book.sweep("2026-01-03T12:00:00Z")
    assert ("0", "5") == tuple(stand(book)["p:c:1~1"][n] for n in (2, 5))
    use(book, "late", "6", "2026-01-02T12:00:00Z", recorded="2026-01-03T12:00:00Z")
    nets(book)


@pytest.mark.parametrize("hours", [(12, 30), (30, 12)])
def test_what_a_command_took_counts_among_what_stands(hours):
    """Usage from before and after the end, in either order: of the 3 that it was topped up to,
    1 was above the cap of 2, and 2 were voided."""
    rule = {"quantity": "2", "min_quantity": "3", "expires": "period_end"}
    book = daily(rollover=rule)
    book.sweep("2026-01-02T12:00:00Z")
    book.applied("credit.voided", {"block": "p:c:1~1", "reason": "r"})
    for each in hours:
        at = rfc3339(instant("2026-01-01T00:00:00Z") + each * HOUR)
        use(book, f"late{each}", "2", at, recorded="2026-01-02T13:00:00Z")
    assert {
        "p:c:1": ("10", "0", "0", "2", "6", "0", "2"),
        "p:c:1~1": ("3", "0", "0", "0", "0", "3", "0"),
        "p:c:2": ("10", "0", "8", "2", "0", "0", "0"),
    } == stand(book)
    sound(book)


def test_a_reset_by_hand_rolls_over_what_then_is_left():
    book = daily()
    book.applied("program.reset", {"program": "p"}, "2026-01-01T12:00:00Z")
    assert "8" == stand(book)["p:c:1~1"][0]


def test_what_rolls_over_late_ends_with_the_periods_of_its_grant():
    """The program has been detached since; what it granted keeps its dates."""
    book = daily(rollover={"quantity": "8", "expires": "period_end"})
    use(book, "u", "10", "2026-01-01T12:00:00Z")
    book.applied("program.detached", {"program": "p"}, "2026-01-02T06:00:00Z")
    retract(book, "u", at="2026-01-02T12:00:00Z")
    (block,) = [b for b in book.snapshot()["blocks"] if b["block"] == "p:c:1~1"]
    assert ("8", "2026-01-03T00:00:00Z") == (block["available"], block["expires_at"])


def test_carried_overage_is_repaid_by_what_then_rolls_over():
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.grant("b", "10", kind="promotional", expires_at=END, rollover={}, effective_at=BEFORE)
    use(book, "before", "4", BEFORE_THAT)
    use(book, "u", "6", "2026-01-09T13:00:00Z")
    book.sweep(AFTER)
    use(book, "more", "3", AFTER)
    late(book, "5", "2026-01-09T12:30:00Z", recorded=LATER)
    nets(book)


@pytest.mark.parametrize("granted", [False, True])
def test_a_bill_that_also_sells_what_is_not_granted_yet_has_its_place(granted):
    book = rolling(billed=None, quantity="40")
    lines = [{"amount": "100", "sells": [{"block": id_}]} for id_ in ("b", "to come")]
    book.invoice(*lines, at=BEFORE_THAT)
    if granted:
        book.grant("to come", "100", expires_at=LATER, rollover={}, at=BEFORE)
    late(book, "70", "2026-01-09T03:00:00Z")
    nets(book)


def test_what_is_due_after_a_rollover_follows_the_units_that_late_usage_leaves():
    """The due date has its place, though no unit moves then."""
    book = rolling(billed=None, quantity="40")
    use(book, "u", "50", BEFORE)
    terms = {"recognition": "on_due", "due_at": "2026-01-10T06:00:00Z"}
    book.invoice({"amount": "90", "sells": [{"block": "b"}]}, at=BEFORE, **terms)
    late(book, "25")
    nets(book)


@pytest.mark.parametrize("kind", ["sla", "goodwill", "included", "material_right"])
def test_of_every_kind_what_rolled_over_follows(kind):
    """With what a concession accrued or a right deferred."""
    book = Book()
    worth: Any = {"value": {"amount": "60", "currency": "USD"}}
    if kind == "goodwill":
        worth["failed_period"] = {"from": "2025-12-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    start = {"expires_at": END, "rollover": {"quantity": "40"}, "at": "2026-01-09T00:00:00Z"}
    book.grant("b", "100", kind=kind, **start, **worth)
    use(book, "u", "50", BEFORE)
    late(book, "33")
    use(book, "u2", "5", "2026-01-10T13:00:00Z")
    nets(book)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("credit.transferred", {"transfer": "t", "to": "d", "quantity": "7"}),
        ("credit.adjusted", {"quantity": "7", "reason": "r"}),
        ("credit.expiry_changed", {"expires_at": "2026-01-10T18:00:00Z"}),
    ],
)
def test_what_is_done_to_rolled_credit_is_done_to_what_then_rolls(kind, data):
    book = rolling(quantity="40")
    use(book, "u", "50", BEFORE)
    book.sweep(END)
    book.applied(kind, {"block": "b~1"} | data, "2026-01-10T06:00:00Z")
    late(book, "25")
    nets(book)


def test_a_hold_on_rolled_credit_has_what_then_is_left_of_it():
    book = rolling(quantity="40")
    book.sweep(END)
    data = {"hold": "h", "unit": "USD", "quantity": "30", "expires_at": LATER}
    book.applied("hold.placed", data, "2026-01-10T06:00:00Z")
    late(book, "80")
    assert ("20", "0") == tuple(book.block("b~1")[at] for at in ("held", "available"))
    nets(book)


def test_under_arrival_what_a_retraction_gives_back_rolls_over():
    """The block was empty, and nothing of it was to come any more."""
    book = rolling(quantity="40")
    arrival(book)
    use(book, "u", "100", BEFORE)
    retract(book, "u", at=BEFORE)
    book.sweep(AFTER)
    assert ("60", "40") == tuple(book.block("b")[at] for at in ("expired", "rolled_out"))
    assert "40" == book.block("b~1")["available"]
    sound(book)


@pytest.mark.parametrize("billed", ["2026-01-01T06:00:00Z", "2026-01-02T06:00:00Z"])
def test_a_part_of_a_line_that_funds_a_program_rolls_over_with_its_units(billed):
    """What the line gives a block after that has rolled stays with what did not."""
    grant = DAILY["grant"] | {"kind": "included", "unit": "credits"}
    book = daily(grant=grant, reset={"overage": "keep"})
    funds = {"program": "p", "from": "2026-01-01T00:00:00Z", "to": "2026-01-03T00:00:00Z"}
    book.invoice({"amount": "7", "funds": funds}, at=billed)
    use(book, "u", "1", "2026-01-02T12:00:00Z")
    late(book, "2", "2026-01-01T12:00:00Z", recorded="2026-01-02T18:00:00Z")
    nets(book)


@pytest.mark.parametrize("billed", [None, "100"])
def test_a_block_that_then_rolls_over_whole_has_earned_nothing(billed):
    book = rolling(percent="100", billed=billed)
    use(book, "u1", "40", BEFORE)
    book.sweep(AFTER)
    retract(book, "u1", at=AFTER)
    assert ("0", "100") == (book.block("b")["drawn"], book.block("b")["rolled_out"])
    owed = {} if billed is None else {"1100": 10000, "2000": -10000}
    assert owed == {account: n for account, n in book.accounts.items() if n}
    sound(book)


def test_what_counts_towards_a_commitment_follows_what_then_expires():
    """Bought credit that lapses is not paid for twice, and of 60 that had lapsed 15 were used."""
    book = Book()
    yearly = {"unit": "USD", "quantity": "1200", "term": "year"}
    start = {"subscription": "s", "plan": "pro", "period": "month", "commitment": yearly}
    book.applied("subscription.started", start)
    rule = {"quantity": "40", "expires": "never"}
    book.grant("b", "100", expires_at=END, rollover=rule, at=BEFORE_THAT)
    book.invoice({"amount": "100", "sells": [{"block": "b"}]})
    late(book, "75")
    assert ["75"] == [c["counted"] for c in book.snapshot()["commitments"]]
    nets(book)


def test_what_a_late_program_let_roll_over_stands_where_usage_before_it_is_folded_again():
    """It fell due in one go, behind what had been folded; what is carried is repaid by none of it,
    and moves nothing."""
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.use("1", "pings")
    book.at = "2026-01-10T15:00:00Z"
    grant = {"kind": "included", "unit": "credits", "quantity": "7", "expires": "period_end"}
    often = {"grant": grant, "every": "PT12H"}
    book.applied("program.attached", {"program": "p0", "definition": often})
    now, since = "2026-01-12T19:00:00Z", {"effective_from": "2026-01-11T19:00:00Z"}
    worth = {"unit": "coins", "value": {"amount": "1.33", "currency": "USD"}}
    rolls = {"grant": grant | worth, "every": "PT12H", "rollover": {}} | since
    book.applied("program.attached", {"program": "p1", "definition": rolls}, now)
    book.use("1", at="2026-01-12T14:00:00Z", recorded=now)
    assert ["7", "7"] == [book.block(f"p1:c:{n}")["rolled_out"] for n in (1, 2)]
    sound(book)
