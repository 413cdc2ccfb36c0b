"""`creditfold simulate`: facts in, records and snapshots out, no clock and no directory."""

from __future__ import annotations

from pathlib import Path

from cli.support import documents, event, invoke, jsonl, setup, usage


def simulate(events, *args: object):
    return invoke("simulate", "-", *args, stdin=jsonl(events))


def test_records_come_out_and_then_one_snapshot_a_customer() -> None:
    result = simulate([*setup(), usage("u1", "4")], "--until", "2026-03-09T00:00:00Z")

    found = documents(result.stdout)
    assert 0 == result.exit_code
    types = [each["type"] for each in found]
    assert "creditfold.ledger.batch.v1" == types[0]
    assert ["creditfold.balance.snapshot.v1"] == types[-1:]
    assert {"creditfold.ledger.outcome.v1", "creditfold.revenue.posting.v1"} < set(types)
    assert ("ada", {"USD": "8"}) == (found[-1]["subject"], found[-1]["data"]["usable"])
    assert [] == list(Path().iterdir()), "nothing is written"


def test_what_falls_due_at_until_is_folded() -> None:
    found = documents(simulate(setup(), "--until", "2026-03-10").stdout)

    assert "10" == found[-1]["data"]["blocks"][0]["expired"]
    assert any(each["data"].get("rule") == "R-EXPIRE" for each in found)


def test_facts_recorded_later_are_not_read() -> None:
    later = usage("u1", "4", time="2026-03-05T00:00:00Z", recordedtime="2026-03-05T00:00:00Z")

    found = documents(simulate([*setup(), later], "--until", "2026-03-04").stdout)

    assert {"USD": "10"} == found[-1]["data"]["usable"]


def test_two_runs_are_the_same_to_the_byte() -> None:
    events = [*setup(), usage("u1", "4")]
    assert simulate(events).stdout == simulate(events).stdout


def test_a_table_shows_the_snapshots() -> None:
    result = simulate([*setup(), usage("u1", "4")], "--output", "table")

    assert 0 == result.exit_code
    assert "Customer ada" in result.stdout
    assert "b1" in result.stdout
    assert "creditfold.ledger" not in result.stdout


def test_a_bad_line_is_named_and_the_rest_goes_on() -> None:
    lines = b"no\n" + jsonl(setup())
    result = invoke("simulate", "-", stdin=lines)

    assert 1 == result.exit_code
    assert "line 1: not_json" in result.stderr
    assert "ada" == documents(result.stdout)[-1]["subject"]


def test_nothing_in_gives_nothing_out() -> None:
    result = invoke("simulate", "-", stdin=b"")

    assert (0, "") == (result.exit_code, result.stdout)


def test_a_rejection_is_a_record_like_any_other() -> None:
    found = documents(simulate([event("x", "usage.imagined", {})]).stdout)

    assert "unknown_type" == found[1]["data"]["code"]
