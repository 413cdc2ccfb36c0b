"""An independent recount of a fact log: exact fractions, one pass, and not one line of creditfold.

    python tests/recount.py facts.jsonl

Prints, per customer and sorted, what is usable and what is overage per unit, and the revenue per
account in minor units, as one JSON line each, at the time of the last fact. It assumes:
the facts were all accepted and are no duplicates; usage comes in the order of its time and never
late; the burn order is the default one; one rate card version, without `where`, or a unit that
names its meter; blocks without scope; every invoice line sells one block for its whole value and
is paid in full before the block ends; each currency has two decimals and prices every meter used.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any


class Recount:
    """Blocks as plain dictionaries; what they earned is worked out at the end."""

    def __init__(self) -> None:
        self.currency: dict[str, str] = {}
        self.prices: dict[str, dict[str, Fraction]] = defaultdict(dict)
        self.blocks: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.overage: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        self.now = datetime.min.replace(tzinfo=UTC)

    def read(self, fact: dict[str, Any]) -> None:
        kind = fact["type"].removeprefix("creditfold.").removesuffix(".v1")
        data, who = fact["data"], fact.get("subject", "")
        self.now = datetime.fromisoformat(fact["time"])
        if kind == "unit.declared" and "meter" in data:
            self.prices[data["meter"]][data["unit"]] = Fraction(1)
        elif kind == "rate_card.published":
            for rate in data["rates"]:
                self.prices[rate["meter"]].setdefault(rate["unit"], Fraction(rate["per_unit"]))
        elif kind == "customer.created":
            self.currency[who] = data["currency"]
        elif kind == "credit.granted":
            begin = datetime.fromisoformat(data.get("effective_at", fact["time"]))
            end = datetime.fromisoformat(data["expires_at"]) if "expires_at" in data else None
            value = Fraction(data.get("value", {"amount": "0"})["amount"]) * 100
            order = (
                data.get("priority", 10**9), end is None, end, data["kind"] == "paid", begin,
                data["block"].encode(),
            )
            quantity = Fraction(data["quantity"])
            self.blocks[who].append(
                {"unit": data["unit"], "order": order, "begin": begin, "end": end, "value": value,
                 "quantity": quantity, "left": quantity}
            )
        elif kind == "usage.recorded":
            self.use(who, data["meter"], Fraction(data["quantity"]))

    def use(self, who: str, meter: str, quantity: Fraction) -> None:
        """What is left of the usage is kept as a share, so that no unit is preferred."""
        costs = {unit: price * quantity for unit, price in self.prices[meter].items()}
        share = Fraction(1)
        for block in sorted(self.blocks[who], key=lambda b: (b["order"][:2], b["order"][2:])):
            alive = block["begin"] <= self.now and (block["end"] is None or self.now < block["end"])
            if alive and block["left"] and share and block["unit"] in costs:
                cost = costs[block["unit"]]
                part = min(cost * share, block["left"])
                block["left"] -= part
                share -= part / cost
        currency = self.currency[who]
        self.overage[who][meter] += costs[currency] * share

    def line(self, who: str) -> dict[str, Any]:
        usable: dict[str, Fraction] = defaultdict(Fraction)
        used = broken = Fraction(0)
        for block in self.blocks[who]:
            earned = round(block["value"] * (1 - block["left"] / block["quantity"]))
            used += earned
            if block["end"] is not None and block["end"] <= self.now:
                broken += block["value"] - earned
            elif block["begin"] <= self.now:
                usable[block["unit"]] += block["left"]
        over = {self.currency[who]: sum(self.overage[who].values(), Fraction(0))}
        accrued = sum(round(amount * 100) for amount in self.overage[who].values())
        revenue = {"4000": int(used), "4010": accrued, "4050": int(broken)}
        return {
            "customer": who,
            "overage": {unit: str(amount) for unit, amount in over.items() if amount},
            "revenue": {account: amount for account, amount in revenue.items() if amount},
            "usable": {unit: str(amount) for unit, amount in usable.items() if amount},
        }


def recount(facts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a customer, by customer; amounts of units are exact, as fractions in text."""
    count = Recount()
    for fact in facts:
        count.read(fact)
    return [count.line(who) for who in sorted(count.currency)]


if __name__ == "__main__":
    with Path(sys.argv[1]).open() as lines:
        for row in recount(json.loads(text) for text in lines):
            print(json.dumps(row, sort_keys=True))
