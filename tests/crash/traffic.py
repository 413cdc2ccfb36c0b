"""Facts of customers as products, invoicing and people would send them, at the times of a clock.

What may be among them is what `recount.py` can count: one rate card, no late usage, no payment of
more than an invoice. Each customer's facts come in the order of their times. `mix.py` has the rest.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from kafka_fixtures import SECOND, fact, rfc

from creditfold.contract.envelope import Envelope

METERS: Final = {"calls": ("api", "0.05", "0.4"), "tokens": ("llm", "0.00012345", "0.001")}
PRICES: Final = {
    (meter, unit): price
    for meter, (_, usd, credits_) in METERS.items()
    for unit, price in (("USD", usd), ("credits", credits_))
}
NOBODY: Final = "nobody"
UNKNOWN_METER: Final = "unheard-of"
STRANGERS: Final = frozenset({NOBODY, UNKNOWN_METER})
"""A customer and a meter that nobody declares: usage that names one is refused for ever."""
DAY = 86_400 * SECOND
_REMEMBERED = 2_000


class Soon(NamedTuple):
    """Within how many microseconds a block begins or expires while the run still goes on."""

    first: int = 2 * SECOND
    last: int = 8 * SECOND


def catalog(at: int) -> list[Envelope]:
    """Two meters, a unit of account and a price for each in it and in money."""
    rates = [
        {"meter": meter, "unit": unit, "per_unit": price} for (meter, unit), price in PRICES.items()
    ]
    began = rfc(at - 7 * DAY)
    card = {"rate_card": "list", "version": 1, "effective_from": began, "rates": rates}
    return [
        *(
            _at(at, "meter.declared", m, {"meter": m, "version": 1, "product": product})
            for m, (product, _, _) in METERS.items()
        ),
        _at(at, "unit.declared", "credits", {"unit": "credits", "version": 1, "exponent": 6}),
        _at(at, "rate_card.published", "card", card),
    ]


class Traffic:
    """An endless mix: usage, grants with their invoices and payments, repeats, and refusals."""

    def __init__(
        self,
        seed: int,
        customers: int,
        clock: Callable[[], int],
        soon: Soon = Soon(),  # noqa: B008  # it is immutable
        *,
        prefix: str = "c",
        repeats: float = 0.05,
    ) -> None:
        self.customers = [f"{prefix}-{n}" for n in range(customers)]
        self.quiet_at = 0  # by then, all that begins or expires soon has done so
        self.chance = random.Random(seed)
        self._clock = clock
        self.soon = soon
        self._prefix = prefix
        self._repeats = repeats
        self.made = 0
        self._last: deque[Envelope] = deque(maxlen=_REMEMBERED)
        self.unpaid: deque[tuple[str, str, str]] = deque()

    def opening(self) -> Iterator[Envelope]:
        """The customers, and a first block with its invoice for most of them."""
        for customer in self.customers:
            yield self.begins(customer)
            if self.chance.random() < 0.8:
                yield from self.grant(customer)

    def facts(self, count: int) -> Iterator[Envelope]:
        """At least so many that are new: a grant brings its invoice along, repeats do not count."""
        end = self.made + count
        while self.made < end:
            drawn = self.chance.random()
            if self._last and drawn < self._repeats:
                again = self.chance.choice(self._last)
                yield _recorded(again, self.now())
            elif drawn > 0.985:
                yield from self.grant(self.chance.choice(self.customers))
            elif drawn > 0.975 and self.unpaid:
                yield self._payment()
            elif drawn > 0.97:
                yield self._refused()
            else:
                yield from self.happens(self.chance.choice(self.customers))

    def closing(self) -> Iterator[Envelope]:
        """One usage of each customer, before which all that is due for it has to be folded."""
        for customer in self.customers:
            yield self.usage(customer)

    def begins(self, customer: str) -> Envelope:
        """A new customer."""
        return self.new("customer.created", customer, {"currency": "USD"})

    def happens(self, customer: str) -> Iterator[Envelope]:
        """What a customer does most of the time."""
        yield self.usage(customer)

    def now(self) -> int:
        at = self._clock()
        return at - at % 1_000  # Kafka keeps milliseconds

    def new(self, noun_verb: str, customer: str, data: dict[str, Any], behind: int = 0) -> Envelope:
        """The next fact; it is recorded now, and happened so long before."""
        self.made += 1
        now = self.now()
        made = fact(noun_verb, f"{self._prefix}.{self.made}", now - behind, data, customer, now)
        self._last.append(made)
        return made

    def usage(self, customer: str) -> Envelope:
        """Usage of one of the meters."""
        return self.new("usage.recorded", customer, self.used())

    def used(self) -> dict[str, Any]:
        """How much of which meter."""
        meter = "calls" if self.chance.random() < 0.6 else "tokens"
        quantity = self.chance.randint(1, 60 if meter == "calls" else 90_000)
        return {"meter": meter, "quantity": str(quantity)}

    def _refused(self) -> Envelope:
        usage = {"meter": "calls", "quantity": "1"}
        if self.chance.random() < 0.5:
            return self.new("usage.recorded", NOBODY, usage)
        customer = self.chance.choice(self.customers)
        return self.new("usage.recorded", customer, usage | {"meter": UNKNOWN_METER})

    def grant(self, customer: str) -> Iterator[Envelope]:
        """A block that is free, or sold by an invoice."""
        chance, block, now = self.chance, f"b{self.made}", self.now()
        paid = chance.random() < 0.6
        unit, size = chance.choice([("USD", 1), ("credits", 20)])
        data: dict[str, Any] = {"block": block, "unit": unit}
        data["quantity"] = str(chance.randint(20, 400) * size)
        data["kind"] = "paid" if paid else "promotional"
        if chance.random() < 0.1:
            data["effective_at"] = rfc(self.soon_after(now))
        elif chance.random() < 0.5:
            data["expires_at"] = rfc(self.soon_after(now))
        elif chance.random() < 0.5:
            data["expires_at"] = rfc(now - now % DAY + chance.randint(30, 300) * DAY)
        if chance.random() < 0.3:
            data["priority"] = chance.randint(1, 3)
        if paid:
            amount = f"{chance.randint(1, 300)}.{chance.randint(0, 99):02d}"
            data["value"] = {"amount": amount, "currency": "USD"}
        yield self.new("credit.granted", customer, data)
        if paid:
            line = {"line": "1", "amount": amount, "tax": "1.70", "sells": [{"block": block}]}
            bill = {
                "invoice": f"in-{block}",
                "currency": "USD",
                "recognition": chance.choice(["on_issue", "on_payment"]),
                "lines": [line],
            }
            yield self.new("invoice.issued", customer, bill)
            self.unpaid.append((customer, f"in-{block}", amount))

    def soon_after(self, now: int) -> int:
        """An instant while the run still goes on."""
        at = now + self.chance.randint(*self.soon)
        self.quiet_at = max(self.quiet_at, at)
        return at

    def _payment(self) -> Envelope:
        customer, invoice, amount = self.unpaid.popleft()
        part = amount if self.chance.random() < 0.7 else "0.50"
        return self.new("invoice.paid", customer, {"invoice": invoice, "amount": part})


def shuffled(facts: list[Envelope], chance: random.Random) -> list[Envelope]:
    """Another order between customers, and the same order for each customer."""
    places: dict[str | None, list[int]] = {}
    for place, each in enumerate(facts):
        places.setdefault(each.subject, []).append(place)
    order = [each.subject for each in facts]
    chance.shuffle(order)
    following = {customer: iter(found) for customer, found in places.items()}
    return [facts[next(following[customer])] for customer in order]


def _at(
    at: int, noun_verb: str, id_: str, data: dict[str, Any], customer: str | None = None
) -> Envelope:
    return fact(noun_verb, id_, at, data, customer, at)


def _recorded(again: Envelope, at: int) -> Envelope:
    return Envelope(again.id, again.source, again.type, again.subject, again.time, again.data, at)
