"""What a log must show in which all facts were mixed. Imports nothing of creditfold.

The recount cannot count such facts a second time: which block a late or corrected usage burns is
for the naive model of `tests/properties` to say. This judge works from what was written: for each
customer, all invariants of revenue.md over its outcomes, postings, notices and balances, with every
proof and chain recomputed; each usage's draws and overage against its quantity and the prices that
were published; credit that waits against what is paid of it; a trial's credit against the trial's
end; what came too late against all draws; and each transfer against what became of it on the other
side, in another partition.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction

from crash.books import Judge, Record, Row, event_of
from properties.events import outcomes, postings
from properties.invariants import check_all, usage_is_conserved
from properties.records import Records

_DECIMALS = {"USD": 10, "credits": 6}
_USABLE = {"available", "held", "drawn", "rolled_out", "transferred_out", "applied"}
_TRANSFERS = "creditfold.transfer."
_AFTER, _ONLY = "plan", "taste"
"""The program that grants nothing in a trial, and the one that grants in trials alone."""
_USES = ("usage.recorded", "hold.settled", "usage.corrected", "usage.retracted")


class MixedJudge(Judge):
    """Judges each customer by its own records, then what went from one to another."""

    def __init__(
        self,
        strangers: set[str],
        may_be_refused: Mapping[str, set[str]],
        prices: Mapping[tuple[str, str], str],
        window: int,
    ) -> None:
        """Usage that comes more than so many microseconds late is owed whole."""
        super().__init__(strangers)
        self._window = timedelta(microseconds=window)
        self._may_be_refused = may_be_refused
        self._prices = {key: Fraction(price) for key, price in prices.items()}
        self._uses: dict[str, dict[str, Row]] = defaultdict(dict)
        self._refused: set[tuple[str, str]] = set()  # blocks that a refused grant would have made
        self._waiting: set[tuple[str, str]] = set()  # blocks that wait for their payment at first
        self._too_late: set[tuple[str, str]] = set()  # usage
        self._trials: dict[tuple[str, str], list[datetime]] = defaultdict(list)  # all told ends
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
        data = event["data"]
        if kind == "credit.granted" and outcome["status"] == "rejected":
            self._refused.add((who, data["block"]))
        if outcome["status"] != "applied":
            return
        self._expect(kind, who, event)
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

    def _expect(self, kind: str, who: str, event: Row) -> None:
        """Keep of what was applied which blocks wait, when trials end, and what was too late."""
        data = event["data"]
        if kind == "credit.granted":
            self._refused.discard((who, data["block"]))
            if data.get("usable") == "when_funded":
                self._waiting.add((who, data["block"]))
        if kind == "subscription.started" or "trial_until" in data:
            end = data.get("trial_until", event["time"])
            self._trials[who, data["subscription"]].append(_time(end))
        if kind == "usage.recorded":
            age = _time(event["recordedtime"]) - _time(event["time"])
            if age > self._window:
                self._too_late.add((who, event["id"]))

    def may_refuse(self, event: Row, outcome: Row) -> bool:
        """Whether the code is one that this fact may have: a plain grant has none."""
        kind, data, code = _kind(event), event["data"], outcome.get("code")
        blends = data.get("blends", [])
        if code == "unknown_block":
            named = {data.get("block"), *blends}
            return any((event["subject"], block) in self._refused for block in named)
        if kind == "credit.granted" and not blends:
            return False
        return code in self._may_be_refused.get(kind, ())

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
            self._waited(read)
            self._owed_whole(read)
            self._tried(who, read)
        except (AssertionError, KeyError) as wrong:
            self.verdict.fault("differing", f"{who}: {wrong!r}")

    def _priced(self, records: Records) -> None:
        """What a rate is said to be is what was published."""
        for outcome in records.applied:
            for each in (*outcome.get("entries", ()), *outcome.get("overage", ())):
                if "rate" in each:
                    price = self._prices[each["meter"], each["unit"]]
                    assert Fraction(each["rate"]) == price, (each, outcome)

    def _waited(self, records: Records) -> None:
        """What waits for its payment is nowhere but where it was issued until all is funded."""
        begun: set[tuple[str, str]] = set()
        for step, lots, touched in records.replay():
            for key in (touched & self._waiting) - begun:
                lot = lots[key]
                if lot.funded >= lot.worth:
                    begun.add(key)
                else:
                    used = {place: n for place, n in lot.places.items() if n and place in _USABLE}
                    assert not used, (key, used, step.outcome)

    def _owed_whole(self, records: Records) -> None:
        """No credit covers usage that came too late, now or later."""
        for outcome in records.applied:
            for each in outcome.get("entries", ()):
                usage = (outcome.get("customer", ""), each.get("usage"))
                assert usage not in self._too_late, (each, outcome)

    def _tried(self, who: str, records: Records) -> None:
        """Credit for a trial ends with it, and what comes after it begins no earlier."""
        for (_, id_), block in records.terms.items():
            if "rolled_from" in block or block.get("program") not in {_AFTER, _ONLY}:
                continue
            ends = self._trials.get((who, id_.split(":")[1]), [])
            if block["program"] == _ONLY:
                assert _time(block["expires_at"]) in ends, block
            elif ends:
                assert min(ends) <= _time(block["effective_at"]), block

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


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _kind(event: Row) -> str:
    return event["type"].removeprefix("creditfold.").removesuffix(".v1")
