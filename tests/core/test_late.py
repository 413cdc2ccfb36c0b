"""Late, corrected and retracted usage: what each fact compensates, entry by entry."""

from __future__ import annotations

import pytest

from core.book import Book
from core.test_changes import sound
from creditfold.core.journal import Use
from creditfold.core.times import rfc3339

NOON = "2026-01-02T12:00:00Z"
AGO = "2026-01-02T11:00:00Z"
NOW = "2026-01-02T13:00:00Z"


def moved(outcome: dict) -> list[tuple[str, str, str, str, str]]:
    """(usage, block, from, to, quantity) of each entry."""
    return [
        (e.get("usage", ""), e["block"], e["from"], e["to"], e["quantity"])
        for e in outcome.get("entries", [])
    ]


def uncovered(outcome: dict) -> list[tuple[str, str]]:
    return [(o.get("usage", "own"), o["amount"]) for o in outcome.get("overage", [])]


def use(book: Book, id_: str, quantity: str, at: str, recorded: str | None = None) -> dict:
    data = {"meter": "calls", "quantity": quantity}
    return book.applied("usage.recorded", data, at, id=id_, recorded=recorded)


def correct(book: Book, id_: str, quantity: str, at: str = NOW) -> dict:
    data = {"usage": {"source": "/tests", "id": id_}, "quantity": quantity}
    return book.applied("usage.corrected", data, at)


def retract(book: Book, id_: str, at: str = NOW) -> dict:
    return book.applied("usage.retracted", {"usage": {"source": "/tests", "id": id_}}, at)


def arrival(book: Book) -> None:
    """Switch to the cheap rule."""
    book.published(
        "policy.published",
        {
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "keys": {"late.order": "arrival"},
            "author": "ops",
            "reason": "as the system before did",
        },
    )


def test_late_usage_takes_the_place_of_usage_that_came_before_its_turn():
    book = Book()
    book.grant("soon", "5", priority=1)
    book.grant("rest", "9", scope={"include": {"products": ["llm"]}})
    assert [("u2", "soon", "available", "drawn", "4")] == moved(use(book, "u2", "4", NOON))
    late = use(book, "u1", "3", AGO, recorded=NOW)
    assert [
        ("u2", "soon", "drawn", "available", "2"),
        ("u1", "soon", "available", "drawn", "3"),
    ] == moved(late)
    assert [("u2", "2")] == uncovered(late)
    assert {"USD": "2"} == book.snapshot()["overage"]


def test_usage_of_one_instant_stands_as_it_came_whatever_its_ids():
    """A batch that reports a day's usage at one time would else refold what it has just drawn."""
    book = Book()
    book.grant("b", "2")
    for id_ in ("z", "y"):
        assert [(id_, "b", "available", "drawn", "1")] == moved(use(book, id_, "1", NOON))
    for id_ in ("x", "a"):
        assert [] == moved(use(book, id_, "1", NOON))
    use(book, "later", "1", NOW)
    assert [] == moved(use(book, "b", "1", NOON, NOW))
    assert ("y", "b", "drawn", "available", "1") in moved(use(book, "early", "1", AGO, NOW))


def test_late_usage_that_could_not_matter_is_drawn_where_it_is():
    book = Book()
    book.grant("b", "100")
    use(book, "u2", "4", NOON)
    assert [("u1", "b", "available", "drawn", "3")] == moved(use(book, "u1", "3", AGO, NOW))


def test_under_arrival_late_usage_takes_what_is_left():
    book = Book()
    arrival(book)
    book.grant("b", "5")
    use(book, "u2", "4", NOON)
    late = use(book, "u1", "3", AGO, NOW)
    assert [("u1", "b", "available", "drawn", "1")] == moved(late)
    assert [("own", "2")] == uncovered(late)


def test_late_usage_does_not_reach_credit_that_was_granted_behind_its_place():
    book = Book()
    use(book, "u0", "1", NOON)
    book.grant("b", "5", at=NOW, effective_at="2026-01-02T00:00:00Z")
    late = use(book, "u1", "3", AGO, NOW)
    assert ([], [("own", "3")]) == (moved(late), uncovered(late))
    assert [("u2", "b", "available", "drawn", "3")] == moved(use(book, "u2", "3", NOW))


def test_what_expired_since_is_reopened_for_usage_in_its_place_and_its_money_follows():
    book = Book()
    book.grant("b", "10", expires_at=NOON)
    book.invoice({"amount": "10", "sells": [{"block": "b"}]})
    book.sweep(NOW)
    assert -1000 == book.accounts["4050"]
    late = use(book, "u1", "4", AGO, NOW)
    assert [
        ("", "b", "expired", "available", "4"),
        ("u1", "b", "available", "drawn", "4"),
    ] == moved(late)
    assert [("R-REOPEN", "4050", "2000", 400), ("R-DRAW", "2000", "4000", 400)] == book.lines


def test_a_correction_gives_back_what_was_burned_last_to_the_same_block():
    book = Book()
    book.grant("a", "3", value={"amount": "3", "currency": "USD"})
    book.grant("b", "9", value={"amount": "9", "currency": "USD"})
    use(book, "u1", "1", AGO)
    use(book, "u2", "7", NOON)
    assert [
        ("u2", "b", "drawn", "available", "4"),
    ] == moved(correct(book, "u2", "3"))
    assert [("R-CORRECT", "4000", "1150", 400)] == book.lines
    assert {"USD": "8"} == book.snapshot()["usable"]


def test_a_correction_upwards_draws_the_difference():
    book = Book()
    book.grant("a", "10")
    use(book, "u1", "1", AGO)
    assert [("u1", "a", "available", "drawn", "6")] == moved(correct(book, "u1", "7"))


def test_corrected_overage_is_taken_back_from_what_is_unbilled():
    book = Book()
    use(book, "u1", "4", AGO)
    assert [("u1", "-3")] == uncovered(correct(book, "u1", "1"))
    assert [("R-CORRECT", "4010", "1150", 300)] == book.lines
    assert {"USD": "1"} == book.snapshot()["overage"]


def test_what_a_retraction_frees_goes_to_usage_behind_it():
    book = Book()
    book.grant("b", "5")
    use(book, "u1", "4", AGO)
    use(book, "u2", "4", NOON)
    freed = retract(book, "u1")
    assert [
        ("u1", "b", "drawn", "available", "4"),
        ("u2", "b", "available", "drawn", "3"),
    ] == moved(freed)
    assert [("u2", "-3")] == uncovered(freed)
    assert {"USD": "1"} == book.snapshot()["usable"]


def test_what_comes_back_to_an_expired_block_expires_at_once():
    for rule in ("event_time", "arrival"):
        book = Book()
        if rule == "arrival":
            arrival(book)
        book.grant("b", "5", expires_at=NOON)
        book.invoice({"amount": "5", "sells": [{"block": "b"}]})
        use(book, "u1", "4", AGO)
        book.sweep(NOON)
        back = retract(book, "u1", at=NOW)
        assert [
            ("u1", "b", "drawn", "available", "4"),
            ("", "b", "available", "expired", "4"),
        ] == moved(back)
        assert [("R-CORRECT", "4000", "2000", 400), ("R-EXPIRE", "2000", "4050", 400)] == book.lines


def test_under_arrival_a_block_that_was_empty_may_pay_and_expire_again():
    book = Book()
    arrival(book)
    book.grant("b", "5", expires_at="2026-01-03T00:00:00Z")
    use(book, "u1", "5", AGO)
    retract(book, "u1")
    assert [("u2", "b", "available", "drawn", "2")] == moved(use(book, "u2", "2", NOW))
    swept = book.sweep("2026-01-04T00:00:00Z")
    assert [[("", "b", "available", "expired", "3")]] == [moved(outcome) for outcome in swept]


@pytest.mark.parametrize("rule", ["event_time", "arrival"])
def test_a_retracted_usage_can_be_corrected_and_an_unchanged_one_moves_nothing(rule):
    book = Book()
    if rule == "arrival":
        arrival(book)
    book.grant("b", "5")
    use(book, "u1", "2", AGO)
    assert [] == moved(correct(book, "u1", "2"))
    retract(book, "u1")
    assert {"USD": "5"} == book.snapshot()["usable"]
    assert [("u1", "b", "available", "drawn", "3")] == moved(correct(book, "u1", "3"))
    assert {"USD": "2"} == book.snapshot()["usable"]


def test_usage_can_be_corrected_until_the_window_after_it_ends():
    book = Book()
    book.grant("b", "5")
    use(book, "u1", "2", "2026-01-02T00:00:00Z")
    retract(book, "u1", at="2026-01-05T00:00:00Z")
    data = {"usage": {"source": "/tests", "id": "u1"}, "quantity": "1"}
    assert "too_late" == book.refused("usage.corrected", data, "2026-01-05T00:00:01Z")


def test_billed_overage_that_a_correction_takes_back_is_open_below_zero():
    book = Book()
    owed = use(book, "u1", "4", AGO)["overage"][0]["id"]
    book.invoice({"amount": "4", "arrears_for": [owed]}, at=NOON)
    correct(book, "u1", "1")
    assert {"USD": "-3"} == book.snapshot()["overage"]
    span = {"meter": "calls", "from": "2026-01-02T00:00:00Z", "to": "2026-01-03T00:00:00Z"}
    use(book, "u2", "5", NOW)
    book.invoice({"amount": "2", "arrears_for": [span]}, invoice="j")
    assert {} == book.snapshot()["overage"]
    assert {"1100": 600, "4010": -600} == book.accounts


def test_what_was_billed_and_taken_back_can_be_settled_alone_or_against_as_much():
    book = Book()
    first = use(book, "u1", "4", AGO)["overage"][0]["id"]
    book.invoice({"amount": "4", "arrears_for": [first]}, at=NOON)
    correct(book, "u1", "1")
    assert {"1100": 400, "1150": -300, "4010": -100} == book.accounts
    more = use(book, "u2", "3", NOW)["overage"][0]["id"]
    assert {} == book.snapshot()["overage"]
    book.invoice({"amount": "0", "arrears_for": [first]}, invoice="j")
    assert {"USD": "3"} == book.snapshot()["overage"]
    book.invoice({"amount": "3", "arrears_for": [more]}, invoice="k")
    assert {} == book.snapshot()["overage"]
    assert {"1100": 700, "4010": -700} == book.accounts


def test_what_the_window_has_passed_is_forgotten():
    book = Book()
    book.grant("b", "1000")
    for day in range(2, 9):
        use(book, f"u{day}", "1", f"2026-01-0{day}T00:00:00Z")
    kept = book.simulation._store.scan("c", "journal")
    assert ["u5", "u6", "u7", "u8"] == [item.id for _, item in kept if isinstance(item, Use)]


def test_ids_of_corrections_and_holds_are_forgotten_as_those_of_usage_are():
    book = Book()
    book.grant("b", "1000")
    use(book, "u", "2", "2026-01-02T00:00:00Z")
    hold = {"hold": "h", "unit": "USD", "quantity": "1", "expires_at": "2026-01-09T00:00:00Z"}
    passing = [
        ("usage.corrected", {"usage": {"source": "/tests", "id": "u"}, "quantity": "1"}),
        ("hold.placed", hold),
        ("hold.settled", {"hold": "h", "quantity": "0"}),
        ("hold.placed", hold),
        ("hold.released", {"hold": "h"}),
        ("usage.retracted", {"usage": {"source": "/tests", "id": "u"}}),
    ]
    for number, (kind, data) in enumerate(passing):
        book.applied(kind, data, id=f"p{number}")

    def known() -> set[str]:
        keys = (key for key, _ in book.simulation._store.items())
        return {id_.partition("\0")[2] for who, kind, id_ in keys if (who, kind) == ("c", "seen")}

    mine = {"u", *(f"p{number}" for number in range(len(passing)))}
    assert mine < known()
    book.applied("hold.placed", hold | {"hold": "i"}, "2026-01-05T00:00:01Z", id="later")
    assert mine & known() == set()
    assert "later" in known()
    assert 1 == len(list(book.simulation._store.scan("c", "passed")))


def test_an_id_that_has_come_back_is_not_forgotten_with_the_one_before():
    """A longer window, of whichever policy, keeps the journal longer than an id is taken."""
    book = Book()
    policy = {"version": 1, "author": "a", "reason": "r", "keys": {"late.window": "P45D"}}
    book.published("policy.published", policy | {"effective_from": "2027-01-01T00:00:00Z"})
    use(book, "u", "2", "2026-01-02T00:00:00Z")
    again = "2026-02-25T00:00:00Z"
    use(book, "u", "2", again)
    assert [again] == [rfc3339(i.time) for _, i in book.simulation._store.scan("c", "journal")]
    told = book.feed("usage.recorded", {"meter": "calls", "quantity": "2"}, again, id="u")
    assert "duplicate" == told["status"]


def test_late_usage_has_what_rolled_over_however_often_more_comes():
    book = Book()
    terms = {
        "grant": {"kind": "promotional", "unit": "USD", "quantity": "3", "expires": "period_end"},
        "every": "P1D",
        "reset": {"overage": "keep"},
        "rollover": {"percent": "50", "times": 2, "expires": "period_end"},
    }
    book.applied("program.attached", {"program": "p", "definition": terms}, AGO)
    book.sweep("2026-01-03T18:00:00Z")
    late = use(book, "u1", "8", NOON, recorded="2026-01-03T18:00:00Z")
    assert [("own", "5")] == uncovered(late)
    again = use(book, "u2", "1", NOW, recorded="2026-01-05T00:00:00Z")
    assert ([], [("own", "1")]) == (moved(again), uncovered(again))


def test_usage_ahead_of_the_log_does_not_keep_later_credit_from_other_usage():
    """One host's clock is fast; what the others send after the grant is drawn from it."""
    book = Book()
    ahead, at = "2026-01-02T12:04:00Z", "2026-01-02T12:01:00Z"
    assert [("own", "2")] == uncovered(use(book, "fast", "2", ahead, recorded=NOON))
    granted = book.grant("b", "5", at="2026-01-02T12:00:01Z")
    assert ("fast", "b", "available", "drawn", "2") == moved(granted)[-1]
    assert [("fast", "-2")] == uncovered(granted)
    assert [("u1", "b", "available", "drawn", "4")] == moved(use(book, "u1", "4", at))[1:]
    assert {"USD": "1"} == book.snapshot()["overage"]


def test_usage_ahead_of_the_log_draws_what_a_program_grants_before_its_instant():
    book = Book()
    terms = {
        "grant": {"kind": "promotional", "unit": "USD", "quantity": "3", "expires": "period_end"},
        "every": "P1D",
        "anchor": "2026-01-01T00:00",
    }
    book.applied("program.attached", {"program": "p", "definition": terms}, AGO)
    use(book, "fast", "1", "2026-01-03T00:03:00Z", recorded="2026-01-02T23:59:00Z")
    use(book, "u1", "1", "2026-01-03T00:01:00Z")
    (block,) = [b for b in book.snapshot()["blocks"] if b["block"] == "p:c:2"]
    assert ("1", "2", {}) == (block["available"], block["drawn"], book.snapshot()["overage"])


def test_a_block_that_had_expired_when_it_was_granted_is_folded_again_behind_its_grant():
    """Its expiry lies before the grant, and can only have happened after it."""
    book = Book()
    use(book, "u2", "1", NOON)
    past = {"effective_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T01:00:00Z"}
    book.grant("b", "5", at=NOW, **past)
    for id_ in ("u1", "u0"):
        late = use(book, id_, "1", "2026-01-02T00:30:00Z", recorded="2026-01-02T14:00:00Z")
        assert ([], [("own", "1")]) == (moved(late), uncovered(late))
    assert "5" == book.block()["expired"]


def test_a_block_that_usage_empties_before_its_reset_keeps_its_interval():
    """A reset ends what is left: where late usage had it all, there is nothing to end."""
    book = Book()
    terms = {
        "grant": {"kind": "promotional", "unit": "USD", "quantity": "3", "expires": "P2D"},
        "every": "P1D",
        "reset": {"overage": "keep"},
    }
    book.applied("program.attached", {"program": "p", "definition": terms}, AGO)
    book.sweep("2026-01-03T12:00:00Z")
    assert "2026-01-03T11:00:00Z" == book.block("p:c:1")["expires_at"]
    use(book, "u1", "3", NOON, recorded="2026-01-03T13:00:00Z")
    assert ("3", "2026-01-04T11:00:00Z") == tuple(
        book.block("p:c:1")[what] for what in ("drawn", "expires_at")
    )


def test_under_arrival_what_was_carried_is_folded_again_in_the_order_of_arrival():
    """Credit that came before late usage was there for it, however early the usage was."""
    book = Book()
    arrival(book)
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    use(book, "u0", "5", "2026-01-02T10:00:00Z")
    llm = {"include": {"products": ["llm"]}}
    book.grant("b", "3", at=NOON, effective_at="2026-01-02T00:00:00Z", scope=llm)
    late = {"meter": "tokens", "quantity": "3"}
    book.applied("usage.recorded", late, AGO, id="u1", recorded=NOW)
    correct(book, "u0", "2", at="2026-01-02T14:00:00Z")
    assert ("3", {"USD": "2"}) == (book.block()["drawn"], book.snapshot()["overage"])


def test_under_arrival_credit_that_a_correction_returned_is_there_when_more_is_folded_again():
    book = Book()
    arrival(book)
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    llm = {"include": {"products": ["llm"]}}
    book.grant("b", "3", scope=llm, expires_at="2026-01-04T00:00:00Z")
    book.applied("usage.recorded", {"meter": "tokens", "quantity": "3"}, AGO, id="u1")
    use(book, "u0", "5", "2026-01-02T11:30:00Z")
    book.grant("c", "1", at=NOON, scope=llm, expires_at="2026-01-04T00:00:00Z")
    correct(book, "u1", "1")
    correct(book, "u0", "4", at="2026-01-02T14:00:00Z")
    book.sweep("2026-01-05T00:00:00Z")
    assert ("1", "2") == (book.block()["drawn"], book.block()["expired"])


@pytest.mark.parametrize("then", ["arrival", "event_time"])
@pytest.mark.parametrize("quantity", ["0", "1", "3", "4", "9"])
def test_what_was_corrected_as_it_came_is_corrected_again(then: str, quantity: str):
    """Images of the block behind it are as if it had always been so: 3 of 5 are left to u2."""
    book = Book()
    arrival(book)
    if then == "event_time":
        book.published(
            "policy.published",
            {
                "version": 2,
                "effective_from": "2026-01-02T12:30:00Z",
                "keys": {"late.order": then},
                "author": "ops",
                "reason": "in order from now on",
            },
        )
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    book.grant("b", "5")
    use(book, "u1", "2", AGO)
    use(book, "u2", "3", "2026-01-02T11:10:00Z")
    correct(book, "u1", "1", at=NOON)
    correct(book, "u1", quantity)
    drawn = min(5, int(quantity) + 3)
    owed = int(quantity) + 3 - drawn
    assert (str(drawn), {"USD": str(owed)} if owed else {}) == (
        book.block()["drawn"],
        book.snapshot()["overage"],
    )
    sound(book)


@pytest.mark.parametrize("rollover", [None, {"times": 1, "expires": "P2D"}])
def test_what_expired_or_rolled_over_meanwhile_is_corrected_again(rollover: dict | None):
    book = Book()
    arrival(book)
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    more = {} if rollover is None else {"rollover": rollover}
    book.grant("b", "7", expires_at="2026-01-02T11:30:00Z", **more)
    use(book, "u1", "4", AGO)
    correct(book, "u1", "1", at=NOON)
    assert ("1", "7") == (book.block()["drawn"], book.block()["quantity"])
    correct(book, "u1", "6")
    assert ("6", {}) == (book.block()["drawn"], book.snapshot()["overage"])
    sound(book)


def test_what_drew_on_credit_that_was_not_there_yet_cannot_be_carried_any_more():
    book = Book()
    arrival(book)
    book.grant("b", "5")
    use(book, "u1", "2", AGO)
    use(book, "u2", "3", "2026-01-02T11:10:00Z")
    book.grant("c", "9", at=NOON, effective_at="2026-01-02T00:00:00Z")
    correct(book, "u1", "4", at="2026-01-02T12:10:00Z")
    assert "2" == book.block("c")["drawn"]
    book.applied("customer.updated", {"overage": {"default": "carry"}}, "2026-01-02T12:20:00Z")
    data = {"usage": {"source": "/tests", "id": "u1"}, "quantity": "30"}
    assert "too_late" == book.refused("usage.corrected", data, NOW)
    correct(book, "u1", "1")
    assert ("4", "0") == (book.block("b")["drawn"], book.block("c")["drawn"])
    sound(book)


def test_what_cannot_be_folded_again_stays_so_whatever_is_corrected_after_it():
    """u1 has drawn of d before d was there, though what u0 then gives back is of c alone."""
    book = Book()
    arrival(book)
    book.grant("b", "5")
    use(book, "u0", "2", "2026-01-02T10:50:00Z")
    use(book, "u1", "2", AGO)
    use(book, "u2", "1", "2026-01-02T11:10:00Z")
    book.grant("c", "9", at=NOON, effective_at="2026-01-02T00:00:00Z")
    use(book, "u3", "1", "2026-01-02T12:02:00Z")
    book.grant("d", "9", at="2026-01-02T12:05:00Z", effective_at="2026-01-02T00:00:00Z")
    correct(book, "u0", "4", at="2026-01-02T12:10:00Z")
    correct(book, "u1", "10", at="2026-01-02T12:11:00Z")
    correct(book, "u0", "3", at="2026-01-02T12:12:00Z")
    assert ("8", "2") == (book.block("c")["drawn"], book.block("d")["drawn"])
    book.applied("customer.updated", {"overage": {"default": "carry"}}, "2026-01-02T12:20:00Z")
    data = {"usage": {"source": "/tests", "id": "u3"}, "quantity": "30"}
    assert "too_late" == book.refused("usage.corrected", data, NOW)
    sound(book)


def test_usage_from_before_an_invoice_that_bills_overage_and_sells_a_block_to_come():
    """What is carried and billed is folded again, and the block is still to be granted."""
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    owed = use(book, "u2", "4", NOON)["overage"][0]["id"]
    lines = ({"amount": "4", "arrears_for": [owed]}, {"amount": "5", "sells": [{"block": "b"}]})
    book.invoice(*lines, at=NOW)
    use(book, "u1", "1", AGO, recorded=NOW)
    book.grant("b", "5")
    book.sweep("2026-01-03T00:00:00Z")
    assert ("1", {}) == (book.block()["drawn"], book.snapshot()["overage"])
    sound(book)


def test_late_usage_of_what_was_taken_back_bills_above_it_with_a_proof_that_recomputes():
    book = Book()
    first = use(book, "u1", "4", AGO)["overage"][0]["id"]
    book.invoice({"amount": "4", "arrears_for": [first]}, at=NOON)
    correct(book, "u1", "1")
    book.invoice({"amount": "2", "arrears_for": [first]}, invoice="j")
    assert [("1150", "4010", 300), ("1100", "4010", 200)] == [
        (debit, credit, amount) for _, debit, credit, amount in book.lines
    ]
    sound(book)


def test_carried_usage_ahead_of_the_log_is_not_repaid_once_an_invoice_has_billed_it():
    """It happens behind the invoice, whenever that is folded again."""
    book = Book()
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    ahead = "2026-01-02T12:04:00Z"
    book.applied("usage.recorded", {"meter": "calls", "quantity": "5"}, ahead, recorded=NOON)
    span = {"meter": "calls", "from": "2026-01-01T00:00:00Z", "to": "2026-01-03T00:00:00Z"}
    book.invoice({"amount": "5", "arrears_for": [span]}, at=NOON)
    use(book, "late", "1", AGO, NOON)
    use(book, "between", "1", "2026-01-02T12:02:00Z", "2026-01-02T12:03:00Z")
    assert {"USD": "2"} == book.snapshot(NOW)["overage"]
    book.grant("b", "9", at=NOW)
    book.sweep("2026-01-02T14:00:00Z")
    assert ("7", "2", {}) == (
        book.block()["available"],
        book.block()["drawn"],
        book.snapshot()["overage"],
    )
    sound(book)
