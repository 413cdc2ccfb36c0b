"""Every scenario in data/: facts in, and what an auditor would work out by hand on the left."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from creditfold.partition.simulation import Simulation
from properties.events import Event, fact, instant, of_type, outcomes, postings, snapshots
from properties.invariants import check_all
from properties.records import Records

HERE = Path(__file__).parent
SETTINGS: dict[str, list[Event]] = json.loads((HERE / "settings.json").read_text())
SCENARIOS = sorted((HERE / "data").glob("*.json"))
CUSTOMER = "c1"


class Run:
    """A scenario fed to the fold: the setting, a customer, then `given` and `when` in order."""

    def __init__(self, scenario: Event, until: str | None = None) -> None:
        self.fold = Simulation()
        self.out: list[Event] = []
        self.now = 0
        for step in SETTINGS[scenario["setting"]]:
            self._feed(step, catalog=True)
        begin = {"currency": _currency(scenario), "time_zone": "UTC"}
        created = {"fact": "customer.created", "id": "c1", "at": "2023-01-01T00:00:00Z"}
        self._feed({**created, "data": begin})
        for step in scenario["given"]:
            self._feed_until(step, until)
        assert {"applied"} == {o["status"] for o in outcomes(self.out)}, "the setting was refused"
        self.begin = len(outcomes(self.out))
        for step in scenario["when"]:
            self._feed_until(step, until)
        if until is not None:
            self.out += self.fold.sweep(until)
            self.out += self.fold.snapshots(until)

    def _feed_until(self, step: Event, until: str | None) -> None:
        at = step.get("sweep") or step.get("recorded") or step["at"]
        if until is not None and max(self.now, instant(at)) > instant(until):
            return
        self.now = max(self.now, instant(at))
        if "sweep" in step:
            self.out += self.fold.sweep(step["sweep"])
        else:
            self._feed(step, catalog=step.get("catalog", False))

    def _feed(self, step: Event, *, catalog: bool = False) -> None:
        customer = None if catalog else CUSTOMER
        source = step.get("source", "/scenario")
        self.out += self.fold.feed(
            fact(
                step["fact"],
                self._named(step["data"]),
                id=step["id"],
                at=step["at"],
                customer=customer,
                recorded=step.get("recorded"),
                source=source,
            )
        )

    def _named(self, data: Any) -> Any:
        """`overage of u1`, `request of u1` stand for the ids that the fold gave to them."""
        if isinstance(data, dict):
            return {key: self._named(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self._named(value) for value in data]
        if isinstance(data, str) and data.startswith("overage of "):
            usage = data.removeprefix("overage of ")
            return next(
                over["id"]
                for o in outcomes(self.out)
                if o["cause"].get("id") == usage
                for over in o.get("overage", [])
            )
        if isinstance(data, str) and data.startswith("request of "):
            cause = data.removeprefix("request of ")
            (id_,) = [o["outcome"] for o in outcomes(self.out) if o["cause"].get("id") == cause]
            return next(n["notice"] for n in self.wanted() if n["outcome"] == id_)
        return data

    def wanted(self) -> list[Event]:
        """The top-ups that were asked for."""
        return [r["data"] for r in self.out if r["type"] == "creditfold.notice.top_up_wanted.v1"]

    def by_cause(self) -> dict[str, list[Event]]:
        """Postings by the id of their fact, or by what fell due when."""
        names = {
            o["outcome"]: o["cause"].get("id") or f"{o['cause']['clock']} {o['cause']['due']}"
            for o in outcomes(self.out)
            if o["status"] == "applied"
        }
        found: dict[str, list[Event]] = {}
        for line in postings(self.out):
            found.setdefault(names[line["cause"]], []).append(line)
        return found


def _currency(scenario: Event) -> str:
    for step in (*scenario["given"], *scenario["when"]):
        if "currency" in step.get("data", {}):
            return step["data"]["currency"]
    return "USD"


def _net(lines: list[Event], **only: str) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for line in lines:
        if all(line.get(key) == value for key, value in only.items()):
            totals[line["debit"]] += line["amount"]
            totals[line["credit"]] -= line["amount"]
    return {account: amount for account, amount in sorted(totals.items()) if amount}


def _check_journal(then: Event, run: Run) -> None:
    found = run.by_cause()
    if "journal" in then:
        expected = {cause: entry["accounts"] for cause, entry in then["journal"].items()}
        assert expected == {cause: _net(lines) for cause, lines in found.items()}
        for cause, entry in then["journal"].items():
            assert {entry["date"]} == {line["effective_date"] for line in found[cause]}, cause
    for cause, rules in then.get("rules", {}).items():
        assert rules == list(dict.fromkeys(line["rule"] for line in found[cause])), cause
    for cause, blocks in then.get("by_block", {}).items():
        for block, accounts in blocks.items():
            net = _net(found[cause], block=block)
            assert accounts == {account: net.get(account) for account in accounts}, (cause, block)
    for cause, products in then.get("by_product", {}).items():
        earned = {
            product: -_net(found[cause], product=product, credit="4000").get("4000", 0)
            for product in {line.get("product") for line in found[cause]}
        }
        assert products == earned, cause


def _check_state(expected: Event, scenario: Event) -> None:
    run = Run(scenario, expected["at"])
    snapshot = snapshots(run.out)[CUSTOMER]
    blocks = {block["block"]: block for block in snapshot["blocks"]}
    if not expected.get("blocks", True):
        assert {} == blocks
    for name, places in expected.get("blocks", {}).items():
        for place, amount in places.items():
            assert Fraction(amount) == _amount(blocks[name][place]), (expected["at"], name, place)
    for what in ("usable", "overage"):
        if what in expected:
            stated = {u: Fraction(n) for u, n in snapshot[what].items() if Fraction(n)}
            assert {u: Fraction(n) for u, n in expected[what].items()} == stated, (what, expected)
    terms = {each["shortfall"]: each for each in snapshot["commitments"]}
    for name, figures in expected.get("commitments", {}).items():
        stands = {figure: terms[name][figure] for figure in figures}
        assert figures == stands, (expected["at"], name)
    minor = 0 if _currency(scenario) == "JPY" else 2
    check_all(Records(run.out, minor={CUSTOMER: minor}))


def _amount(value: Any) -> Fraction:
    return Fraction(value["amount"] if isinstance(value, dict) else value)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_the_scenario_says_comes_out(path: Path):
    """Statuses, which block paid what, the journal per event and account, and the balances."""
    scenario = json.loads(path.read_text())
    then, run = scenario["then"], Run(scenario)
    told = [o for o in outcomes(run.out)[run.begin :] if "clock" not in o["cause"]]
    statuses = [" ".join(filter(None, (o["status"], o.get("code")))) for o in told]
    assert then.get("statuses", ["applied"] * len(told)) == statuses
    for cause, burned in then.get("burned", {}).items():
        (outcome,) = [o for o in told if o["cause"]["id"] == cause]
        drawn = [e for e in outcome.get("entries", []) if e["to"] == "drawn"]
        assert burned == [[e["block"], e["quantity"]] for e in drawn], cause
    for cause, applied in then.get("applied", {}).items():
        (outcome,) = [o for o in told if o["cause"]["id"] == cause]
        paid = [e for e in outcome.get("entries", []) if e["to"] == "applied"]
        assert applied == [[e["block"], e["quantity"], e["line"]] for e in paid], cause
    for cause, returned in then.get("returned", {}).items():
        (outcome,) = [o for o in told if o["cause"]["id"] == cause]
        back = [e for e in outcome.get("entries", []) if e["from"] == "drawn"]
        assert returned == [[e["block"], e["quantity"]] for e in back], cause
    for cause, what in then.get("notices", {}).items():
        (outcome,) = [o for o in told if o["cause"]["id"] == cause]
        sent = [r for r in run.out if r["type"].startswith("creditfold.notice.")]
        mine = [r["data"]["what"] for r in sent if r["data"]["outcome"] == outcome["outcome"]]
        assert what == mine, cause
    if "statements" in then:
        ready = of_type(run.out, "notice.statement_ready")
        assert then["statements"] == [notice["statement"] for notice in ready]
    if "wanted" in then:
        asked = [[n["effective_at"], n["quantity"], n["unit"]] for n in run.wanted()]
        assert then["wanted"] == asked
    _check_journal(then, run)
    for expected in then.get("at", []):
        _check_state(expected, scenario)


def test_every_scenario_file_says_what_should_come_out():
    """A scenario without figures, words or a source proves nothing."""
    assert len(SCENARIOS) >= 40
    for path in SCENARIOS:
        scenario = json.loads(path.read_text())
        assert path.stem == scenario["name"]
        assert all(scenario[key] for key in ("words", "source", "then", "setting")), path
        assert set(scenario["then"]) <= {
            "statuses",
            "burned",
            "returned",
            "applied",
            "notices",
            "wanted",
            "statements",
            "journal",
            "rules",
            "by_block",
            "by_product",
            "at",
        }, path


def test_no_two_scenarios_are_the_same():
    """Copies would inflate the count."""
    bodies = [json.loads(path.read_text()) for path in SCENARIOS]
    facts = [json.dumps([s["setting"], s["given"], s["when"]], sort_keys=True) for s in bodies]
    assert len(facts) == len(set(facts))
