"""What a log must show in which all facts were mixed. Imports nothing of creditfold.

The recount cannot count such facts a second time: which block a late or corrected usage burns is
for the naive model of `tests/properties` to say. This judge works from what was written: for each
customer, all invariants of revenue.md over its outcomes, postings, notices and balances, with every
proof and chain recomputed; each usage's draws and overage against its quantity and the prices that
were published; and each transfer against what became of it on the other side, in another partition.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction

from crash.books import Judge, Record, Row, event_of
from properties.events import outcomes, postings
from properties.invariants import check_all, usage_is_conserved
from properties.records import Records

_DECIMALS = {"USD": 10, "credits": 6}
_TRANSFERS = "creditfold.transfer."
_USES = ("usage.recorded", "hold.settled", "usage.corrected", "usage.retracted")


class MixedJudge(Judge):
    """Judges each customer by its own records, then what went from one to another."""

    def __init__(
        self,
        strangers: set[str],
        may_be_refused: Mapping[str, set[str]],
        prices: Mapping[tuple[str, str], str],
    ) -> None:
        super().__init__(strangers)
        self._may_be_refused = may_be_refused
        self._prices = {key: Fraction(price) for key, price in prices.items()}
        self._uses: dict[str, dict[str, Row]] = defaultdict(dict)
        self._between: Counter[tuple[str, str]] = Counter()  # told less read, by whom and id
        self._moved: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)

    def partition(
        self, inputs: Iterable[Record], ledger: Iterable[Record], told: Iterable[Record]
    ) -> None:
        """Take in all of a partition, its outcomes too."""
        kept = list(ledger)
        super().partition(inputs, kept, told)
        self.told += (each for each in map(event_of, kept) if "outcome" in each["data"])

    def answered(self, event: Row, outcome: Row) -> None:
        """Keep each usage as it was last corrected, and what one customer tells another."""
        kind, who = _kind(event), event.get("subject", "")
        if event["type"].startswith(_TRANSFERS):
            self._between[who, event["id"]] -= 1
        if outcome["status"] != "applied":
            return
        data = event["data"]
        if "transfer" in data:
            sender = data["from"] if kind == "transfer.offered" else who
            for entry in outcome.get("entries", ()):
                out = entry["to"] == "transferred_out"
                back = entry["from"] in {"origin", "transferred_out"}
                self._moved[sender, data["transfer"]] += (out - back) * Fraction(entry["quantity"])
        if kind not in _USES:
            return
        if kind in {"usage.recorded", "hold.settled"}:
            self._uses[who][event["id"]] = event
            return
        id_ = data["usage"]["id"]
        right = {"quantity": data.get("quantity", "0")}
        use = self._uses[who][id_]
        self._uses[who][id_] = use | {"data": use["data"] | right}

    def may_refuse(self, event: Row, outcome: Row) -> bool:
        """Whether the code is one that this fact may have."""
        return outcome.get("code") in self._may_be_refused.get(_kind(event), ())

    def customers(self, snapshots: Mapping[str, Row], now: datetime) -> None:
        """Judge each customer; what is told of a customer that no worker knows is a fault."""
        own: dict[str, list[Row]] = defaultdict(list)
        for each in self.told:
            own[each.get("subject", "")].append(each)
        for who, data in snapshots.items():
            own[who].append(
                {"type": "creditfold.balance.snapshot.v1", "subject": who, "data": data}
            )
        for who, records in own.items():
            if who:
                self._customer(who, records)
        self._transfers(own)

    def _customer(self, who: str, records: list[Row]) -> None:
        read = Records(records)
        try:
            check_all(read)
            usage_is_conserved(read, list(self._uses[who].values()), _DECIMALS)
            self._priced(read)
        except (AssertionError, KeyError) as wrong:
            self.verdict.fault("differing", f"{who}: {wrong!r}")

    def _priced(self, records: Records) -> None:
        """What a rate is said to be is what was published."""
        for outcome in records.applied:
            for each in (*outcome.get("entries", ()), *outcome.get("overage", ())):
                if "rate" in each:
                    price = self._prices[each["meter"], each["unit"]]
                    assert Fraction(each["rate"]) == price, (each, outcome)

    def _transfers(self, own: Mapping[str, list[Row]]) -> None:
        """What left one customer is with another, or back; nothing is on its way any more."""
        transit = 0
        for records in own.values():
            for line in postings(records):
                transit += line["amount"] * ((line["debit"] == "2040") - (line["credit"] == "2040"))
            for outcome in outcomes(records):
                for each in outcome.get("sent", ()):
                    self._between[each["to"], each["id"]] += 1
        for key, count in self._between.items():
            if count:
                self.verdict.fault("lost" if count > 0 else "doubled", f"told {key}: {count}")
        for key, amount in self._moved.items():
            if amount:
                self.verdict.fault("differing", f"of transfer {key}, {amount} is nowhere")
        if transit:
            self.verdict.fault("differing", f"{transit} is in transit between customers")


def _kind(event: Row) -> str:
    return event["type"].removeprefix("creditfold.").removesuffix(".v1")
