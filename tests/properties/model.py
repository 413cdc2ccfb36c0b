"""A naive model of the laws: lists, fractions, a whole copy per fact. It imports no creditfold.

It is slow and says each law in the shortest way that could be right. Account balances are not
kept at all: `books.py` works them out from blocks, overage and invoices whenever it is asked.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from properties.events import HOUR, MINUTE, Event, instant

MINOR = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
LEDGER = {"USD": 10, "EUR": 10, "JPY": 7, "KWD": 10}
AHEAD = 5 * MINUTE
ORDER = ["priority", "expires_at", "free_before_paid", "effective_at", "id"]
NEVER = 10**30


class Refused(Exception):  # noqa: N818  # a refusal is an answer, not an error
    """The fact is rejected with this code."""


@dataclass
class Block:
    """One grant: where each of its units is, and what was asked for it."""

    id: str
    kind: str
    unit: str
    quantity: Fraction
    value: int
    currency: str
    granted_at: int
    effective_at: int
    expires_at: int | None
    priority: int | None
    scope: dict[str, Any]
    lapses_to: str | None = None
    issued: Fraction = Fraction(0)
    available: Fraction = Fraction(0)
    held: Fraction = Fraction(0)
    drawn: Fraction = Fraction(0)
    expired: Fraction = Fraction(0)
    voided: Fraction = Fraction(0)
    refunded: Fraction = Fraction(0)
    applied: Fraction = Fraction(0)
    draws_on: str = "usage"
    waits: bool = False
    paid_invoices: int = 0
    granted: Fraction = Fraction(0)
    released: int = 0
    by_product: dict[str, Fraction] = field(default_factory=dict)
    posted: dict[str, int] = field(default_factory=dict)

    def covers(self, time: int) -> bool:
        """What waits for its payment covers nothing, and begins when it is paid."""
        if self.waits:
            return False
        return self.effective_at <= time and (self.expires_at is None or time < self.expires_at)

    @property
    def left(self) -> Fraction:
        """What usage inside the interval may still draw: late usage reopens expired credit."""
        return self.issued + self.available + self.expired

    @property
    def unused(self) -> Fraction:
        return self.issued + self.available

    @property
    def units(self) -> Fraction:
        """All but the units that left with their share of the value."""
        return self.quantity - self.voided - self.refunded - self.applied

    @property
    def worth(self) -> int:
        return self.price - self.released

    @property
    def dead(self) -> bool:
        return self.issued + self.available + self.held == 0

    @property
    def price(self) -> int:
        """What using all of it earns: a concession that was not accrued earns nothing."""
        given = self.kind in ("sla", "goodwill")
        return 0 if given and self.lapses_to is None else self.value

    def usage_revenue(self) -> int:
        return round(self.worth * self.drawn / self.units) if self.drawn else 0

    def share(self, amount: Fraction) -> int:
        """What so many unused units are worth."""
        if not amount:
            return 0
        return round(self.worth * (self.drawn + amount) / self.units) - self.usage_revenue()

    def leave(self, amount: Fraction, value: int) -> None:
        """Unused units are gone from here, with their value; the caller says where they are."""
        if self.issued:
            self.issued -= amount
        else:
            self.available -= amount
        assert min(self.issued, self.available) >= 0
        self.released += value

    def draw(self, amount: Fraction, product: str, *, held: bool = False) -> None:
        before = self.usage_revenue()
        # Usage ahead of the log activates what it draws, and late usage reopens it.
        if held:
            self.held -= amount
        elif self.available:
            self.available -= amount
        elif self.issued:
            self.issued -= amount
        else:
            self.expired -= amount
        assert min(self.available, self.issued, self.expired, self.held) >= 0
        self.drawn += amount
        self.by_product[product] = self.by_product.get(product, Fraction(0)) + amount
        self._split(self.usage_revenue() - before)

    def _split(self, minor: int) -> None:
        """Largest remainder on what each product is owed in all and has not had."""
        owed = {
            product: self.worth * units / self.units - self.posted.get(product, 0)
            for product, units in self.by_product.items()
        }

        def largest_first() -> list[str]:
            return sorted(owed, key=lambda product: (-owed[product], product))

        def give(product: str, part: int) -> None:
            nonlocal minor
            self.posted[product] = self.posted.get(product, 0) + part
            owed[product] -= part
            minor -= part

        for product in largest_first():
            give(product, min(minor, max(0, owed[product].__floor__())))
        while minor:
            give(largest_first()[0], 1)


@dataclass
class Over:
    """Usage that no block covered and no invoice has billed yet."""

    usage: tuple[str, str, int]
    meter: str
    time: int
    unit: str
    amount: Fraction
    id: str = ""
    carried: tuple[Any, Fraction, dict[str, Any]] | None = None


@dataclass
class Line:
    """An invoice line in minor units: how much of its gross is unconditional, and paid."""

    line: str
    amount: int
    tax: int
    sells: list[tuple[str, int]]
    arrears: bool
    billed: int = 0
    booked: int = 0
    paid: int = 0
    taxed: int = 0
    conceded: int = 0
    lost_tax: int = 0
    given_up: Counter[str] = field(default_factory=Counter)
    sold_at: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    credit: list[tuple[str, int, int, int]] = field(default_factory=list)
    credit_income: int = 0

    @property
    def gross(self) -> int:
        return self.amount + self.tax

    def book(self, booked: int) -> None:
        """So much of the gross is unconditional; its tax by running total, never taken back."""
        self.booked = booked
        if self.gross:
            self.taxed = max(self.taxed, round(Fraction(self.tax * booked, self.gross)))

    def booked_net(self) -> int:
        return self.booked - self.taxed

    def paid_tax(self) -> int:
        return round(Fraction(self.taxed * self.paid, self.booked)) if self.booked else 0

    def paid_for(self, block: str) -> int:
        """What is paid for the block: the line's blocks are paid in order, tax apart."""
        return self.reach(block, self.paid - self.paid_tax())

    def reach(self, block: str, net: int) -> int:
        """How much of the block the first so many minor units pay; what is conceded counts."""
        rest, found = net + self.conceded, 0
        for name, amount in self.sells:
            part = min(rest, amount)
            rest -= part
            found += part if name == block else 0
        return found


@dataclass
class Invoice:
    """An invoice: its lines, and when they become unconditional by themselves."""

    currency: str
    recognition: str
    due_at: int | None
    lines: list[Line]
    payable: int = 0
    moved: int = 0
    closed: bool = False


@dataclass
class Hold:
    """An open hold: what it has of blocks, and on the credit limit of a unit."""

    expires_at: int
    parts: list[tuple[str, Fraction]]
    unit: str
    credit: Fraction
    meter: str | None
    properties: dict[str, Any]


@dataclass
class Customer:
    """All that the model knows of one customer."""

    id: str
    currency: str
    created_at: int
    blocks: dict[str, Block] = field(default_factory=dict)
    overage: list[Over] = field(default_factory=list)
    accrued: dict[tuple[str, str], Fraction] = field(default_factory=dict)
    billed: dict[tuple[str, str], Fraction] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    invoices: dict[str, Invoice] = field(default_factory=dict)
    grants_name: dict[tuple[str, str], str] = field(default_factory=dict)
    balance: Counter[str] = field(default_factory=Counter)
    notes: set[str] = field(default_factory=set)
    sales: Iterator[int] = field(default_factory=itertools.count)
    credit_limits: dict[str, Fraction] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)

    def give_back(self, hold: str, now: int) -> None:
        """The hold ends; what is left of it is where its block's interval says."""
        for name, amount in self.holds.pop(hold).parts:
            block = self.blocks[name]
            block.held -= amount
            if block.expires_at is not None and block.expires_at <= now:
                block.expired += amount
            else:
                block.available += amount

    def wake(self, time: int) -> None:
        """What is paid by now may be used from now on."""
        for block in self.blocks.values():
            paid = self.sold(block.id) and self.funded(block.id) >= block.worth
            if block.waits and block.issued and paid:
                block.waits, block.effective_at = False, max(block.effective_at, time)

    def advance(self, now: int) -> None:
        """What is due by `now` happens; a block is where its interval says it is."""
        due = {i.due_at for i in self.invoices.values() if i.recognition == "on_due"}
        for at in (*sorted(each for each in due if each < now), now):
            self._advance(at)
            for invoice in self.invoices.values():
                if invoice.recognition == "on_due" and invoice.due_at <= at:
                    for line in invoice.lines:
                        line.book(line.gross)
            self.wake(at)
        self._advance(now)

    def _advance(self, now: int) -> None:
        for name, hold in list(self.holds.items()):
            if hold.expires_at <= now:
                self.give_back(name, now)
        for block in self.blocks.values():
            if block.expires_at is not None and block.expires_at <= now:
                block.expired += block.issued + block.available
                block.issued = block.available = Fraction(0)
            elif block.effective_at <= now and not block.waits:
                block.available += block.issued
                block.issued = Fraction(0)

    def funded(self, block: str) -> int:
        """What of the lines that sell it is booked; an accrued concession is from its grant on.

        What left with credit that paid invoices funds it no more.
        """
        known = self.blocks.get(block)
        accrued = known.value if known is not None and known.lapses_to is not None else 0
        gone = known.paid_invoices if known is not None else 0
        return (
            accrued
            - gone
            + sum(
                line.reach(block, line.booked_net())
                for invoice in self.invoices.values()
                for line in invoice.lines
            )
        )

    @property
    def for_usage(self) -> list[Block]:
        return [block for block in self.blocks.values() if block.draws_on == "usage"]

    def instants(self, now: int) -> list[int]:
        """When something may have happened by itself, where credit is waited for."""
        if all(over.carried is None for over in self.overage):
            return []
        ends = [hold.expires_at for hold in self.holds.values()]
        for block in self.blocks.values():
            ends += [block.effective_at, block.expires_at or now]
        ends += [i.due_at for i in self.invoices.values() if i.recognition == "on_due"]
        return sorted({end for end in ends if end <= now})

    def sold(self, block: str) -> int:
        return sum(
            amount
            for invoice in self.invoices.values()
            for line in invoice.lines
            for name, amount in line.asked
            if name == block
        )

    def usable(self) -> dict[str, Fraction]:
        totals: dict[str, Fraction] = {}
        for block in self.for_usage:
            totals[block.unit] = totals.get(block.unit, Fraction(0)) + block.available
        return {unit: total for unit, total in totals.items() if total}

    def owing(self) -> dict[str, Fraction]:
        """Overage not yet billed, per unit of its price."""
        totals: dict[str, Fraction] = {}
        for over in self.overage:
            totals[over.unit] = totals.get(over.unit, Fraction(0)) + over.amount
        return {unit: total for unit, total in totals.items() if total}


class Model:
    """One partition. `feed` answers (status, code) and changes nothing unless applied."""

    def __init__(self) -> None:
        self.now = 0
        self.customers: dict[str, Customer] = {}
        self.units: dict[str, Event] = {}
        self.meters: dict[str, Event] = {}
        self.cards: dict[str, list[Event]] = {}
        self.policies: list[Event] = []
        self.seen: dict[tuple[str, str, str], tuple[Any, int]] = {}

    def sweep(self, at: int) -> None:
        """The clock moves the log to this instant."""
        from properties.model_usage import repay

        before, self.now = self.now, max(self.now, at)
        for customer in self.customers.values():
            for instant_ in (*customer.instants(self.now), self.now):
                customer.advance(instant_)
                if instant_ >= before:  # a block granted since may have expired before that
                    repay(self, customer, instant_)

    def feed(self, event: Event) -> tuple[str, str | None]:
        from properties.model_changes import CATALOG, CUSTOMER

        self.sweep(instant(event.get("recordedtime", event["time"])))
        kind = event["type"].removeprefix("creditfold.").removesuffix(".v1")
        customer, time = event.get("subject", ""), instant(event["time"])
        key = (customer, event["source"], event["id"])
        content = (kind, customer, time, event["data"])
        if kind not in CATALOG and kind not in CUSTOMER:
            return "rejected", "unknown_type"
        if (known := self.seen.get(key)) and self.now <= known[1]:
            if known[0] == content:
                return "duplicate", None
            return "rejected", "id_reused_with_different_content"
        if time > self.now + AHEAD:
            return "rejected", "time_in_future"
        window = self.policy("late.window", time, 72 * HOUR)
        passing = kind == "usage.recorded" or kind.startswith("hold.")
        if passing and self.now - time > window:
            return "rejected", "too_late"
        try:
            if kind in CATALOG:
                CATALOG[kind](self, event["data"])
            else:
                self._customer_fact(CUSTOMER[kind], kind, customer, time, event)
        except Refused as refusal:
            return "rejected", refusal.args[0]
        self.seen[key] = (content, time + window if passing else NEVER)
        self.sweep(self.now)
        return "applied", None

    def _customer_fact(self, apply: Any, kind: str, id_: str, time: int, event: Event) -> None:
        if kind == "customer.created":
            if id_ in self.customers:
                raise Refused("customer_exists")
            created = Customer(id_, event["data"]["currency"], time)
            apply(self, created, event, time)
            self.customers[id_] = created
            return
        if id_ not in self.customers:
            raise Refused("unknown_customer")
        changed = copy.deepcopy(self.customers[id_])
        if time < changed.created_at:
            raise Refused("before_customer")
        apply(self, changed, event, time)
        changed.wake(min(time, self.now))
        self.customers[id_] = changed

    def name_overage(self, customer: str, usage: tuple[str, str, int], id_: str) -> None:
        """The id under which the real fold reported the overage of this usage."""
        for over in self.customers[customer].overage:
            if over.usage == usage:
                over.id = id_

    # The catalog

    def policy(self, key: str, time: int, default: Any, known: int = NEVER) -> Any:
        """The value in force: each version keeps what it does not change of the one before."""
        found = default
        merged: Event = {}
        for version in (each for each in self.policies if each["recorded"] < known):
            merged = merged | version["keys"]
            if instant(version["effective_from"]) <= time:
                found = merged.get(key, default)
        return int(found[2:-1]) * HOUR if isinstance(found, str) and found[:2] == "PT" else found

    def decimals(self, unit: str) -> int | None:
        return self.units[unit]["exponent"] if unit in self.units else LEDGER.get(unit)

    def to_step(self, amount: Fraction, unit: str) -> Fraction:
        scale = 10 ** self.decimals(unit)
        return Fraction(round(amount * scale), scale)

    def costs(
        self, customer: str, meter: str, quantity: Fraction, properties: Event, time: int
    ) -> dict[str, Fraction]:
        """The full cost in each unit that prices the meter: own card, then default; first wins."""
        found = {u: quantity for u, unit in self.units.items() if unit.get("meter") == meter}
        for owner in (customer, None):
            for card in sorted(self.cards):
                version = None
                for candidate in self.cards[card]:
                    if instant(candidate["effective_from"]) <= time:
                        version = candidate
                if version and version.get("applies_to", {}).get("customer") == owner:
                    for rate in version["rates"]:
                        if rate["meter"] == meter and matches(rate.get("where"), properties):
                            price = quantity * Fraction(rate["per_unit"])
                            found.setdefault(rate["unit"], price)
        return found


def matches(where: Event | None, properties: Event) -> bool:
    """A predicate over properties; only the operators that the tests use."""
    if where is None:
        return True
    if "all" in where:
        return all(matches(part, properties) for part in where["all"])
    if "any" in where:
        return any(matches(part, properties) for part in where["any"])
    if "not" in where:
        return not matches(where["not"], properties)
    value = properties.get(where["field"])
    if "eq" in where:
        return value == where["eq"]
    if "ne" in where:
        return value != where["ne"]
    if "in" in where:
        return value in where["in"]
    return (value is not None) == where["exists"]


def in_scope(scope: Event, product: str, meter: str, properties: Event) -> bool:
    """Exclude wins; nothing included means everything."""

    def hit(side: Event) -> bool:
        return (
            (not side.get("products") or product in side["products"])
            and (not side.get("meters") or meter in side["meters"])
            and matches(side.get("where"), properties)
        )

    if "exclude" in scope and hit(scope["exclude"]):
        return False
    return "include" not in scope or hit(scope["include"])


def burn_key(order: list[str], block: Block) -> tuple[Any, ...]:
    """What is absent sorts last; the id, implied last, makes the order total."""
    free = block.kind in ("promotional", "goodwill", "sla")
    free |= block.kind == "included" and not block.value
    sold = 0 if block.kind in ("goodwill", "sla") else block.value
    kinds = ["promotional", "goodwill", "sla", "included", "paid", "buffer"]
    keys = {
        "kind": kinds.index(block.kind),
        "priority": NEVER if block.priority is None else block.priority,
        "expires_at": NEVER if block.expires_at is None else block.expires_at,
        "free_before_paid": not free,
        "paid_before_free": free,
        "effective_at": block.effective_at,
        "granted_at": block.granted_at,
        "larger_first": -block.granted,
        "smaller_first": block.granted,
        "scoped_first": not block.scope,
        "lower_cost_first": sold / block.granted,
        "id": block.id.encode(),
    }
    return (block.kind == "buffer", *(keys[key] for key in order), keys["id"])
