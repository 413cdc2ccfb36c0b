"""The facts of the golden log: every code, every rule, and each way that usage is paid."""

from __future__ import annotations

from core.book import Book
from core.refusals import OTHERS, SINGLE, setting
from properties.events import Event

FREE = {"kind": "promotional"}
POLICY = {"effective_from": "2026-03-20T00:00:00Z", "author": "finance", "reason": "a new order"}


def facts() -> list[Event]:
    """Structured events in their order of arrival."""
    book = setting()
    for given in [*SINGLE.values(), *(given for _, given in OTHERS)]:
        more = {"at": "2026-02-01T00:00:00Z"} | given.more
        book.feed(given.kind, given.data, more.pop("at"), **more)
    book.send(next(event for event in book.facts if event["id"] == "taken"))
    book.use("60", at="2026-02-01T12:00:00Z")
    # Several units and products on one block, and a rest in each.
    book.grant(
        "c1",
        "40",
        unit="credits",
        priority=1,
        expires_at="2026-03-01T00:00:00Z",
        value={"amount": "33.33", "currency": "USD"},
        at="2026-02-02T00:00:00Z",
    )
    book.grant("k1", "50", unit="coins", priority=2, effective_at="2026-02-05T00:00:00Z", **FREE)
    book.grant(
        "d1",
        "100",
        scope={
            "include": {"products": ["api", "llm"]},
            "exclude": {"where": {"field": "tier", "eq": "free"}},
        },
        expires_at="2026-03-10T00:00:00Z",
        value={"amount": "77.77", "currency": "USD"},
    )
    book.invoice(
        {"amount": "33.33", "tax": "6.67", "sells": [{"block": "c1"}]},
        invoice="g1",
        recognition="on_due",
        due_at="2026-02-10T00:00:00Z",
    )
    for quantity in ("3", "7", "11"):
        book.use(quantity, at="2026-02-04T00:00:00Z")
    book.pay("5", "2026-02-06T00:00:00Z", "g1")
    book.use("30", at="2026-02-06T12:00:00Z")
    book.use("9", "tokens", at="2026-02-07T00:00:00Z")
    book.use("9", "tokens", properties={"tier": "free"})
    book.invoice(
        {"amount": "50", "tax": "10", "sells": [{"block": "d1"}]},
        {"amount": "7"},
        invoice="g2",
        recognition="on_payment",
        at="2026-02-08T00:00:00Z",
    )
    book.pay("30", "2026-02-11T00:00:00Z", "g2")
    book.use("0.125", "gb", at="2026-02-12T00:00:00Z")
    book.use("2.375", "gb", at="2026-02-12T01:00:00Z", recorded="2026-02-14T00:00:00Z")
    book.use("4", "pings", at="2026-02-15T00:00:00Z")
    book.use("1", "pings", amount={"unit": "USD", "quantity": "0.015"})
    book.pay("37", "2026-02-16T00:00:00Z", "g2")
    # After an expiry: late usage within the window reopens, money comes late.
    book.use("2", at="2026-03-09T12:00:00Z", recorded="2026-03-11T00:00:00Z")
    book.invoice(
        {"amount": "27.77", "sells": [{"block": "d1"}]}, invoice="g3", at="2026-03-12T00:00:00Z"
    )
    span = {"meter": "gb", "from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    pings = {"meter": "pings", "from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    book.invoice(
        {"amount": "1.20", "tax": "0.24", "arrears_for": [span]},
        {"amount": "2", "arrears_for": [pings]},
        invoice="g4",
        at="2026-03-13T00:00:00Z",
    )
    book.pay("3.44", invoice="g4")
    book.grant(
        "e1",
        "9",
        funding={"invoice": "g2", "line": "2"},
        value={"amount": "7", "currency": "USD"},
        at="2026-03-14T00:00:00Z",
    )
    _changes(book)
    book.published(
        "policy.published",
        POLICY
        | {
            "version": 4,
            "keys": {
                "draw.order": ["smaller_first"],
                "late.window": "P1D",
                "notice.commitment_progress": [50],
            },
        },
    )
    book.grant("e2", "4", at="2026-03-20T00:03:00Z", **FREE)
    book.grant("e3", "4", at="2026-03-20T01:00:00Z", effective_at="2026-03-20T02:00:00Z")
    book.use("9", at="2026-03-20T02:01:00Z", recorded="2026-03-20T01:58:00Z")
    book.use("1", at="2026-03-19T00:00:00Z", recorded="2026-03-20T03:00:00Z")
    # What usage came late for, and what was wrong of it.
    named = [fact for fact in book.facts if fact["type"] == "creditfold.usage.recorded.v1"][-2:]
    for corrected, kind, more in zip(
        named, ("usage.corrected", "usage.retracted"), ({"quantity": "5"}, {}), strict=True
    ):
        usage = {"usage": {"source": corrected["source"], "id": corrected["id"]}}
        book.applied(kind, usage | more, "2026-03-20T04:00:00Z")
    book.applied("customer.updated", {"attributes": {"plan": "pro", "seats": 5}})
    book.applied(
        "customer.created", {"currency": "JPY", "time_zone": "Asia/Tokyo"}, customer="日本"
    )
    book.applied("usage.recorded", {"meter": "calls", "quantity": "3"}, customer="日本")
    _compensated_and_held(book)
    _committed(book)
    _carried_and_uncovered(book)
    _granted_by_programs(book)
    _told(book)
    _paid_by_credit(book)
    _stated(book)
    _over_time(book)
    _earned_as_expected(book)
    book.published("clock.held", {})
    book.published("clock.released", {}, "2026-04-01T00:00:00Z")
    return book.facts


def _committed(book: Book) -> None:
    """A term whose shortfall is expected, trued up, found smaller, and billed; one that is owed."""
    half = {"unit": "USD", "quantity": "1000", "term": "P1D", "expected": "900"}
    half["shortfall"] = "proportional"
    start = {"subscription": "half", "plan": "none", "period": "month", "commitment": half}
    book.applied("subscription.started", start, "2026-03-25T13:00:00Z")
    book.use("90", at="2026-03-25T14:00:00Z")
    book.use("8", at="2026-03-26T12:00:00Z", recorded="2026-03-26T14:00:00Z")
    book.applied("subscription.cancelled", {"subscription": "half"}, "2026-03-26T15:00:00Z")
    book.invoice({"amount": "900", "arrears_for": ["half:shortfall:1"]}, invoice="g31")


def _carried_and_uncovered(book: Book) -> None:
    """Overage that credit repays in part, and overage that nobody owes."""
    book.applied("customer.updated", {"overage": {"default": "carry"}}, "2026-03-27T00:00:00Z")
    book.use("300")
    book.grant("r1", "50", at="2026-03-27T12:00:00Z")
    book.applied("customer.updated", {"overage": {"default": "block"}}, "2026-03-28T00:00:00Z")
    book.use("300")


def _told(book: Book) -> None:
    """A balance that is low, gone and back, a block that will expire, and top-ups."""
    low = [{"unit": "credits", "amount": "20"}, {"unit": "credits", "percent": "50"}]
    keys = {"notice.thresholds": low, "notice.expiring_before": "P1D"}
    morning = "2026-03-29T06:00:00Z"
    book.published(
        "policy.published",
        POLICY | {"version": 5, "effective_from": morning, "keys": keys},
        morning,
    )
    book.grant("n1", "60", unit="credits", expires_at="2026-03-31T12:00:00Z", **FREE)
    top_up = {"threshold": "50", "add": "10", "max": "20", "cooldown": "PT6H"}
    book.applied("customer.updated", {"top_ups": {"credits": top_up}})
    away = {"block": "n1", "reason": "golden"}
    book.applied("credit.voided", away | {"quantity": "25"})
    asked = _asked(book)
    book.grant("n2", "10", unit="credits", tops_up=asked, **FREE)
    book.applied("credit.voided", away | {"quantity": "30"}, "2026-03-29T09:00:00Z")
    book.sweep("2026-03-29T13:00:00Z")
    book.applied("top_up.declined", {"notice": _asked(book), "retry_after": "PT12H"})
    book.applied("credit.voided", {"block": "n2", "reason": "golden"}, "2026-03-29T14:00:00Z")


def _paid_by_credit(book: Book) -> None:
    """Credit that pays an invoice, and comes back with it; what has expired meanwhile expires."""
    pays = {"draws_on": "invoice"}
    book.grant("i1", "8", at="2026-03-30T00:00:00Z", **FREE, **pays)
    ends = {"expires_at": "2026-03-30T12:00:00Z"}
    book.grant("i2", "9", value={"amount": "7", "currency": "USD"}, **pays, **ends)
    book.invoice({"amount": "7", "sells": [{"block": "i2"}]}, invoice="g10")
    book.invoice({"amount": "20", "tax": "4"}, invoice="g11")
    book.applied("invoice.voided", {"invoice": "g11"}, "2026-03-31T00:00:00Z")


def _stated(book: Book) -> None:
    """Two statements, with a correction, an invoice of the first, and dropped overage."""
    keys = {"keys": {"statement.every": "PT12H"}, "effective_from": "2026-03-31T00:00:00Z"}
    book.published("policy.published", POLICY | {"version": 6} | keys, "2026-03-31T00:00:00Z")
    book.applied("customer.updated", {"overage": {"default": "bill"}})
    day: Event = {"meter": "gb", "quantity": "700", "subscription": "pro"}
    book.applied("usage.recorded", day, "2026-03-31T06:00:00Z", id="stated")
    less = {"usage": {"source": "/tests", "id": "stated"}, "quantity": "690"}
    book.applied("usage.corrected", less, "2026-03-31T14:00:00Z")
    line = {"amount": "350", "arrears_for": ["c:statement:1"]}
    book.invoice(line, invoice="g40")
    book.applied("customer.updated", {"overage": {"default": "carry"}})
    gift = {"kind": "promotional", "unit": "USD", "quantity": "1", "expires": "period_end"}
    daily = {"grant": gift, "every": "day", "reset": {"overage": "drop"}}
    book.applied("program.attached", {"program": "daily", "definition": daily})
    book.use("5", "tokens", at="2026-03-31T15:00:00Z")
    book.applied("program.reset", {"program": "daily"}, "2026-03-31T16:00:00Z")


def _over_time(book: Book) -> None:
    """Lines that are earned over time, billed before and after, and one that ends early."""
    month = {"period": {"from": "2026-03-15T00:00:00Z", "to": "2026-04-15T00:00:00Z"}}
    book.invoice({"amount": "31", "tax": "1"} | month, invoice="g50")
    over = {"recognition": "on_payment", "subscription": "half"}
    book.invoice({"amount": "7", "product": "disk"} | month, invoice="g51", **over)
    book.pay("5", "2026-03-31T18:00:00Z", "g51")
    book.applied("subscription.renewed", {"subscription": "half"})
    book.applied("subscription.cancelled", {"subscription": "half"}, "2026-03-31T20:00:00Z")


def _earned_as_expected(book: Book) -> None:
    """Points that were billed before they came, and are drawn less than was expected."""
    sold = {"amount": "90", "sells": [{"block": "points"}]}
    book.invoice(sold, invoice="g60", at="2026-03-31T21:00:00Z")
    right = {"kind": "material_right", "value": {"amount": "90", "currency": "USD"}}
    book.grant("points", "100", unit="coins", priority=-5, **right)
    for version, rate, quantity in ((7, "0.4", "15"), (8, "0.1", "1")):
        keys = {"keys": {"breakage.rate": {"material_right": rate}}, "version": version}
        more = {"effective_from": book.at, "approver": "b", "evidence": "redemptions"}
        book.published("policy.published", POLICY | keys | more)
        book.use(quantity)


def _asked(book: Book) -> str:
    """The last request for a top-up."""
    wanted = [r for r in book.records if r["type"] == "creditfold.notice.top_up_wanted.v1"]
    return str(wanted[-1]["data"]["notice"])


def _compensated_and_held(book: Book) -> None:
    """A concession that is used, lapses and is reopened; holds that end in each way."""
    book.grant(
        "s1",
        "30",
        kind="sla",
        value={"amount": "30", "currency": "USD"},
        priority=-1,
        expires_at="2026-03-25T00:00:00Z",
        failed_period={"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
        at="2026-03-21T00:00:00Z",
    )
    for hold, quantity in (("settled", "5"), ("released", "6"), ("timed out", "7")):
        held = {"hold": hold, "quantity": quantity, "expires_at": "2026-03-26T00:00:00Z"}
        book.applied("hold.placed", held | {"unit": "USD"})
    book.applied("hold.settled", {"hold": "settled", "quantity": "3", "meter": "calls"})
    book.applied("hold.released", {"hold": "released"})
    book.use("4", at="2026-03-25T12:00:00Z", hold={"hold": "timed out"})
    book.use("2", at="2026-03-24T12:00:00Z", recorded="2026-03-25T12:00:00Z")


def _changes(book: Book) -> None:
    """What happens to credit after its grant."""
    why = {"reason": "golden"}
    book.grant("v1", "9", value={"amount": "10", "currency": "USD"}, at="2026-03-15T00:00:00Z")
    book.invoice({"amount": "10", "tax": "1", "sells": [{"block": "v1"}]}, invoice="g5")
    book.pay("11", invoice="g5")
    book.use("12")
    book.applied("credit.adjusted", {"block": "v1", "quantity": "3"} | why)
    book.applied("credit.adjusted", {"block": "v1", "quantity": "-1"} | why)
    book.applied("credit.expiry_changed", {"block": "v1", "expires_at": "2026-03-31T00:00:00Z"})
    book.applied("credit.refunded", {"block": "v1", "quantity": "1"} | why)
    book.applied("payment.refunded", {"invoice": "g5", "amount": "11"})
    book.grant("v5", "5", **FREE)
    lost = {"transfer": "lost", "block": "v5", "quantity": "2", "to": "nobody"}
    book.applied("credit.transferred", lost)
    book.grant("v2", "9", effective_at="2026-03-16T00:00:00Z", expires_at="2026-03-18T00:00:00Z")
    book.applied("credit.voided", {"block": "v2", "quantity": "2"} | why)
    book.grant("v3", "9")
    book.invoice({"amount": "9", "tax": "1", "sells": [{"block": "v3"}]}, invoice="g7")
    note = {"credit_note": "n1", "invoice": "g7", "to": "invoice"}
    book.applied("credit_note.issued", note | {"lines": [{"line": "1", "amount": "1"}]})
    book.use("2")
    book.pay("9", invoice="g7")
    note = {"credit_note": "n2", "invoice": "g7", "to": "balance"}
    book.applied("credit_note.issued", note | {"lines": [{"line": "1", "amount": "2"}]})
    book.applied("payment.disputed", {"invoice": "g7", "amount": "7"})
    book.grant("v4", "9", effective_at="2026-03-16T00:00:00Z")
    line = {"amount": "9", "sells": [{"block": "v4"}]}
    book.invoice(line, {"amount": "5"}, invoice="g8", balance_applied="2")
    book.applied("invoice.written_off", {"invoice": "g8"})
    book.invoice({"amount": "5"}, invoice="g9")
    book.applied("invoice.voided", {"invoice": "g9"})
    keys = {"keys": {"revoke.forfeit": "allow"}, "effective_from": "2026-03-15T00:00:00Z"}
    book.published("policy.published", POLICY | {"version": 3} | keys)
    book.invoice({"amount": "9", "sells": [{"block": "v2"}]}, invoice="g6")
    book.applied("credit.voided", {"block": "v2"} | why, "2026-03-17T00:00:00Z")
    book.grant("old", "8")
    book.invoice({"amount": "8", "sells": [{"block": "old"}]}, invoice="old")
    book.grant("whole", "4", blends=["old"], scope={"include": {"products": ["disk"]}})


def _granted_by_programs(book: Book) -> None:
    """For everyone and for a plan, a step that waits, a grant that cannot be made."""
    everyone = {"field": "customer.id", "exists": True}
    included = {"kind": "included", "unit": "coins", "quantity": "3000", "expires": "period_end"}
    gift = {"kind": "promotional", "unit": "coins", "quantity": "9223372036854775807"}
    program = {"version": 1, "effective_from": "2026-03-26T00:00:00Z", "who": everyone}
    weekly = {"grant": included, "every": "week", "anchor": "calendar"}
    weekly["rollover"] = {"percent": "50", "times": 2}
    plan = {"who": {"field": "subscription.plan", "eq": "pro"}, "anchor": "subscription"}
    share = {"proration": {"first": "by_second", "last": "by_second"}}
    paid = {"grant": included | {"value": {"amount": "3", "currency": "USD"}}}
    book.published("program.published", program | weekly | paid | {"program": "all"})
    book.invoice({"amount": "3", "sells": [{"block": "all:c:1"}]}, invoice="g30")
    template = {"grant": included, "every": "week", "anchor": "calendar"}
    book.applied("program.attached", {"program": "own", "definition": template})
    span = {"from": "2026-03-23T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
    funded = {"funds": {"program": "own"} | span, "tax": "1"}
    book.invoice({"amount": "10"} | funded, invoice="g12")
    book.published("program.published", program | weekly | plan | share | {"program": "plan"})
    book.published(
        "program.published", program | {"program": "huge", "grant": gift | {"expires": "P1M"}}
    )
    pro = {"subscription": "pro", "plan": "pro", "period": "P1W", "anchor": "2026-03-24T00:00:00Z"}
    book.applied("subscription.started", pro, "2026-03-26T12:00:00Z")
    book.use("2", at="2026-03-27T12:00:00Z")
    later = {"subscription": "pro", "at_period_end": True}
    book.applied("subscription.paused", later, "2026-03-28T00:00:00Z")
    book.published(
        "program.ended",
        {"program": "all", "version": 2, "effective_from": "2026-03-31T00:00:00Z"},
    )
