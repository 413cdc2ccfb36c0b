"""One customer and a small catalog, fed fact by fact: what most tests of the core begin with."""

from __future__ import annotations

from typing import Any

from creditfold.partition.simulation import Simulation
from properties.events import Event, balances, fact, instant, outcomes, postings, snapshots

CATALOG: list[tuple[str, Event]] = [
    ("meter.declared", {"meter": "calls", "version": 1, "product": "api"}),
    ("meter.declared", {"meter": "tokens", "version": 1, "product": "llm"}),
    ("meter.declared", {"meter": "gb", "version": 1, "product": "disk", "exponent": 3}),
    ("meter.declared", {"meter": "pings", "version": 1, "product": "probe"}),
    ("unit.declared", {"unit": "credits", "version": 1, "exponent": 6}),
    ("unit.declared", {"unit": "coins", "version": 1, "exponent": 0}),
    (
        "rate_card.published",
        {
            "rate_card": "list",
            "version": 1,
            "effective_from": "2025-01-01T00:00:00Z",
            "rates": [
                {"meter": "calls", "unit": "USD", "per_unit": "1"},
                {"meter": "calls", "unit": "credits", "per_unit": "2"},
                {"meter": "calls", "unit": "coins", "per_unit": "3"},
                {"meter": "tokens", "unit": "USD", "per_unit": "1"},
                {"meter": "gb", "unit": "USD", "per_unit": "0.5"},
            ],
        },
    ),
]


class Book:
    """Facts in, records out; all of them are kept. Times are RFC 3339, ids count up."""

    def __init__(self, currency: str = "USD", begin: str = "2026-01-01T00:00:00Z") -> None:
        self.simulation = Simulation()
        self.records: list[Event] = []
        self.facts: list[Event] = []
        self.at = "2025-06-01T00:00:00Z"
        for kind, data in CATALOG:
            self.published(kind, data)
        self.at = begin
        self.applied("customer.created", {"currency": currency})

    def feed(
        self,
        kind: str,
        data: Event,
        at: str | None = None,
        *,
        recorded: str | None = None,
        id: str | None = None,  # noqa: A002  # the wire's own name
        customer: str | None = "c",
    ) -> Event:
        """The outcome of the fact itself; without `recorded` the log learns of it as it happens."""
        self.at = at or self.at
        event = fact(
            kind,
            data,
            id=id or f"f{len(self.facts)}",
            at=self.at,
            customer=customer,
            recorded=recorded,
        )
        return self.send(event)

    def send(self, event: Event) -> Event:
        """The outcome of an event as it stands."""
        self.facts.append(event)
        self.out = self.simulation.feed(event)
        self.records += self.out
        return next(o for o in reversed(outcomes(self.out)) if "clock" not in o["cause"])

    def applied(self, kind: str, data: Event, at: str | None = None, **more: Any) -> Event:
        """As `feed`, of a fact that nothing speaks against."""
        outcome = self.feed(kind, data, at, **more)
        assert "applied" == outcome["status"], outcome
        return outcome

    def published(self, kind: str, data: Event, at: str | None = None) -> Event:
        """As `applied`, for the catalog."""
        return self.applied(kind, data, at, customer=None)

    def refused(self, kind: str, data: Event, at: str | None = None, **more: Any) -> str:
        """The code with which the fact is refused."""
        outcome = self.feed(kind, data, at, **more)
        assert "rejected" == outcome["status"], outcome
        return str(outcome["code"])

    def grant(self, block: str = "b", quantity: str = "100", **more: Any) -> Event:
        """A paid block of US dollars that is worth what it says, unless told otherwise."""
        at = more.pop("at", None)
        data = {"block": block, "kind": "paid", "unit": "USD", "quantity": quantity}
        if more.get("kind", "paid") == "paid":
            data["value"] = {"amount": quantity, "currency": "USD"}  # type: ignore[assignment]  # of any type
        return self.applied("credit.granted", data | more, at)

    def use(self, quantity: str, meter: str = "calls", at: str | None = None, **more: Any) -> Event:
        """Usage that is applied."""
        recorded = more.pop("recorded", None)
        data = {"meter": meter, "quantity": quantity} | more
        return self.applied("usage.recorded", data, at, recorded=recorded)

    def invoice(self, *lines: Event, **more: Any) -> Event:
        """An invoice in US dollars; lines are numbered from 1."""
        at = more.pop("at", None)
        numbered = [{"line": str(n)} | line for n, line in enumerate(lines, 1)]
        data = {"invoice": "i", "currency": "USD", "lines": numbered} | more
        return self.applied("invoice.issued", data, at)

    def pay(self, amount: str, at: str | None = None, invoice: str = "i") -> Event:
        """Cash for an invoice."""
        return self.applied("invoice.paid", {"invoice": invoice, "amount": amount}, at)

    def sweep(self, at: str) -> list[Event]:
        """The outcomes of what falls due by then."""
        self.at = at
        self.out = self.simulation.sweep(at)
        self.records += self.out
        return outcomes(self.out)

    @property
    def lines(self) -> list[tuple[str, str, str, int]]:
        """(rule, debit, credit, amount) of what the last fact or sweep posted."""
        return [(p["rule"], p["debit"], p["credit"], p["amount"]) for p in postings(self.out)]

    @property
    def accounts(self) -> dict[str, int]:
        """Debits less credits by account, over everything so far."""
        return {account: total for (_, _, account), total in balances(self.postings).items()}

    @property
    def postings(self) -> list[Event]:
        """Everything posted so far."""
        return postings(self.records)

    def snapshot(self, at: str | None = None) -> Event:
        """The customer's balances at the log's time or after it."""
        at = at or self.at
        if instant(at) > self.simulation.now:
            self.sweep(at)
        return snapshots(self.simulation.snapshots(at))["c"]

    def block(self, block: str = "b") -> Event:
        """One block of the snapshot."""
        return next(b for b in self.snapshot()["blocks"] if b["block"] == block)


def moves(outcome: Event) -> list[tuple[str, str, str, str]]:
    """(block, from, to, quantity) of an outcome's entries."""
    return [(e["block"], e["from"], e["to"], e["quantity"]) for e in outcome.get("entries", ())]
