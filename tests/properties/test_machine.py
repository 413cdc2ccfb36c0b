"""The fold against the naive model: anything in any order, compared after every step."""

from __future__ import annotations

import copy
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from creditfold.partition.simulation import Simulation
from properties.books import accounts
from properties.events import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
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
from properties.model import LEDGER, Model
from properties.records import Records
from properties.world import (
    CUSTOMERS,
    UNITS,
    amounts,
    catalog,
    hold_uses,
    holds,
    kinds,
    pauses,
    policy_keys,
    quantities,
    scopes,
    spoil,
    spoilings,
    usages,
)

BLOCKS = [*(f"b{n}" for n in range(6)), "b0~1", "b1~1"]
INVOICES = [f"i{n}" for n in range(5)]
PLACES = (
    *("issued", "available", "held", "drawn", "expired", "voided", "refunded", "applied"),
    "quantity",
)
WHO = st.sampled_from(sorted(CUSTOMERS))


class FoldAgainstModel(RuleBasedStateMachine):
    """Feeds both, and holds each block, balance and account of the fold to the model's."""

    late: ClassVar[Event] = {"late.order": "arrival"}

    def __init__(self) -> None:
        super().__init__()
        self.fold, self.model = Simulation(), Model()
        self.now, self.count = START, 0
        self.facts: list[Event] = []
        self.out: list[Event] = []
        self.version = 1
        self.failed = False

    # Feeding

    def _send(self, event: Event) -> Event:
        """Feed one fact to both; its outcome, once everything agrees."""
        self.failed = True
        out = self.fold.feed(copy.deepcopy(event))
        self.out += out
        (outcome,) = [
            o
            for o in outcomes(out)
            if (o["cause"].get("source"), o["cause"].get("id")) == (event["source"], event["id"])
            and o.get("customer", "") == event.get("subject", "")
        ]
        expected = self.model.feed(event)
        assert expected == (outcome["status"], outcome.get("code")), (event, outcome)
        if outcome["status"] == "applied":
            self.facts.append(event)
            for over in outcome.get("overage", []):
                who = (event["source"], event["id"], instant(event["time"]))
                self.model.name_overage(event["subject"], who, over["id"])
        self._compare()
        self.failed = False
        return outcome

    def _new(self, kind: str, customer: str | None, data: Event, at: int | None = None) -> Event:
        self.count += 1
        time = self.now if at is None else at
        return fact(kind, data, id=f"f{self.count}", at=time, customer=customer, recorded=self.now)

    def _compare(self) -> None:
        """What is due by now may be folded or not: look at a copy that the clock has moved."""
        fold, model = copy.deepcopy(self.fold), copy.deepcopy(self.model)
        out = self.out + fold.sweep(text(self.now))
        model.sweep(self.now)
        stated = snapshots(fold.snapshots(text(self.now)))
        assert model.customers.keys() == stated.keys()
        books = balances(postings(out))
        for name, customer in model.customers.items():
            snapshot = stated[name]
            self._compare_blocks(customer.blocks, snapshot["blocks"])
            assert customer.usable() == numbers(snapshot["usable"]), name
            assert customer.owing() == numbers(snapshot["overage"]), name
            assert customer.holds.keys() == {hold["hold"] for hold in snapshot["holds"]}, name
            for told in snapshot["holds"]:
                hold = customer.holds[told["hold"]]
                assert dict(hold.parts) == numbers(told["blocks"]), (name, told)
                assert hold.credit == Fraction(told.get("on_credit", "0")), (name, told)
            booked = {(c, a): n for (who, c, a), n in books.items() if who == name}
            assert accounts(customer) == booked, name

    def _compare_blocks(self, expected: dict[str, Any], stated: list[Event]) -> None:
        assert expected.keys() == {block["block"] for block in stated}
        for block in stated:
            mine = expected[block["block"]]
            for place in PLACES:
                assert getattr(mine, place) == Fraction(block[place]), (place, block)

    # What may happen

    @initialize()
    def begin(self) -> None:
        for kind, data in catalog():
            self._send(self._new(kind, None, data))
        # The model draws what it hears of; test_disorder.py is about usage in order.
        self._publish(self.late, START - 30 * DAY)
        for name in sorted(CUSTOMERS)[:2]:
            self._create(name)

    def _create(self, name: str) -> None:
        data = {"currency": CUSTOMERS[name], "time_zone": "UTC"}
        if name == "ada":
            data["credit_limits"] = {"USD": "20", "credits": "5"}
        self._send(self._new("customer.created", name, data))

    @rule(pause=pauses)
    def wait(self, pause: int) -> None:
        self.now += pause

    @rule(name=WHO)
    def create(self, name: str) -> None:
        self._create(name)

    @rule(pause=pauses)
    def sweep(self, pause: int) -> None:
        self.now += pause
        self.out += self.fold.sweep(text(self.now))
        self.model.sweep(self.now)

    @rule(
        name=WHO,
        block=st.sampled_from(BLOCKS),
        unit=st.sampled_from(UNITS),
        quantity=quantities,
        value=amounts,
        kind=kinds,
        failed=st.booleans(),
        start=st.sampled_from([None, -2 * DAY, 3 * MINUTE, DAY]),
        life=st.sampled_from([None, 10 * SECOND, HOUR, DAY, 3 * DAY]),
        priority=st.sampled_from([None, 1, 2]),
        scope=scopes,
        funding=st.none() | st.tuples(st.sampled_from(INVOICES), st.sampled_from(["1", "2"])),
        pays=st.sampled_from(["usage", "usage", "usage", "invoice"]),
        usable=st.sampled_from([None, None, "at_once", "when_funded"]),
    )
    def grant(
        self, name: str, block: str, unit: str, quantity: str, value: str, **rest: Any
    ) -> None:
        currency = CUSTOMERS[name]
        unit = currency if unit == "money" else unit
        data: Event = {"block": block, "unit": unit, "quantity": quantity}
        data["kind"] = rest["kind"]
        if rest["pays"] == "invoice":
            data["draws_on"] = "invoice"
            data["kind"] = rest["kind"] = rest["kind"].replace("buffer", "included")
            if "where" in str(rest["scope"]):
                rest["scope"] = {"include": {"products": ["support"]}}
        if rest["failed"] and rest["kind"] in ("sla", "goodwill"):
            data["failed_period"] = {"from": text(START - 30 * DAY), "to": text(START)}
        if rest["kind"] != "promotional":
            data["value"] = {"amount": in_currency(value, currency), "currency": currency}
        start = self.now + (rest["start"] or 0)
        if rest["start"] is not None:
            data["effective_at"] = text(start)
        if rest["life"] is not None:
            data["expires_at"] = text(start + rest["life"])
        for key in ("priority", "scope"):
            if rest[key] is not None:
                data[key] = rest[key]
        priced = Fraction(data.get("value", {}).get("amount", "0")) > 0
        if rest["usable"] is not None and priced and rest["kind"] not in ("sla", "goodwill"):
            data["usable"] = rest["usable"]
        if rest["funding"] is not None:
            data["funding"] = dict(zip(("invoice", "line"), rest["funding"], strict=True))
        self._send(self._new("credit.granted", name, data))

    @rule(
        name=WHO,
        usage=usages,
        ago=st.sampled_from([0, 0, 0, -MINUTE * 4, -MINUTE * 6, HOUR, 2 * DAY, 3 * DAY, 4 * DAY]),
        hold=st.none() | hold_uses,
    )
    def use(self, name: str, usage: Event, ago: int, hold: Event | None) -> None:
        usage = copy.deepcopy(usage)
        if hold is not None:
            usage["hold"] = hold
        if usage.get("amount", {}).get("unit") == "money":
            usage["amount"]["unit"] = CUSTOMERS[name]
        self._send(self._new("usage.recorded", name, usage, self.now - ago))

    @rule(
        name=WHO,
        hold=holds,
        of=st.sampled_from(["api.calls", "llm.tokens", "misc.events", *UNITS]),
        quantity=quantities,
        life=st.sampled_from([0, MINUTE, HOUR, 2 * DAY]),
        ago=st.sampled_from([0, 0, HOUR]),
    )
    def hold(self, name: str, hold: str, of: str, quantity: str, life: int, ago: int) -> None:
        data: Event = {"hold": hold, "quantity": quantity, "expires_at": text(self.now + life)}
        if of in UNITS:
            data["unit"] = CUSTOMERS[name] if of == "money" else of
        else:
            data["meter"] = of
        self._send(self._new("hold.placed", name, data, self.now - ago))

    @rule(
        name=WHO,
        hold=holds,
        quantity=st.just("0") | quantities,
        meter=st.sampled_from([None, "api.calls", "llm.tokens"]),
    )
    def settle(self, name: str, hold: str, quantity: str, meter: str | None) -> None:
        data = {"hold": hold, "quantity": quantity}
        if meter is not None:
            data["meter"] = meter
        self._send(self._new("hold.settled", name, data))

    @rule(
        name=WHO,
        unit=st.sampled_from(["default", "credits", "USD"]),
        choice=st.sampled_from(["bill", "carry", "carry", "buffer", "block"]),
    )
    def choose_overage(self, name: str, unit: str, choice: str) -> None:
        self._send(self._new("customer.updated", name, {"overage": {unit: choice}}))

    @rule(name=WHO, hold=holds)
    def release(self, name: str, hold: str) -> None:
        self._send(self._new("hold.released", name, {"hold": hold}))

    @rule(
        name=WHO,
        invoice=st.sampled_from(INVOICES),
        block=st.sampled_from(BLOCKS),
        other=st.sampled_from(BLOCKS),
        amount=amounts,
        second=amounts,
        tax=st.sampled_from([None, "0.01", "1", "19"]),
        rule_=st.sampled_from([None, "on_issue", "on_due", "on_payment"]),
        due=st.sampled_from([None, -HOUR, HOUR, 2 * DAY]),
        balance=st.sampled_from([None, None, "1", "7"]),
        shape=st.sampled_from(["sells", "two", "shared", "plain", "both", "short"]),
    )
    def invoice(self, name: str, invoice: str, block: str, other: str, **how: Any) -> None:
        currency = CUSTOMERS[name]
        amount, second = (in_currency(how[key], currency) for key in ("amount", "second"))
        first: Event = {"line": "1", "amount": amount}
        if how["tax"] is not None:
            first["tax"] = in_currency(how["tax"], currency)
        lines = [first]
        if how["shape"] != "plain":
            first["sells"] = [{"block": block}]
        if how["shape"] == "shared" and other != block:
            first["amount"] = str(Decimal(amount) + Decimal(second))
            first["sells"] = [{"block": block, "amount": amount}, {"block": other}]
        if how["shape"] == "short":
            first["sells"] = [{"block": block, "amount": in_currency("7", currency)}]
        if how["shape"] == "two":
            lines.append({"line": "2", "amount": second, "sells": [{"block": block}]})
        if how["shape"] == "both":
            lines.append({"line": "2", "amount": second, "product": "support"})
        data: Event = {"invoice": invoice, "currency": currency, "lines": lines}
        if how["rule_"] is not None:
            data["recognition"] = how["rule_"]
        if how["due"] is not None:
            data["due_at"] = text(self.now + how["due"])
        if how["balance"] is not None:
            data["balance_applied"] = how["balance"]
        self._send(self._new("invoice.issued", name, data))

    @rule(
        name=WHO,
        invoice=st.sampled_from(INVOICES),
        amount=amounts,
        by_id=st.booleans(),
        meter=st.sampled_from(["api.calls", "llm.tokens", "misc.events"]),
        back=st.sampled_from([HOUR, 2 * DAY, 30 * DAY]),
    )
    def bill_arrears(self, name: str, invoice: str, amount: str, by_id: bool, **span: Any) -> None:
        refs: list[Any] = [
            {"meter": span["meter"], "from": text(self.now - span["back"]), "to": text(self.now)}
        ]
        known = self.model.customers.get(name)
        if by_id:
            refs = [over.id for over in known.overage[:2]] if known else []
            refs = refs or ["nothing"]
        currency = CUSTOMERS[name]
        line = {"line": "1", "amount": in_currency(amount, currency), "arrears_for": refs}
        more = {"line": "2", "amount": in_currency("5", currency), "sells": [{"block": "b0"}]}
        data = {"invoice": invoice, "currency": currency, "lines": [line, more]}
        data["recognition"] = "on_payment"
        self._send(self._new("invoice.issued", name, data))

    @rule(
        name=WHO,
        invoice=st.sampled_from(INVOICES),
        amount=amounts,
        part=st.sampled_from(["all", "half", "given"]),
    )
    def pay(self, name: str, invoice: str, amount: str, part: str) -> None:
        currency = CUSTOMERS[name]
        known = self.model.customers.get(name)
        if known and invoice in known.invoices and part != "given":
            lines = known.invoices[invoice].lines
            left = sum(line.gross - line.paid for line in lines)
            left = left if part == "all" else (left + 1) // 2
            amount = money(left, currency)
        data = {"invoice": invoice, "amount": in_currency(amount, currency)}
        self._send(self._new("invoice.paid", name, data))

    @rule(
        name=WHO,
        block=st.sampled_from(BLOCKS),
        quantity=st.none() | quantities,
        what=st.sampled_from(["credit.voided", "credit.refunded"]),
    )
    def take_back(self, name: str, block: str, quantity: str | None, what: str) -> None:
        data = {"block": block, "reason": "r"}
        if quantity is not None:
            data["quantity"] = quantity
        self._send(self._new(what, name, data))

    @rule(name=WHO, block=st.sampled_from(BLOCKS), quantity=quantities, sign=st.sampled_from("-+"))
    def adjust(self, name: str, block: str, quantity: str, sign: str) -> None:
        data = {"block": block, "quantity": (sign + quantity).removeprefix("+"), "reason": "r"}
        self._send(self._new("credit.adjusted", name, data))

    @rule(name=WHO, block=st.sampled_from(BLOCKS), life=st.sampled_from([-DAY, 0, HOUR, 3 * DAY]))
    def change_expiry(self, name: str, block: str, life: int) -> None:
        data = {"block": block, "expires_at": text(self.now + life)}
        self._send(self._new("credit.expiry_changed", name, data))

    @rule(
        name=WHO,
        invoice=st.sampled_from(INVOICES),
        amount=amounts,
        whole=st.booleans(),
        blocks=st.none() | st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=2),
        what=st.sampled_from(["payment.refunded", "payment.disputed"]),
    )
    def pay_back(self, name: str, invoice: str, amount: str, *, whole: bool, **how: Any) -> None:
        currency = CUSTOMERS[name]
        known = self.model.customers.get(name)
        if known and invoice in known.invoices and whole:
            found = known.invoices[invoice]
            amount = money(found.payable + sum(line.paid for line in found.lines), currency)
        data: Event = {"invoice": invoice, "amount": in_currency(amount, currency)}
        if how["blocks"] is not None:
            data["blocks"] = how["blocks"]
        self._send(self._new(how["what"], name, data))

    @rule(
        name=WHO,
        invoice=st.sampled_from(INVOICES),
        what=st.sampled_from(["invoice.voided", "invoice.written_off"]),
        used=st.sampled_from([None, "concede", "keep_receivable"]),
    )
    def call_off(self, name: str, invoice: str, what: str, used: str | None) -> None:
        data = {"invoice": invoice}
        if used is not None:
            data["used_portion"] = used
        self._send(self._new(what, name, data))

    @rule(
        name=WHO,
        invoice=st.sampled_from(INVOICES),
        note=st.integers(0, 10**6),
        amount=amounts,
        tax=st.sampled_from([None, "0.01", "1"]),
        to=st.sampled_from(["invoice", "balance", "refund"]),
        blocks=st.none() | st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=2, unique=True),
    )
    def credit_note(self, name: str, invoice: str, note: int, amount: str, **how: Any) -> None:
        currency = CUSTOMERS[name]
        line: Event = {"line": "1", "amount": in_currency(amount, currency)}
        if how["tax"] is not None:
            line["tax"] = in_currency(how["tax"], currency)
        if how["blocks"] is not None:
            line["blocks"] = [{"block": block} for block in how["blocks"]]
        data = {"credit_note": f"n{note % 40}", "invoice": invoice, "to": how["to"]}
        self._send(self._new("credit_note.issued", name, data | {"lines": [line]}))

    @precondition(lambda self: len(self.facts) > 8)
    @rule(which=st.integers(0, 10**6), pause=pauses)
    def redeliver(self, which: int, pause: int) -> None:
        self.now += pause
        again = self.facts[which % len(self.facts)] | {"recordedtime": text(self.now)}
        self._send(again)

    @precondition(lambda self: len(self.facts) > 8)
    @rule(which=st.integers(0, 10**6), fresh=st.booleans(), quantity=quantities)
    def reuse_an_id(self, which: int, fresh: bool, quantity: str) -> None:
        old = self.facts[which % len(self.facts)]
        if "subject" not in old:
            return
        time = self.now if fresh else instant(old["time"])
        data = {"meter": "api.calls", "quantity": str(int(Fraction(quantity)) + 7)}
        again = fact(
            "usage.recorded",
            data,
            id=old["id"],
            at=time,
            customer=old["subject"],
            recorded=self.now,
        )
        self._send(again)

    @rule(how=spoilings, name=st.sampled_from([*sorted(CUSTOMERS), "nobody"]))
    def send_what_is_wrong(self, how: str, name: str) -> None:
        event, code = spoil(how, self._new("usage.recorded", name, {}), self.now)
        if code is None:
            self._send(event)
            return
        before = copy.deepcopy(self.model)
        out = self.fold.feed(event)
        self.out += out
        self.model.sweep(self.now)
        answers = [o for o in outcomes(out) if o["cause"].get("id") == event["id"]]
        assert [("rejected", code)] == [(o["status"], o["code"]) for o in answers], (event, out)
        assert before.seen == self.model.seen
        self._compare()

    @rule(keys=policy_keys, back=st.sampled_from([0, -HOUR]))
    def publish_policy(self, keys: Event, back: int) -> None:
        self._publish(keys, self.now - back)

    def _publish(self, keys: Event, since: int) -> None:
        self.version += 1
        data = {
            "version": self.version,
            "effective_from": text(since),
            "keys": keys,
            "author": "a",
            "reason": "r",
        }
        self._send(self._new("policy.published", None, data))

    @rule(name=WHO, price=st.sampled_from(["0.1", "2", "0.0000001"]), soon=st.booleans())
    def publish_own_prices(self, name: str, price: str, soon: bool) -> None:
        self.version += 1
        unit = CUSTOMERS[name]
        data = {
            "rate_card": f"own-{name}",
            "version": self.version,
            "applies_to": {"customer": name},
            "effective_from": text(self.now + (HOUR if soon else -DAY)),
            "rates": [{"meter": "api.calls", "unit": unit, "per_unit": price}],
        }
        self._send(self._new("rate_card.published", None, data))

    def teardown(self) -> None:
        if self.failed or not self.model.customers:
            return
        self.out += self.fold.sweep(text(self.now + 10 * DAY))
        self.out += self.fold.snapshots(text(self.now + 10 * DAY))
        records = Records(self.out, minor={"bo": 0})
        check_all(records)
        used = [f for f in self.facts if f["type"].endswith(("usage.recorded.v1", "settled.v1"))]
        usage_is_conserved(records, used, LEDGER | {"credits": 6, "tokens": 0})


def numbers(stated: dict[str, str]) -> dict[str, Fraction]:
    return {unit: Fraction(amount) for unit, amount in stated.items() if Fraction(amount)}


def money(minor: int, currency: str) -> str:
    """Minor units as a decimal string."""
    return str(minor) if currency == "JPY" else f"{minor // 100}.{minor % 100:02d}"


def in_currency(amount: str, currency: str) -> str:
    """The amount, cut to what the currency can hold."""
    return amount.split(".", maxsplit=1)[0] if currency == "JPY" else amount


TestFoldAgainstModel = FoldAgainstModel.TestCase
