"""Output records read back as an auditor would: by outcome, in order, with nothing but the records.

A `Step` is one applied outcome with the postings that name it as their cause. A `Lot` is a block
as its entries and postings show it; its terms come from the balance snapshots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from properties.events import Event, outcomes, postings, snapshots

PLACES = (
    "issued",
    "available",
    "held",
    "drawn",
    "expired",
    "voided",
    "refunded",
    "rolled_out",
    "transferred_out",
    "applied",
)
LEFT = PLACES[5:]
"""Where units are that took their share of the value with them."""


@dataclass
class Step:
    """One applied outcome and its postings."""

    outcome: Event
    lines: list[Event]

    @property
    def entries(self) -> list[Event]:
        return self.outcome.get("entries", [])


@dataclass
class Lot:
    """A block, worked out from the records alone."""

    customer: str
    block: str
    quantity: Fraction = Fraction(0)
    value: int = 0
    released: int = 0
    places: dict[str, Fraction] = field(default_factory=lambda: dict.fromkeys(PLACES, Fraction(0)))
    by_product: Counter[str] = field(default_factory=Counter)
    accounts: Counter[str] = field(default_factory=Counter)
    earned: Counter[str] = field(default_factory=Counter)
    funded: int = 0
    concession: int = 0
    paid_invoices: int = 0
    passed: int = 0
    forfeited: int = 0
    likely: Fraction | None = None
    contra: bool = False
    granted: bool = False

    @property
    def owed(self) -> int:
        """What the liability accounts hold for it."""
        return -self.accounts["2000"] - self.accounts["2010"] - self.accounts["2030"]

    @property
    def used(self) -> int:
        """What 4000 holds for what was drawn: what lapses of a material right stands there too."""
        return -self.accounts["4000"] - self.forfeited

    @property
    def lapsed(self) -> int:
        """What expired unused: breakage, or the part of a concession that was taken back."""
        return self.concession - self.accounts["4050"] - self.accounts["4910"] + self.forfeited

    @property
    def remaining(self) -> Fraction:
        return self.places["issued"] + self.places["available"] + self.places["held"]

    @property
    def units(self) -> Fraction:
        """All but the units that left with their share of the value."""
        return self.quantity - sum(self.places[place] for place in LEFT)

    @property
    def worth(self) -> int:
        """What of the value has not left."""
        return self.value - self.released

    @property
    def expected(self) -> Fraction:
        """What the value is earned over: all units, of a material right those that are expected."""
        if self.likely is None:
            return self.units
        return max(self.units * self.likely, self.places["drawn"])

    @property
    def usage_revenue(self) -> int:
        """HE(V*u/E) in minor units; nothing for a block that was only sold so far."""
        return round(self.worth * self.places["drawn"] / self.expected) if self.expected else 0

    @property
    def breakage(self) -> int:
        """What was paid and can no longer be earned by usage."""
        if not self.quantity:
            return 0
        return max(0, self.funded - (self.worth if self.remaining else self.usage_revenue))

    @property
    def recognised(self) -> int:
        return self.usage_revenue + self.breakage

    @property
    def carrying(self) -> int:
        return max(0, self.funded - self.recognised)

    def enter(self, entry: Event) -> None:
        amount = Fraction(entry["quantity"])
        if entry["from"] == "origin":
            self.granted = True
            self.quantity += amount
        else:
            self.places[entry["from"]] -= amount
        if entry["to"] == "origin":
            self.quantity -= amount
        else:
            self.places[entry["to"]] += amount
        if entry["to"] == "drawn":
            self.by_product[entry["product"]] += amount
        if entry["from"] == "drawn":
            self.by_product[entry["product"]] -= amount

    def book(self, line: Event) -> None:
        self.contra |= "2030" in (line["debit"], line["credit"])
        if "2040" in (line["debit"], line["credit"]):
            self.passed += line["amount"] if line["credit"] == "2040" else -line["amount"]
        self.accounts[line["debit"]] += line["amount"]
        self.accounts[line["credit"]] -= line["amount"]
        if line["proof"]["f"] == "funded1-funded0":
            self.funded += line["amount"]
        if line["rule"] == "R-SLA-GRANT":
            self.funded += line["amount"]
            self.concession += line["amount"]
        if line["proof"]["f"] == "funded0-funded1":
            self.funded -= line["amount"]
        if line["proof"]["f"] in ("min(value,tax)", "max(0,value-tax)"):
            leaves = line["debit"] in ("2000", "2010", "2030")
            self.funded -= line["amount"] if leaves else -line["amount"]
            self.paid_invoices += line["amount"] if leaves else -line["amount"]
        if "4000" in (line["debit"], line["credit"]):
            signed = line["amount"] if line["credit"] == "4000" else -line["amount"]
            if "product" in line:
                self.earned[line["product"]] += signed
            else:
                self.forfeited += signed
        if "E" in line["proof"] and Fraction(line["proof"]["Q"]):
            self.likely = Fraction(line["proof"]["E"]) / Fraction(line["proof"]["Q"])

    def give(self, line: Event, other: Lot) -> None:
        """What is funded of units that went to another block is funded there."""
        self.accounts[line["debit"]] += line["amount"]
        other.accounts[line["credit"]] -= line["amount"]
        for lot, amount in ((self, line["amount"]), (other, -line["amount"])):
            lot.contra |= line["debit"] == "2030"
            lot.passed += amount
            lot.funded -= amount


class Records:
    """All that a run gave out, snapshots included."""

    def __init__(self, records: Iterable[Event], minor: dict[str, int] | None = None) -> None:
        """`minor` is the decimals of a customer's currency where they are not 2."""
        self.all = list(records)
        self._minor = minor or {}
        self.outcomes = outcomes(self.all)
        self.postings = postings(self.all)
        self.snapshots = snapshots(self.all)
        self.terms = {
            (customer, block["block"]): block
            for customer, snapshot in self.snapshots.items()
            for block in snapshot["blocks"]
        }
        self.values = {key: self.minor(key[0], b["value_now"]) for key, b in self.terms.items()}
        self.reopened = {
            (outcome["customer"], entry["block"])
            for outcome in self.outcomes
            if outcome["cause"].get("due", "").startswith("reopen ")
            for entry in outcome.get("entries", [])
            if entry["from"] == "origin"
        }
        """What a correction reopened: it has its value from the first, and it stands."""
        self.rolled = {
            (customer, block["rolled_from"]): (customer, id_)
            for (customer, id_), block in self.terms.items()
            if "rolled_from" in block and (customer, id_) not in self.reopened
        }

        self.priced_later = {
            (line["customer"], line["block"])
            for line in self.postings
            if line["rule"] == "R-TRANCHE" and "usage0" in line["proof"]
        } | {
            key
            for key, block in self.terms.items()
            if "program" in block and key not in self.rolled.values()
            if self.values[key] and not Fraction(block["value"])
        }
        """What a line gave its price after it was granted."""

    def minor(self, customer: str, amount: str) -> int:
        """A decimal string of the customer's money as integer minor units."""
        scaled = Fraction(amount) * 10 ** self._minor.get(customer, 2)
        assert scaled.denominator == 1, (customer, amount)
        return int(scaled)

    @property
    def applied(self) -> list[Event]:
        return [o for o in self.outcomes if o["status"] == "applied"]

    def steps(self) -> Iterator[Step]:
        """Applied outcomes with their postings, in the order in which they came out."""
        by_cause: dict[str, list[Event]] = {}
        for line in self.postings:
            by_cause.setdefault(line["cause"], []).append(line)
        for outcome in self.applied:
            yield Step(outcome, by_cause.get(outcome["outcome"], []))

    def replay(self) -> Iterator[tuple[Step, dict[tuple[str, str], Lot], set[tuple[str, str]]]]:
        """After each step: the step, all lots so far, and which of them it touched."""
        lots: dict[tuple[str, str], Lot] = {}
        for step in self.steps():
            touched: set[tuple[str, str]] = set()
            customer = step.outcome.get("customer", "")
            blended = self._blended(step)
            for record in (*step.entries, *step.lines):
                if "block" not in record:
                    continue
                key = (customer, record["block"])
                touched.add(key)
                lot = lots.setdefault(key, Lot(*key))
                if "entry" in record and "from" in record:
                    if record["from"] == "origin" and key in self.priced_later:
                        lot.value = self.minor(key[0], self.terms[key]["value"])
                    elif record["from"] == "origin" and key not in self.rolled.values():
                        lot.value = self.values[key]
                    lot.enter(record)
                    back = -1 if record["from"] in LEFT else 1
                    leaves = back * self.minor(key[0], record.get("value", "0"))
                    lot.released += leaves
                    if leaves and key in self.priced_later:
                        lot.value = lot.value or self.values[key]
                    # What is reopened goes on elsewhere; a blend has its value from the first.
                    again = record["from"] == "expired" or record["block"] in blended
                    if "rolled_out" in (record["from"], record["to"]) and not again:
                        into = self.rolled[key]
                        touched.add(into)
                        lots.setdefault(into, Lot(*into)).value += leaves
                elif "credit_block" in record:
                    other = (customer, record["credit_block"])
                    touched.add(other)
                    lot.give(record, lots.setdefault(other, Lot(*other)))
                else:
                    lot.book(record)
                    if key in self.priced_later and "V" in record["proof"]:
                        lot.value = record["proof"]["V"] + lot.released
                    elif key in self.priced_later and record["proof"]["f"] == "funded1-funded0":
                        lot.value = lot.value or self.values[key]
            yield step, lots, touched

    def _blended(self, step: Step) -> set[str]:
        """The blocks of which a grant has what was unused."""
        if step.outcome["cause"].get("type") != "creditfold.credit.granted.v1":
            return set()
        made = {entry["block"] for entry in step.entries if entry["from"] == "origin"}
        terms = (self.terms[step.outcome["customer"], each] for each in made)
        return {block for each in terms for block in each.get("blends", ())}

    def lots(self) -> dict[tuple[str, str], Lot]:
        """All blocks at the end."""
        last: dict[tuple[str, str], Lot] = {}
        for _, last, _ in self.replay():  # noqa: B007  # the generator fills one dictionary
            pass
        return last
