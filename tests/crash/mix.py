"""Traffic with the whole life of a credit in it: what `recount.py` cannot count, its records can.

Usage comes late, too late and ahead, is corrected and retracted; credit waits for its payment, is
held, voided, adjusted, refunded, blended and sent to customers of other partitions; programs grant,
roll over and reset, after a trial or in it; invoices are credited, voided and written off. Whether
some of it is refused depends on what usage has left by then: `MAY_BE_REFUSED` says which facts, and
why. Nothing else may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from kafka_fixtures import SECOND, fact, rfc

from crash import traffic
from crash.mixed_credit import Credit
from crash.traffic import DAY
from creditfold.contract.envelope import Envelope

HOUR = 3_600 * SECOND
WINDOW = 72 * HOUR
"""Usage that comes later than that is owed: late.window, where no policy says another."""
_TAKEN: Final = {"above_unused", "forfeiture_not_allowed", "block_expired"}
_STATUS: Final = {"subscription_status"}
MAY_BE_REFUSED: Final[dict[str, set[str]]] = {
    "credit.granted": {"above_unused", "block_expired", "not_paid"},  # what it would blend
    "hold.placed": {"held", "not_enough", "empty_interval"},
    "hold.settled": {"unknown_hold"},
    "hold.released": {"unknown_hold"},
    "credit.voided": _TAKEN,
    "credit.adjusted": _TAKEN,
    "credit.expiry_changed": {"block_expired"},
    "credit.refunded": {"above_unused", "not_paid"},
    "credit.transferred": {"above_unused", "not_paid"},
    "transfer.offered": {"unknown_customer"},
    "payment.refunded": {"not_paid"},
    "payment.disputed": {"not_paid"},
    "invoice.paid": {"paid_too_much"},
    "invoice.voided": {"invoice_paid", "invoice_closed"},
    "invoice.written_off": {"invoice_closed"},
    "credit_note.issued": {"credited_too_much"},
    "subscription.changed": _STATUS,
    "subscription.paused": _STATUS,
    "subscription.resumed": _STATUS,
    "subscription.cancelled": _STATUS,
}
_PLANS: Final = ("free", "pro", "team")
_ZONES: Final = ("UTC", "Europe/Zurich", "America/New_York", "Pacific/Auckland")


def catalog(at: int) -> list[Envelope]:
    """Prices, policies, and programs: by what is subscribed to, for its trial, by who one is."""
    began = rfc(at - DAY)
    plan = {
        "program": "plan",
        "version": 1,
        "effective_from": began,
        "who": {"field": "subscription.plan", "in": ["pro", "team"]},
        "grant": {
            "kind": "included",
            "unit": "credits",
            "quantity": "900",
            "value": {"amount": "9.00", "currency": "USD"},
            "expires": "period_end",
        },
        "every": "month",
        "anchor": "subscription",
        "proration": {"first": "by_second", "last": "by_second"},
        "rollover": {"percent": "50", "times": 2, "expires": "P1M"},
        "trial": "after",
    }
    taste = {
        "program": "taste",
        "version": 1,
        "effective_from": began,
        "who": plan["who"],
        "grant": {"kind": "promotional", "unit": "USD", "quantity": "6", "expires": "never"},
        "rollover": {"quantity": "4", "expires": "P1W"},
        "trial": "only",
    }
    small = {
        "program": "small",
        "version": 1,
        "effective_from": began,
        "who": {"field": "customer.attributes.segment", "eq": "small"},
        "grant": {"kind": "promotional", "unit": "USD", "quantity": "10", "expires": "P1W"},
        "every": "month",
        "reset": {"overage": "keep"},
    }
    policy = {
        "version": 1,
        "effective_from": rfc(at - 2 * WINDOW),
        "keys": {"breakage.rate": {"material_right": "0.2"}, "late.after": "overage"},
        "author": "a",
        "approver": "b",
        "evidence": "what was redeemed so far",
        "reason": "what is not redeemed is earned with what is, and what is late is billed",
    }
    return [
        *traffic.catalog(at),
        fact("policy.published", "policy", at, policy, None, at),
        *(fact("program.published", p["program"], at, p, None, at) for p in (plan, taste, small)),
    ]


class Mix(Credit):
    """Traffic whose customers do all that `credits.md` knows."""

    def __init__(self, *given: Any, usage: int = 60, late: float = 0.2, **named: Any) -> None:
        """`usage` is how often it is recorded, to forty times something else; so much is late."""
        super().__init__(*given, **named)
        self._late = late
        self._weights: dict[Callable[[str], Iterator[Envelope]], int] = {
            self._use: usage,
            self._hold: 9,
            self._end_hold: 6,
            self._correct: 5,
            self._change_block: 4,
            self._give_back: 3,
            self._transfer: 3,
            self._wait: 2,
            self._blend: 2,
            self._subscribe: 3,
            self._attach: 2,
            self._update: 1,
            self._bill: 1,
        }

    def happens(self, customer: str) -> Iterator[Envelope]:
        """One of all things, usage most of the time."""
        (what,) = self.chance.choices(list(self._weights), list(self._weights.values()))
        yield from what(customer)

    def begins(self, customer: str) -> Envelope:
        """A customer of days ago, so that usage may be late."""
        data = {"currency": "USD", "time_zone": self.chance.choice(_ZONES)} | self._terms()
        if self.chance.random() < 0.4:
            data["attributes"] = {"segment": "small"}
        return self.new("customer.created", customer, data, 2 * WINDOW)

    def _behind(self) -> int:
        """How long ago usage happened that is told of now; below zero is ahead of the log."""
        if self.chance.random() >= self._late:
            return 0
        how = self.chance.random()
        if how < 0.1:
            return -self.chance.randint(1, 2_000) * 1_000
        if how < 0.15:
            return WINDOW + HOUR + self.chance.randint(1, 3_000_000) * 1_000
        return self.chance.randint(1, self.chance.choice((3_000, 60_000, 1_800_000))) * 1_000

    def _use(self, customer: str) -> Iterator[Envelope]:
        data, behind = self.used(), self._behind()
        hold = self._one("named", customer)
        if hold is not None and self.chance.random() < 0.2:
            data["hold"] = {"hold": hold, "final": self.chance.random() < 0.5}
        made = self.new("usage.recorded", customer, data, behind)
        if behind < WINDOW:  # no correction reaches the others
            self._keep("usage", customer, (made.id, int(data["quantity"])))
        yield made

    def _correct(self, customer: str) -> Iterator[Envelope]:
        found = self._one("usage", customer)
        if found is None:
            return
        id_, quantity = found
        data: dict[str, Any] = {"usage": {"source": "test", "id": id_}}
        if self.chance.random() < 0.25:
            yield self.new("usage.retracted", customer, data)
        else:
            right = str(self.chance.randint(0, 2 * quantity))
            yield self.new("usage.corrected", customer, data | {"quantity": right})

    def _give_back(self, customer: str) -> Iterator[Envelope]:
        invoice = self._one("invoice", customer)
        if invoice is None:
            return
        cents = f"0.{self.chance.randint(10, 99)}"
        what = self.chance.randrange(7)
        if what == 0:
            yield self.new("payment.refunded", customer, {"invoice": invoice, "amount": cents})
        elif what == 1:
            yield self.new("payment.disputed", customer, {"invoice": invoice, "amount": cents})
        elif what == 2:
            how = self.chance.choice(["keep_receivable", "concede"])
            data = {"invoice": invoice, "used_portion": how}
            yield self.new("invoice.voided", customer, data)
        elif what == 3:
            yield self.new("invoice.written_off", customer, {"invoice": invoice})
        else:
            note = {"credit_note": f"cn{self.made}", "invoice": invoice}
            note["lines"] = [{"line": "1", "amount": cents}]
            note["to"] = ("invoice", "balance", "refund")[what - 4]
            yield self.new("credit_note.issued", customer, note)

    def _subscribe(self, customer: str) -> Iterator[Envelope]:
        """Start one whose period or term ends soon, or do something to one that there is."""
        known, later = self._one("subscription", customer), self.chance.random() < 0.5
        what = self.chance.choice(["started", "changed", "paused", "resumed", "cancelled"])
        if known is None or (what == "started" and len(self._kept["subscription", customer]) < 3):
            ends = self.soon_after(self.now())
            data: dict[str, Any] = {"subscription": f"s{self.made}", "period": "month"}
            data |= {"anchor": rfc(ends), "plan": self.chance.choice(_PLANS)}
            if known is None and self.chance.random() < 0.7:
                data |= {"anchor": rfc(ends - DAY), "commitment": self._commitment()}
            if self.chance.random() < 0.5:
                data["trial_until"] = rfc(self.soon_after(self.now()))
            self._keep("subscription", customer, data["subscription"])
            yield self.new("subscription.started", customer, data)
            return
        if what in {"started", "resumed"}:
            what = self.chance.choice(["resumed", "renewed"])
            yield self.new(f"subscription.{what}", customer, {"subscription": known})
            return
        data = {"subscription": known, "at_period_end": later}
        if what == "changed" and self.chance.random() < 0.3:
            data["trial_until"] = rfc(self.soon_after(self.now()))
        elif what == "changed":
            data["plan"] = self.chance.choice(_PLANS)
        yield self.new(f"subscription.{what}", customer, data)

    def _commitment(self) -> dict[str, Any]:
        """So much a day, of which more or less is expected to be used."""
        least = self.chance.randint(5, 200)
        terms: dict[str, Any] = {"unit": "USD", "quantity": str(least), "term": "P1D"}
        if self.chance.random() < 0.6:
            expected = str(self.chance.randint(1, least))
            terms |= {"expected": expected, "shortfall": "proportional"}
        return terms

    def _attach(self, customer: str) -> Iterator[Envelope]:
        """Attach a program of the customer's own, of which a period ends soon; reset, detach it."""
        known = self._one("program", customer)
        if known is None or (self.chance.random() < 0.4):
            program = f"own{self.made}"
            ends = self.soon_after(self.now())
            grant = {"kind": "promotional", "unit": "USD", "quantity": "12"}
            grant["expires"] = self.chance.choice(["period_end", "never"])
            terms: dict[str, Any] = {"grant": grant, "every": "month"}
            terms["anchor"] = f"{rfc(ends)[:19]}[UTC]"
            if grant["expires"] == "period_end":
                terms["rollover"] = {"quantity": "5", "times": 1, "expires": "P1M"}
            if self.chance.random() < 0.3:
                terms["reset"] = {"overage": "keep"}
            self._keep("program", customer, program)
            data = {"program": program, "definition": terms}
            yield self.new("program.attached", customer, data)
        elif self.chance.random() < 0.5:
            yield self.new("program.reset", customer, {"program": known})
        else:
            self._kept["program", customer].remove(known)
            yield self.new("program.detached", customer, {"program": known})

    def _update(self, customer: str) -> Iterator[Envelope]:
        yield self.new("customer.updated", customer, self._terms())

    def _terms(self) -> dict[str, Any]:
        """What becomes of overage, how much credit there is beyond credit, when to ask for more."""
        chance = self.chance
        return {
            "overage": {"default": chance.choice(["bill", "bill", "carry", "block", "buffer"])},
            "credit_limits": {"USD": str(chance.choice([0, 5, 50]))},
            "top_ups": {"USD": {"threshold": "5", "add": "10", "cooldown": "PT1S"}},
        }

    def _bill(self, customer: str) -> Iterator[Envelope]:
        """The overage of the last minutes, and a service that lasts some seconds more."""
        now = self.now()
        span = {"meter": "calls", "from": rfc(now - HOUR // 6), "to": rfc(now)}
        line = {"line": "1", "amount": "3.00", "tax": "0.10", "arrears_for": [span]}
        lasts = {"from": rfc(now - HOUR // 60), "to": rfc(now + HOUR // 600)}
        service = {"line": "2", "amount": "0.97", "tax": "0.20", "period": lasts}
        data = {"invoice": f"ar{self.made}", "currency": "USD", "lines": [line, service]}
        yield self.new("invoice.issued", customer, data)
