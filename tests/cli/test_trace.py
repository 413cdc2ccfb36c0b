"""`creditfold trace`: from an id to every number that it made."""

from __future__ import annotations

import pytest

from cli.support import documents, event, invoke, published, usage


@pytest.fixture
def directory(tmp_path):
    return published(
        tmp_path / "d", usage("u1", "30"), usage("u1", "30"), usage("u2", "1", subject="bo")
    )


def tell(directory, *args: object):
    result = invoke("trace", *args, "--data-dir", directory, "-o", "json")
    assert 0 == result.exit_code, result.output
    return documents(result.stdout)[0]


def test_an_applied_event_leads_to_entries_postings_and_balances(directory) -> None:
    told = tell(directory, "u1")

    first, second = told["outcomes"]
    assert ["applied", "duplicate"] == [first["status"], second["status"]]
    assert "10" == first["entries"][0]["quantity"]
    assert "5" == first["overage"][0]["amount"]
    assert [800, 500] == [posting["amount"] for posting in first["postings"]]
    assert "HE(V*u1/Q)-HE(V*u0/Q)" == first["postings"][0]["proof"]["f"]
    assert {"USD": "0"} == first["balances"]
    assert [] == second["postings"]
    assert {"meter": "calls", "quantity": "30"} == told["inputs"][0]["data"]


def test_the_table_has_the_formula_with_its_operands(directory) -> None:
    result = invoke("trace", "u1", "--data-dir", directory)

    assert 0 == result.exit_code
    for text in ("HE(V*u1/Q)-HE(V*u0/Q)", "V = 800", "R-DRAW", "2000", "duplicate", "0.5 for each"):
        assert text in result.stdout


def test_late_usage_tells_what_it_leaves_of_a_shortfall(tmp_path) -> None:
    commitment = {"unit": "USD", "quantity": "100", "term": "P1D"}
    start = {"subscription": "s", "plan": "pro", "period": "month", "commitment": commitment}
    directory = published(
        tmp_path / "d",
        event("s9", "subscription.started", start),
        usage("u1", "2", time="2026-03-03T12:00:00Z"),
        usage("u2", "30", time="2026-03-01T12:00:00Z"),
    )
    table = invoke("trace", "u2", "--data-dir", directory).stdout
    for text in ("s:shortfall:1: 15 of 100 USD count, 85 missing, 85 USD", "notice shortfall: s:"):
        assert text in table


def test_a_refused_event_says_why_and_what_to_do(directory) -> None:
    assert "unknown_customer" == tell(directory, "u2")["outcomes"][0]["code"]
    assert "customer.created" in invoke("trace", "u2", "--data-dir", directory).stdout


def test_an_id_that_creditfold_made_leads_back_to_the_event(directory) -> None:
    told = tell(directory, "u1")
    made = told["outcomes"][0]["postings"][0]["posting"]

    back = tell(directory, made)

    assert "u1" == back["inputs"][0]["id"]


def test_a_source_tells_two_events_of_one_id_apart(directory) -> None:
    assert 1 == len(tell(directory, "s4", "--source", "test")["inputs"])
    assert 1 == invoke("trace", "s4", "--source", "x", "--data-dir", directory).exit_code


def test_a_catalog_fact_has_a_story_too(directory) -> None:
    assert "applied" == tell(directory, "s2")["outcomes"][0]["status"]
    assert 0 == invoke("trace", "s2", "--data-dir", directory).exit_code


def test_what_was_never_seen_is_refused_with_advice(directory) -> None:
    result = invoke("trace", "u3", "--data-dir", directory)

    assert 1 == result.exit_code
    assert "" == result.stdout
    assert "never seen u3" in result.stderr


def test_a_dead_letter_is_told(tmp_path) -> None:
    from creditfold.local.runtime import Input, LocalRuntime

    headers = (("ce_specversion", b"1.0"), ("ce_id", b"u9"), ("ce_source", b"test"))
    with LocalRuntime(tmp_path / "d", lambda: 10**15) as runtime:
        runtime.append([Input("creditfold.usage.v1", 10**15, b"ada", b"\xff", headers)])
        list(runtime.run())

    assert "dead_letter" == tell(tmp_path / "d", "u9")["outcomes"][0]["status"]
    assert "dead letter" in invoke("trace", "u9", "--data-dir", tmp_path / "d").stdout


def test_an_input_that_waits_says_so(tmp_path) -> None:
    from creditfold.local.runtime import Input, LocalRuntime

    headers = (("ce_specversion", b"1.0"), ("ce_id", b"u9"), ("ce_source", b"test"))
    with LocalRuntime(tmp_path / "d", lambda: 10**15) as runtime:
        runtime.append([Input("creditfold.usage.v1", 10**15, b"ada", b"{}", headers)])

    assert [] == tell(tmp_path / "d", "u9")["outcomes"]
    assert "waits to be folded" in invoke("trace", "u9", "--data-dir", tmp_path / "d").stdout


def test_a_usage_tells_what_later_facts_changed_of_it(tmp_path) -> None:
    """Late usage takes what it had drawn, and a correction gives a part of that back."""
    late = usage("u2", "4", time="2026-03-02T11:00:00Z", recordedtime="2026-03-02T13:00:00Z")
    named = {"usage": {"source": "test", "id": "u2"}}
    less = event("c1", "usage.corrected", named | {"quantity": "1"}, time="2026-03-02T14:00:00Z")
    directory = published(tmp_path / "d", usage("u1", "18"), late, less)
    told = documents(invoke("trace", "u1", "--data-dir", directory, "-o", "json").stdout)[0]
    assert ["u2", "c1"] == [change["cause"]["id"] for change in told["since"]["changes"]]
    assert ({"b1": "9"}, "0") == (told["since"]["draws"], told["since"]["uncovered"])
    mine = documents(invoke("trace", "u2", "--data-dir", directory, "-o", "json").stdout)[0]
    assert ({"b1": "0.5"}, "0") == (mine["since"]["draws"], mine["since"]["uncovered"])
    shown = invoke("trace", "u1", "--data-dir", directory).stdout
    for text in ("Changed since", "drawn → available", "it draws now: 9 of b1"):
        assert text in shown
    result = invoke("customer", "show", "ada", "--data-dir", directory)
    assert "of u1" in result.stdout


def test_a_usage_that_was_retracted_draws_nothing_now(tmp_path) -> None:
    named = {"usage": {"source": "test", "id": "u1"}}
    gone = event("r1", "usage.retracted", named, time="2026-03-02T14:00:00Z")
    directory = published(tmp_path / "d", usage("u1", "30"), gone)
    told = documents(invoke("trace", "u1", "--data-dir", directory, "-o", "json").stdout)[0]
    assert ({}, "0") == (told["since"]["draws"], told["since"]["uncovered"])
    assert "it draws now: nothing" in invoke("trace", "u1", "--data-dir", directory).stdout


def test_a_usage_that_nothing_changed_tells_no_changes(tmp_path) -> None:
    directory = published(tmp_path / "d", usage("u1", "3"), usage("u2", "1"))
    told = documents(invoke("trace", "u1", "--data-dir", directory, "-o", "json").stdout)[0]
    assert "since" not in told
