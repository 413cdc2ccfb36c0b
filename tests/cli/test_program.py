"""`creditfold program preview`: what a rule would grant, and nothing of it is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.support import documents, event, invoke, jsonl, published, setup

RULE = {
    "program": "monthly",
    "version": 1,
    "effective_from": "2026-03-01T00:00:00Z",
    "who": {"field": "customer.attributes.plan", "eq": "pro"},
    "grant": {"kind": "promotional", "unit": "USD", "quantity": "5", "expires": "period_end"},
    "every": "month",
    "anchor": "calendar",
}


def people() -> list[dict[str, Any]]:
    """Two who match, one of them later, and one who does not."""
    plan = {"currency": "USD", "attributes": {"plan": "pro"}}
    later = "2026-03-20T00:00:00Z"
    return [
        event("p1", "customer.created", plan, "bo"),
        event("p2", "customer.created", {"currency": "USD"}, "cy", time=later),
        event("p3", "customer.updated", {"attributes": {"plan": "pro"}}, "cy", time=later),
    ]


@pytest.fixture
def rule(tmp_path):
    def written(**changes: object) -> Path:
        path = tmp_path / "rule.json"
        path.write_text(json.dumps(RULE | changes), "utf-8")
        return path

    return written


def preview(*args: object):
    return invoke("program", "preview", *args)


def previewed(*args: object) -> dict[str, Any]:
    result = preview(*args, "-o", "json")
    assert 0 == result.exit_code, result.output
    return documents(result.stdout)[0]


def shown(document: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(g["customer"], g["block"], g["at"], g["expires_at"]) for g in document["grants"]]


APRIL, MAY = "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"
WANTED = [
    ("bo", "monthly:bo:1", "2026-03-01T00:00:00Z", APRIL),
    ("cy", "monthly:cy:1", "2026-03-20T00:00:00Z", APRIL),
    ("bo", "monthly:bo:2", APRIL, MAY),
    ("cy", "monthly:cy:2", APRIL, MAY),
]


def test_a_recorded_log_tells_whom_the_rule_would_have_granted_what(tmp_path, rule) -> None:
    directory = published(tmp_path / "data", *people())
    before = invoke("customer", "show", "bo", "--data-dir", directory, "-o", "json").stdout

    found = previewed(rule(), "--until", "2026-04-15", "--data-dir", directory)

    assert WANTED == shown(found)
    assert ({"USD": "20"}, 4, 2) == (found["totals"], found["blocks"], found["granted_to"])
    assert ("monthly", 1, 3) == (found["program"], found["version"], found["customers"])
    after = invoke("customer", "show", "bo", "--data-dir", directory, "-o", "json").stdout
    assert before == after, "nothing is written"
    assert previewed(rule(), "--until", "2026-04-15", "--data-dir", directory) == found


def test_what_is_previewed_is_what_publishing_it_does(tmp_path, rule) -> None:
    facts = [*setup(), *people()]
    fact = event("rule", "program.published", RULE, None)
    path = tmp_path / "facts.jsonl"
    path.write_bytes(jsonl(facts))
    done = documents(
        invoke("simulate", "-", "--until", "2026-04-15", stdin=jsonl([fact, *facts])).stdout
    )
    made = {
        (each["data"]["customer"], entry["block"])
        for each in done
        for entry in each["data"].get("entries", ())
        if entry["from"] == "origin" and entry["block"].startswith("monthly:")
    }

    found = previewed(rule(), "--until", "2026-04-15", "--facts", path)

    assert made == {(each["customer"], each["block"]) for each in found["grants"]}
    assert WANTED == shown(found)


def test_one_customer_alone_is_shown_and_one_that_is_not_there_is_named(tmp_path, rule) -> None:
    directory = published(tmp_path / "data", *people())

    args = (rule(), "--until", "2026-04-15", "--data-dir", directory)
    found = previewed(*args, "--customer", "cy")
    missing = preview(*args, "--customer", "zoe")

    assert [each for each in WANTED if each[0] == "cy"] == shown(found)
    assert {"USD": "10"} == found["totals"]
    assert (1, True) == (missing.exit_code, "no customer zoe" in missing.stderr)


def test_a_new_version_is_previewed_from_its_own_date(tmp_path, rule) -> None:
    first = event("rule", "program.published", RULE, None)
    directory = published(tmp_path / "data", first, *people())
    grant = RULE["grant"] | {"quantity": "7"}
    second = rule(version=2, effective_from=APRIL, grant=grant)

    found = previewed(second, "--until", "2026-05-15", "--data-dir", directory)

    assert {(APRIL, "7"), (MAY, "7")} == {(e["at"], e["quantity"]) for e in found["grants"]}
    assert {"USD": "28"} == found["totals"]


def test_a_rule_waits_for_the_unit_that_the_log_declares_after_it(tmp_path, rule) -> None:
    declared = {"unit": "credits", "version": 1, "exponent": 0}
    later = event("u", "unit.declared", declared, None, time="2026-03-25T00:00:00Z")
    directory = published(tmp_path / "data", *people(), later)
    waits = rule(grant=RULE["grant"] | {"unit": "credits"})

    found = previewed(waits, "--until", "2026-04-15", "--data-dir", directory)

    assert "2026-03-25T00:00:00Z" == found["published_at"]
    assert {"credits"} == set(found["totals"])


def test_a_table_for_people_has_the_blocks_and_the_totals(tmp_path, rule) -> None:
    directory = published(tmp_path / "data", *people())

    result = preview(rule(), "--until", "2026-04-15", "--data-dir", directory)

    assert 0 == result.exit_code
    assert "monthly:cy:2" in result.stdout
    assert "4 blocks   to 2 of 3 customers: 20 USD" in result.stdout


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{", 2, "is no JSON"),
        ("[]", 2, "as one JSON object"),
        ('{"specversion": "1.0"}', 2, "as one JSON object"),
        ("{}", 1, "missing_field"),
        (json.dumps(RULE | {"evry": "month"}), 1, "unknown_field: evry"),
        (json.dumps(RULE | {"grant": RULE["grant"] | {"unit": "beans"}}), 1, "unknown_unit"),
        (json.dumps(RULE | {"grant": RULE["grant"] | {"quantity": "0"}}), 1, "quantity"),
    ],
)
def test_a_rule_that_would_be_refused_is_refused_here_and_told_why(
    tmp_path, text: str, code: int, said: str
) -> None:
    directory = published(tmp_path / "data", *people())
    path = tmp_path / "rule.json"
    path.write_text(text, "utf-8")

    result = preview(path, "--data-dir", directory)

    assert (code, True) == (result.exit_code, said in result.stderr), result.output


def test_a_version_that_the_log_already_has_is_refused(tmp_path, rule) -> None:
    directory = published(
        tmp_path / "data", event("rule", "program.published", RULE, None), *people()
    )
    late = rule(effective_from=APRIL)

    result = preview(late, "--until", "2026-05-15", "--data-dir", directory)

    assert (1, True) == (result.exit_code, "version_not_rising" in result.stderr)


def test_what_cannot_be_read_is_named(tmp_path, rule) -> None:
    facts = tmp_path / "facts.jsonl"
    facts.write_bytes(b"no\n" + jsonl([*setup(), *people()]))

    bad_line = preview(rule(), "--facts", facts, "-o", "json")
    absent = preview(tmp_path / "absent.json", "--facts", facts)
    both = preview(rule(), "--facts", facts, "--data-dir", tmp_path)
    twice = invoke("program", "preview", "-", "--facts", "-", stdin=b"{}")

    assert (1, True) == (bad_line.exit_code, "line 1: not_json" in bad_line.stderr)
    assert [WANTED[0], WANTED[1]] == shown(documents(bad_line.stdout)[0])
    assert (2, True) == (absent.exit_code, "cannot be read" in absent.stderr)
    assert (2, True) == (both.exit_code, "not both" in both.stderr)
    assert (2, True) == (twice.exit_code, "cannot be both" in twice.stderr)
