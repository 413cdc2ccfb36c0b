"""Anything in any order under subscriptions, with trials, commitments, tranches and statements.

The facts are those of test_machine_disorder.py and what a subscription brings. What the end is
held to, beside the invariants, is said from the records alone: statements sum to the ledger, a line
that funds a program is spent when its range is over, a trial's credit ends with the trial, and no
credit covers usage that came too late.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from properties.events import DAY, HOUR, START, Event, instant, notices, text
from properties.records import Records
from properties.statements import USAGE, entered, statements_of, told_by, usage_of
from properties.test_machine import INVOICES, in_currency
from properties.test_machine_disorder import AnythingInOrder
from properties.world import CUSTOMERS, amounts, usages

KNOWN = st.sampled_from(sorted(CUSTOMERS)[:2])
PLANS = ["free", "pro"]
WINDOW = 72 * HOUR
SUBSCRIPTION = st.sampled_from(["s0", "s0", "s1"])
PERIODS = st.sampled_from(["PT12H", "P1D", "P2D"])
TRIALS = st.sampled_from([None, None, 0, HOUR, 30 * HOUR, 3 * DAY])
LONGEST = 3 * DAY
"""The longest period of statements."""


def program(name: str, **terms: Any) -> Event:
    """Credit for each subscription of a plan."""
    who = {"field": "subscription.plan", "eq": "pro"}
    began = {"version": 1, "effective_from": text(START - DAY)}
    return {"program": name, "who": who} | began | terms


PROGRAMS: list[Event] = [
    program(
        "paid",
        grant={"kind": "included", "unit": "credits", "quantity": "40", "expires": "period_end"},
        every="P1D",
        anchor="subscription",
        proration={"first": "by_second", "last": "by_second"},
        rollover={"percent": "50", "times": 2, "expires": "P2D"},
        trial="after",
    ),
    program(
        "tried",
        grant={"kind": "promotional", "unit": "credits", "quantity": "15", "expires": "never"},
        every="PT12H",
        overage="carry",
        trial="only",
    ),
]


@st.composite
def commitments(draw: st.DrawFn) -> Event:
    """So much per term, sometimes with less expected of it."""
    quantity = draw(st.sampled_from([5, 30, 200]))
    body: Event = {"unit": draw(st.sampled_from(["money", "money", "credits"]))}
    body |= {"quantity": str(quantity), "term": draw(st.sampled_from(["P1D", "P2D"]))}
    if body["unit"] == "credits" or draw(st.booleans()):
        body["rate"] = draw(st.sampled_from(["0", "1", "0.333"]))
    if draw(st.booleans()):
        body["expected"] = str(quantity - draw(st.integers(0, 4)))
        body["shortfall"] = draw(st.sampled_from(["proportional", "at_period_end"]))
    return body


class AnythingOverTerms(AnythingInOrder):
    """Feeds the fold alone; what the records say is looked at when the story ends."""

    @initialize()
    def begin(self) -> None:
        self._publish({"statement.every": "PT16H"}, START - 30 * DAY)
        super().begin()
        for each in PROGRAMS:
            self._send(self._new("program.published", None, each))
        rates = [{"meter": "api.calls", "unit": "USD", "per_unit": "0.02"}]
        card = {"rate_card": "pro", "version": 1, "applies_to": {"plan": "pro"}, "rates": rates}
        card |= {"effective_from": text(START - 30 * DAY)}
        self._send(self._new("rate_card.published", None, card))
        least = {"unit": "money", "quantity": "30", "term": "P1D"}
        for name in sorted(CUSTOMERS)[:2]:
            self.subscribe(name, "s0", "pro", "P2D", trial=DAY, anchored=False, commitment=least)
        self.now += 2 * DAY

    @rule(
        keys=st.sampled_from(
            [
                {"included.treatment": "ratable"},
                {"included.treatment": "usage_then_breakage"},
                {"ratable.basis": "months"},
                {"shortfall.method": "proportional"},
                {"notice.commitment_progress": [50, 100]},
                {"statement.every": "P1D"},
                {"statement.every": "P3D"},
                {"late.after": "overage"},
                {"late.after": "overage"},
                {"late.after": "reject"},
            ]
        )
    )
    def publish_terms(self, keys: Event) -> None:
        self._publish(keys, self.now)

    @rule(
        name=KNOWN,
        subscription=SUBSCRIPTION,
        plan=st.sampled_from(PLANS),
        period=PERIODS,
        trial=TRIALS,
        anchored=st.booleans(),
        commitment=st.none() | commitments(),
    )
    def subscribe(self, name: str, subscription: str, plan: str, period: str, **how: Any) -> None:
        data: Event = {"subscription": subscription, "plan": plan, "period": period}
        if how["trial"] is not None:
            data["trial_until"] = text(self.now + how["trial"])
        if how["anchored"]:
            data["anchor"] = text(self.now - HOUR)
        if how["commitment"] is not None:
            data["commitment"] = self._committed(name, how["commitment"])
        self._send(self._new("subscription.started", name, data))

    def _committed(self, name: str, terms: Event) -> Event:
        return terms | {"unit": CUSTOMERS[name] if terms["unit"] == "money" else terms["unit"]}

    @rule(
        name=KNOWN,
        subscription=SUBSCRIPTION,
        plan=st.none() | st.sampled_from(PLANS),
        trial=TRIALS,
        commitment=st.none() | commitments(),
        later=st.booleans(),
    )
    def change(self, name: str, subscription: str, plan: str | None, **how: Any) -> None:
        data: Event = {"subscription": subscription, "at_period_end": how["later"]}
        if plan is not None:
            data["plan"] = plan
        if how["trial"] is not None:
            data["trial_until"] = text(self.now + how["trial"])
        if how["commitment"] is not None:
            data["commitment"] = self._committed(name, how["commitment"])
        self._send(self._new("subscription.changed", name, data))

    @rule(
        name=KNOWN,
        subscription=SUBSCRIPTION,
        what=st.sampled_from(["paused", "resumed", "renewed", "cancelled"]),
        later=st.booleans(),
    )
    def step(self, name: str, subscription: str, what: str, *, later: bool) -> None:
        data: Event = {"subscription": subscription}
        if later and what in ("paused", "cancelled"):
            data["at_period_end"] = True
        self._send(self._new(f"subscription.{what}", name, data))

    @rule(
        name=KNOWN,
        subscription=st.none() | SUBSCRIPTION,
        usage=usages,
        ago=st.sampled_from([0, 0, HOUR, 26 * HOUR, 3 * DAY, 4 * DAY]),
    )
    def use_subscribed(self, name: str, subscription: str | None, usage: Event, ago: int) -> None:
        usage = copy.deepcopy(usage)
        if subscription is not None:
            usage["subscription"] = subscription
        if usage.get("amount", {}).get("unit") == "money":
            usage["amount"]["unit"] = CUSTOMERS[name]
        self._send(self._new("usage.recorded", name, usage, self.now - ago))

    @rule(
        name=KNOWN,
        invoice=st.sampled_from(INVOICES),
        subscription=SUBSCRIPTION,
        amount=amounts,
        begin=st.sampled_from([-DAY, 0, DAY]),
        days=st.integers(1, 4),
        recognition=st.sampled_from(["on_issue", "on_due", "on_payment"]),
        what=st.sampled_from(["funds", "period"]),
    )
    def fund_subscription(self, name: str, invoice: str, subscription: str, **how: Any) -> None:
        """A line for what the program grants to the subscription, or for a service beside it.

        One line funds it: of several, records do not tell which came before a rollover.
        """
        span = {"from": text(self.now + how["begin"])}
        span["to"] = text(self.now + how["begin"] + how["days"] * DAY)
        currency = CUSTOMERS[name]
        line: Event = {"line": "1", "amount": in_currency(how["amount"], currency)}
        if how["what"] == "funds" and not self._funded(name, subscription):
            line["funds"] = {"program": "paid", "subscription": subscription} | span
        else:
            line["period"] = span
        data: Event = {"invoice": invoice, "currency": currency, "lines": [line]}
        data |= {"recognition": how["recognition"], "subscription": subscription}
        if how["recognition"] == "on_due":
            data["due_at"] = text(self.now + DAY)
        self._send(self._new("invoice.issued", name, data))

    def _funded(self, name: str, subscription: str) -> bool:
        """Whether a line funds it already."""
        return any(
            each.get("subscription") == subscription
            for fact in self.facts
            if fact.get("subject") == name
            for line in fact["data"].get("lines", ())
            for each in [line.get("funds", {})]
        )

    def _statements(self) -> list[Event]:
        return [each for each in notices(self.out) if each["what"] == "statement_ready"]

    @precondition(lambda self: self._statements())
    @rule(which=st.integers(0, 10**6), invoice=st.sampled_from(INVOICES), amount=amounts)
    def bill_statement(self, which: int, invoice: str, amount: str) -> None:
        told = self._statements()
        notice = told[-1 - which % len(told)]
        currency = CUSTOMERS[notice["customer"]]
        line: Event = {"line": "1", "amount": in_currency(amount, currency)}
        line["arrears_for"] = [notice["statement"]["id"]]
        data = {"invoice": invoice, "currency": currency, "lines": [line]}
        self._send(self._new("invoice.issued", notice["customer"], data))

    # What the records say

    def teardown(self) -> None:
        super().teardown()
        if self.failed:
            return
        records = Records(self.out, minor={"bo": 0})
        for name in records.snapshots:
            own = [each for each in self.facts if each.get("subject") == name]
            self._statements_sum_to_the_ledger(records, name, own)
            self._what_is_too_late_is_covered_by_nothing(records, name, own)
            self._credit_for_a_trial_ends_with_it(records, name, own)
        self._lines_that_fund_are_spent(records)

    def _statements_sum_to_the_ledger(self, records: Records, name: str, own: list[Event]) -> None:
        """What is entered after the last of them is of a period that is not over."""
        times = Counter(each["id"] for each in own if each["type"] in USAGE)
        if times.total() > len(times):
            return  # entries name usage by its id, and one came back after it was forgotten
        statements = statements_of(self.out, name)
        outcomes = [each for each in records.applied if each.get("customer") == name]
        told = {each["outcome"] for each in self._statements() if each["customer"] == name}
        last = max((n for n, each in enumerate(outcomes) if each["outcome"] in told), default=-1)
        for each in outcomes[last + 1 :]:
            drawn = ("drawn" in (entry["from"], entry["to"]) for entry in each.get("entries", ()))
            if "overage" in each or any(drawn):
                assert instant(each["effective_at"]) > self.now + 10 * DAY - LONGEST, each
        used = usage_of(own)
        assert entered(records, name, outcomes[: last + 1], used) == told_by(statements)

    def _what_is_too_late_is_covered_by_nothing(
        self, records: Records, name: str, own: list[Event]
    ) -> None:
        ids = Counter(each["id"] for each in own if each["type"] in USAGE)
        late = {
            each["id"]
            for each in own
            if each["type"] == USAGE[0]
            and instant(each["recordedtime"]) - instant(each["time"]) > WINDOW
            and ids[each["id"]] == 1
        }
        for outcome in records.applied:
            if outcome.get("customer") == name:
                covered = [e for e in outcome.get("entries", ()) if e.get("usage") in late]
                assert not covered, (covered, outcome)

    def _credit_for_a_trial_ends_with_it(
        self, records: Records, name: str, own: list[Event]
    ) -> None:
        """At one of the ends that it was told to have."""
        ends: dict[str, set[int]] = defaultdict(set)
        for each in own:
            if "trial_until" in each["data"]:
                ends[each["data"]["subscription"]].add(instant(each["data"]["trial_until"]))
        for (customer, id_), block in records.terms.items():
            if customer == name and id_.startswith("tried:") and "~" not in id_:
                assert instant(block["expires_at"]) in ends[id_.split(":")[1]], block

    def _lines_that_fund_are_spent(self, records: Records) -> None:
        """Where the range is over, nothing of the line waits for a grant."""
        funds = {
            (each["subject"], each["data"]["invoice"])
            for each in self.facts
            if each["type"] == "creditfold.invoice.issued.v1"
            and any("funds" in line for line in each["data"]["lines"])
        }
        left: Counter[tuple[str, str]] = Counter()
        for line in records.postings:
            key = (line["customer"], line.get("invoice", ""))
            left[key] += line["amount"] * ((line["credit"] == "2020") - (line["debit"] == "2020"))
        assert not {key: left[key] for key in funds if left[key]}


TestAnythingOverTerms = AnythingOverTerms.TestCase
