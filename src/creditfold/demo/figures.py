"""All figures of the demo, from the records of ledger and revenue and the facts behind them.

The state is not asked: units are added up from ledger entries, money from postings, and where
both say something about one account they have to agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from creditfold.contract.sums import SCALE, scaled
from creditfold.contract.topics import COMMANDS, INVOICES, LEDGER, REVENUE, event_type
from creditfold.core.exact import half_even
from creditfold.log.records import Record

CENTS = 2
"""The demo's only currency is USD."""

_STEP = 10 ** (SCALE - CENTS)

FUNDING_RULES = ("R-BILL", "R-PAY-FUNDS")


class Log(Protocol):
    """The topics of one partition."""

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""


class Flow(Struct):
    """A block: units in steps of 10**-18 from the ledger, money in cents from the postings."""

    customer: str
    block: str
    kind: str
    unit: str
    effective_at: str
    expires_at: str | None
    value: int = 0
    granted: int = 0
    active: int = 0
    drawn: int = 0
    expired: int = 0
    funded: int = 0

    @property
    def left(self) -> int:
        """What may still be drawn, now or later."""
        return self.granted - self.drawn - self.expired

    @property
    def earned(self) -> int:
        """Usage revenue and breakage, by the rule, from units."""
        used = half_even(self.value * self.drawn, self.granted)
        return used if self.left else max(used, self.funded)

    @property
    def carrying(self) -> int:
        """What account 2000 should hold for it."""
        return max(0, self.funded - self.earned)


class Due(Struct):
    """What fell due at one instant: how many blocks, what moved, and the breakage of it."""

    what: str
    at: str
    blocks: int = 0
    moved: dict[str, int] = {}
    breakage: int = 0


class Figures(Struct):
    """What the topics hold."""

    statuses: Counter[str]
    codes: Counter[str]
    details: dict[str, str]
    types: Counter[str]
    flows: dict[tuple[str, str], Flow]
    due: dict[tuple[str, str], Due]
    overage: dict[tuple[str, str], int]
    overage_count: Counter[str]
    journal: dict[tuple[str, str, str], list[int]]
    accounts: dict[str, list[int]]
    heads: dict[str, str]
    payments: int = 0
    telling: tuple[int, str] = (0, "")
    billed: Counter[str] = msgspec.field(default_factory=Counter)
    batches: int = 0
    head: str = ""
    records: int = 0

    def balance(self, account: str) -> int:
        """Debits less credits, in cents."""
        debit, credit = self.accounts.get(account, (0, 0))
        return debit - credit

    def accrued(self, customer: str | None = None) -> int:
        """Overage in cents as the ledger holds it, by running total per customer and meter."""
        return sum(
            half_even(amount, _STEP)
            for (owner, _), amount in self.overage.items()
            if customer is None or owner == customer
        )

    @property
    def ahead(self) -> int:
        """Earned from blocks before anybody was billed for them, in cents."""
        return sum(max(0, flow.earned - flow.funded) for flow in self.flows.values())


def gather(log: Log) -> Figures:
    """Read the topics once."""
    figures = Figures(
        Counter(), Counter(), {}, Counter(), {}, {}, defaultdict(int), Counter(), {}, {}, {}
    )
    causes: dict[str, tuple[str, str]] = {}
    _grants(log, figures)
    for record in log.read(LEDGER.name):
        figures.records += 1
        data = msgspec.json.decode(record.value or b"{}")
        if "batch" in data:
            figures.batches, figures.head = data["batch"], data["out"]
        else:
            _outcome(figures, data, causes)
    for record in log.read(REVENUE.name):
        figures.records += 1
        _posting(figures, msgspec.json.decode(record.value or b"{}"), causes)
    _payments(log, figures)
    return figures


def _grants(log: Log, figures: Figures) -> None:
    wanted = event_type("credit.granted").encode()
    for record in log.read(COMMANDS.name):
        if dict(record.headers).get("ce_type") != wanted:
            continue
        data = msgspec.json.decode(record.value or b"{}")
        customer = (record.key or b"").decode()
        value = scaled(data.get("value", {}).get("amount", 0)) // _STEP
        begins = data.get("effective_at", dict(record.headers)["ce_time"].decode())
        figures.flows[customer, data["block"]] = Flow(
            customer,
            data["block"],
            data["kind"],
            data["unit"],
            begins,
            data.get("expires_at"),
            value,
        )


def _outcome(figures: Figures, data: dict[str, Any], causes: dict[str, tuple[str, str]]) -> None:
    cause = data["cause"]
    if "clock" in cause:
        what = cause["due"].partition(" ")[0]
        due = figures.due.setdefault((what, cause["clock"]), Due(what, cause["clock"], moved={}))
        due.blocks += 1
        causes[data["outcome"]] = (what, cause["clock"])
        for entry in data.get("entries", ()):
            due.moved[entry["unit"]] = due.moved.get(entry["unit"], 0) + scaled(entry["quantity"])
    else:
        figures.statuses[data["status"]] += 1
        figures.types[f"{data['status']} {cause.get('type', '')}"] += 1
        _notice_telling(figures, data)
    if "code" in data:
        figures.codes[data["code"]] += 1
        figures.details[data["code"]] = data.get("detail", "")
    if data["status"] == "applied":
        figures.heads[data.get("customer", "")] = data["hash"]
    for entry in data.get("entries", ()):
        _entry(figures.flows[data["customer"], entry["block"]], entry)
    for line in data.get("overage", ()):
        figures.overage_count[data["customer"]] += 1
        if line.get("unit") == "USD":
            figures.overage[data["customer"], line["meter"]] += scaled(line["amount"])


def _notice_telling(figures: Figures, data: dict[str, Any]) -> None:
    """The usage event that did the most is the one to be traced first."""
    if not data.get("overage") or not data.get("entries"):
        return
    done = len(data["entries"]) + data.get("emitted", {}).get("postings", 0)
    if done > figures.telling[0]:
        figures.telling = (done, data["cause"]["id"])


def _entry(flow: Flow, entry: dict[str, str]) -> None:
    moved = scaled(entry["quantity"])
    if entry["from"] == "origin":
        flow.granted += moved
    for place, sign in ((entry["from"], -1), (entry["to"], 1)):
        if place == "drawn":
            flow.drawn += sign * moved
        elif place == "expired":
            flow.expired += sign * moved
        elif place == "available":
            flow.active += sign * moved


def _posting(figures: Figures, data: dict[str, Any], causes: dict[str, tuple[str, str]]) -> None:
    amount, rule = data["amount"], data["rule"]
    line = figures.journal.setdefault((rule, data["debit"], data["credit"]), [0, 0])
    line[0] += 1
    line[1] += amount
    figures.accounts.setdefault(data["debit"], [0, 0])[0] += amount
    figures.accounts.setdefault(data["credit"], [0, 0])[1] += amount
    if rule in FUNDING_RULES and "block" in data:
        figures.flows[data["customer"], data["block"]].funded += amount
    if rule == "R-BILL-ARREARS" and data["credit"] == "1150":
        figures.billed[data["customer"]] += amount
    if rule == "R-EXPIRE" and data["cause"] in causes:
        figures.due[causes[data["cause"]]].breakage += amount


def _payments(log: Log, figures: Figures) -> None:
    """What the payments say that came in. The scenario sends each once, and none is refused."""
    wanted = event_type("invoice.paid").encode()
    for record in log.read(INVOICES.name):
        if dict(record.headers).get("ce_type") == wanted:
            data = msgspec.json.decode(record.value or b"{}")
            figures.payments += scaled(data["amount"]) // _STEP
