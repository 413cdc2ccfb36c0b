"""A generated history in chunks: customers, grants, invoices, usage with duplicates, expiry."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property

from core.book import CATALOG
from local.desk import Clock, Input, to_inputs
from properties.events import DAY, HOUR, START, Event, fact, text

CUSTOMERS = 12
CHUNK = 8


class Chunk:
    """What is sent at once, and the wall clock when it is."""

    def __init__(self, events: list[Event], now: int) -> None:
        self.events = events
        self.now = now

    @cached_property
    def inputs(self) -> list[Input]:
        """The records to append; made when they are needed, as a restarted child skips most."""
        return to_inputs(self.events)


def chunks(seed: int, count: int) -> list[Chunk]:
    """The same chunks for the same seed; the clock moves a few hours from one to the next."""
    rng = random.Random(seed)
    sent: list[Event] = []
    issued: list[tuple[str, str]] = []
    made: list[Chunk] = []
    names = [f"c{n:02}" for n in range(CUSTOMERS)]
    opening = [fact(k, d, id=f"cat{n}", at=START - DAY) for n, (k, d) in enumerate(CATALOG)]
    opening += [
        fact("customer.created", {"currency": "USD"}, id=f"{c}.new", at=START, customer=c)
        for c in names
    ]
    made.append(Chunk(opening, START))
    for number in range(1, count):
        now = START + number * 5 * HOUR
        events = []
        for k in range(CHUNK):
            if sent and rng.random() < 0.15:
                events.append(rng.choice(sent[-3 * CHUNK :]) | {"recordedtime": text(now)})
                continue
            events.append(_event(rng, f"{number}.{k}", rng.choice(names), now, issued))
        sent += events
        issued += [(e["subject"], e["data"]["invoice"]) for e in events if "lines" in e["data"]]
        made.append(Chunk(events, now))
    return made


def _event(
    rng: random.Random, id_: str, customer: str, now: int, issued: Sequence[tuple[str, str]]
) -> Event:
    """One fact; a payment is for an invoice of an earlier chunk or for one that never comes.

    A refused fact may be sent again and could then be accepted, as its id is not used up: what is
    refused here is refused for ever, so that a chunk that is sent twice changes nothing.
    """
    at = now - rng.choice([0, 0, 1, HOUR, DAY])
    kind = rng.choices(["usage", "grant", "invoice", "paid"], [14, 3, 2, 2])[0]
    if kind == "usage":
        kind = "usage.recorded"
        data: Event = {
            "meter": rng.choice(["calls", "tokens", "gb", "pings"]),
            "quantity": str(rng.randint(1, 9)),
        }
    elif kind == "grant":
        kind, at = "credit.granted", now
        block = f"b{rng.randint(0, 40)}"
        data = {
            "block": block,
            "kind": "paid",
            "unit": rng.choice(["USD", "credits"]),
            "quantity": str(rng.randint(5, 60)),
            "value": {"amount": "30", "currency": "USD"},
            "expires_at": text(now + rng.randint(1, 12) * DAY),
        }
        if rng.random() < 0.3:
            data["effective_at"] = text(now + 11 * HOUR)
    elif kind == "invoice":
        kind, at = "invoice.issued", now
        data = {
            "invoice": f"i{id_}",
            "currency": "USD",
            "due_at": text(now + 3 * DAY),
            "recognition": rng.choice(["on_issue", "on_due", "on_payment"]),
            "lines": [
                {
                    "line": "1",
                    "amount": "7.77",
                    "tax": "1.11",
                    "sells": [{"block": f"b{rng.randint(0, 40)}"}],
                }
            ],
        }
    else:
        kind, at = "invoice.paid", now
        data = {
            "invoice": rng.choice([i for c, i in issued if c == customer] or ["never"]),
            "amount": rng.choice(["1", "3.33", "8.88"]),
        }
    return fact(kind, data, id=id_, at=at, customer=customer, recorded=now)


__all__ = ["CHUNK", "CUSTOMERS", "Chunk", "Clock", "chunks"]
