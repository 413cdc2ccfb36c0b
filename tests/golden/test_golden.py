"""The golden log: the code gives the committed bytes, so a change of behaviour is deliberate."""

from __future__ import annotations

import json

import pytest

from creditfold.contract.topics import NOTICES, event_type
from creditfold.core.fold import BEHAVIOUR
from creditfold.core.rejections import Code
from creditfold.partition.simulation import Simulation
from golden.regenerate import DIRECTORY, INPUTS, golden
from properties.events import of_type

LINES = INPUTS.read_bytes().splitlines()
EVENTS = [json.loads(line) for line in LINES]
RULES = {
    "R-BILL",
    "R-PAY",
    "R-PAY-FUNDS",
    "R-DRAW",
    "R-DRAW-UNFUNDED",
    "R-OVERAGE",
    "R-EXPIRE",
    "R-REOPEN",
    "R-ROLL",
    "R-RESET",
    "R-CORRECT",
    "R-BILL-ARREARS",
    "R-BACKFILL",
    "R-DROP",
    "R-SLA-GRANT",
    "R-DRAW-SLA",
    "R-EXPIRE-SLA",
    "R-ADJUST",
    "R-FORFEIT",
    "R-REFUND",
    "R-CONCEDE",
    "R-REFUND-PAID",
    "R-CHARGEBACK",
    "R-CREDIT-NOTE",
    "R-APPLY-BAL",
    "R-APPLY-CREDIT",
    "R-TRANCHE",
    "R-VOID",
    "R-TRANSFER",
    "R-WRITEOFF",
    "R-SHORTFALL",
    "R-SHORTFALL-PROP",
    "R-RATABLE",
    "R-ALLOC",
    "R-DRAW-PROP",
    "R-REESTIMATE",
    "R-RATABLE-UNFUNDED",
}


def committed(name: str) -> list[bytes]:
    return (DIRECTORY / f"{name}.jsonl").read_bytes().splitlines()


def stored(name: str) -> list[dict]:
    return [json.loads(line) for line in committed(name)]


@pytest.mark.parametrize("name", ["ledger", "revenue", "notices", "balances"])
def test_the_committed_bytes_come_out_again(name):
    """Where this fails on purpose: raise BEHAVIOUR, and run tests/golden/regenerate.py."""
    now = golden(LINES)[name]
    for expected, line in zip(committed(name), now, strict=False):
        assert expected == line
    assert len(committed(name)) == len(now)


def test_the_directory_is_that_of_this_behaviour():
    assert f"behaviour-{BEHAVIOUR}" == DIRECTORY.name
    codes = {json.dumps(b["code"]) for b in of_type(stored("ledger"), "ledger.batch")}
    assert {json.dumps({"behaviour": BEHAVIOUR, "tz": "any"})} == codes


def test_the_golden_log_touches_every_rule_code_and_status():
    assert 120 <= len(EVENTS)
    outcomes = of_type(stored("ledger"), "ledger.outcome")
    assert {"applied", "rejected", "duplicate"} == {o["status"] for o in outcomes}
    assert set(Code) <= {o.get("code") for o in outcomes}
    assert set() == RULES - {p["rule"] for p in of_type(stored("revenue"), "revenue.posting")}
    due = {o["cause"]["due"].split()[0] for o in outcomes if "due" in o["cause"]}
    assert {
        "activation",
        "commitment",
        "commitment_progress",
        "expiring",
        "expiry",
        "hold_end",
        "invoice_due",
        "ratable",
        "refill",
        "repayment",
        "rollover",
        "statement",
        "subscription",
        "top_up",
        "tranches_end",
    } == due
    told = {r["data"]["what"] for r in map(json.loads, committed("notices"))}
    assert set(NOTICES.types) == {event_type(f"notice.{what}") for what in told}
    places = {(e["from"], e["to"]) for o in outcomes for e in o.get("entries", ())}
    assert {
        ("origin", "issued"),
        ("issued", "available"),
        ("available", "drawn"),
        ("available", "held"),
        ("held", "available"),
        ("held", "drawn"),
        ("held", "expired"),
        ("available", "expired"),
        ("available", "rolled_out"),
        ("expired", "available"),
        ("origin", "available"),
        ("available", "origin"),
        ("issued", "voided"),
        ("available", "voided"),
        ("available", "refunded"),
        ("drawn", "available"),
        ("available", "transferred_out"),
        ("transferred_out", "available"),
        ("available", "applied"),
        ("applied", "available"),
        ("applied", "expired"),
    } == places


def test_the_simulation_gives_the_same_but_for_the_tz_database_in_its_headers():
    simulation, records = Simulation(), []
    for event in EVENTS:
        records += simulation.feed(event)
    records += simulation.sweep("2026-04-02T00:00:00Z")
    rest = [r for r in records if r["type"] != "creditfold.ledger.batch.v1"]
    files = [r for name in ("ledger", "revenue", "notices", "transfers") for r in stored(name)]
    expected = [r for r in files if r["type"] != "creditfold.ledger.batch.v1"]
    key = lambda r: (r["type"], r["id"], r["time"], json.dumps(r))  # noqa: E731  # three files
    assert sorted(expected, key=key) == sorted(rest, key=key)
