"""`creditfold demo`: it runs, it ties out, and it never takes someone else's directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.support import documents, event, invoke, jsonl, run
from creditfold.demo import scenario, trace
from creditfold.demo.directory import MARKER


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The bundled demo, played once: (directory, document, table)."""
    directory = tmp_path_factory.mktemp("demo") / "d"
    document = documents(invoke("demo", "--data-dir", directory, "-o", "json").stdout)[0]
    table = invoke("demo", "--data-dir", directory)
    assert 0 == table.exit_code, table.output
    return directory, document, table.stdout


def test_all_checks_tie(played) -> None:
    _, document, _ = played

    assert 4 == len(document["tie_out"])
    for check in document["tie_out"]:
        assert check["ties"], check
        assert check["posted"] == check["recounted"]
    assert 0 == sum(round(float(amount) * 100) for amount in document["balances"].values())


def test_every_kind_of_movement_happens(played) -> None:
    _, document, _ = played

    assert {"applied", "duplicate", "rejected"} == set(document["outcomes"])
    assert {
        "R-BILL",
        "R-PAY",
        "R-PAY-FUNDS",
        "R-DRAW",
        "R-DRAW-UNFUNDED",
        "R-EXPIRE",
        "R-OVERAGE",
        "R-BILL-ARREARS",
    } == {line["rule"] for line in document["journal"]}


def test_the_screen_shows_the_same_figures(played) -> None:
    _, document, table = played

    assert document["head"] in table
    for check in document["tie_out"]:
        assert check["recounted"].partition(".")[0] in table
    for text in ("✓ 0.00", "Trial balance", "Three customers", "On time", "Next", "trace az-"):
        assert text in table


def test_a_second_run_gives_the_same_books(played) -> None:
    directory, document, _ = played
    again = documents(invoke("demo", "--data-dir", directory, "-o", "json").stdout)[0]

    volatile = ("milliseconds", "facts_per_second")
    assert {k: v for k, v in document.items() if k not in volatile} == {
        k: v for k, v in again.items() if k not in volatile
    }


def test_the_next_commands_work(played) -> None:
    directory, _, table = played
    lines = [line.strip() for line in table.splitlines() if line.strip().startswith("creditfold ")]
    steps = [line.split("   ")[0].split()[1:] for line in lines[1:]]

    assert 4 == len(steps)
    for step in steps[:3]:
        result = invoke(*step)
        assert 0 == result.exit_code, (step, result.output)
    assert str(directory) in steps[0]


def test_a_demo_with_facts_of_ones_own_needs_force(tmp_path) -> None:
    directory = tmp_path / "d"
    invoke("demo", "--rows", 3, "--data-dir", directory)
    mine = event("mine", "customer.created", {"currency": "EUR"}, "me")
    invoke("publish", "--data-dir", directory, stdin=jsonl([mine]))

    refused = invoke("demo", "--rows", 3, "--data-dir", directory)
    assert 3 == refused.exit_code
    assert "--force" in refused.stderr
    assert 0 == invoke("customer", "show", "me", "--data-dir", directory).exit_code

    assert 0 == invoke("demo", "--rows", 3, "--data-dir", directory, "--force").exit_code
    assert 1 == invoke("customer", "show", "me", "--data-dir", directory).exit_code


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_directory_that_is_no_demo_is_never_touched(tmp_path, force) -> None:
    (tmp_path / "mine.txt").write_text("precious")

    result = invoke("demo", "--rows", 1, "--data-dir", tmp_path, *force)

    assert 3 == result.exit_code
    assert "holds no demo" in result.stderr
    assert ["mine.txt"] == [path.name for path in tmp_path.iterdir()]


def test_a_file_of_ones_own_in_a_demo_is_never_deleted(tmp_path) -> None:
    invoke("demo", "--rows", 1, "--data-dir", tmp_path / "d")
    (tmp_path / "d" / "notes.txt").write_text("precious")

    result = invoke("demo", "--rows", 1, "--data-dir", tmp_path / "d", "--force")

    assert 3 == result.exit_code
    assert "notes.txt" in result.stderr
    assert "precious" == (tmp_path / "d" / "notes.txt").read_text()


def test_a_demo_that_another_process_has_open_is_left_alone(tmp_path) -> None:
    from creditfold.local.runtime import LocalRuntime

    invoke("demo", "--rows", 1, "--data-dir", tmp_path / "d")
    with LocalRuntime(tmp_path / "d", lambda: 0):
        result = run("demo", "--rows", 1, "--data-dir", tmp_path / "d")

    assert 3 == result.returncode
    assert b"another process" in result.stderr
    assert (tmp_path / "d" / MARKER).exists()


def test_a_demo_that_was_interrupted_is_replaced(tmp_path) -> None:
    invoke("demo", "--rows", 1, "--data-dir", tmp_path / "d")
    (tmp_path / "d" / MARKER).write_text('{"inputs": null}')

    assert 0 == invoke("demo", "--rows", 1, "--data-dir", tmp_path / "d").exit_code


@pytest.mark.parametrize("rows", [1, 2, 17, 300])
def test_any_number_of_rows_ties_out(tmp_path, rows) -> None:
    result = invoke("demo", "--rows", rows, "--data-dir", tmp_path / "d", "-o", "json")

    assert 0 == result.exit_code, result.output
    assert rows == documents(result.stdout)[0]["requests"]
    assert 0 == invoke("demo", "--rows", rows, "--data-dir", tmp_path / "d").exit_code


def test_without_a_name_it_goes_into_a_directory_of_its_own() -> None:
    assert 0 == invoke("demo", "--rows", 1).exit_code
    assert (Path("creditfold-demo") / MARKER).exists()


def test_the_facts_alone_can_be_recounted(played) -> None:
    """What the ledger drew and left over is what the facts used, at the list prices."""
    _, document, _ = played
    result = invoke("demo", "--facts-only")

    facts = documents(result.stdout)
    assert facts == list(scenario.facts(trace.bundled()))
    assert document["facts"] == len(facts)
    seen, used = set(), 0
    for fact in facts:
        if fact["source"] == scenario.USAGE_SOURCE and fact["id"] not in seen:
            seen.add(fact["id"])
            used += fact["data"]["quantity"]
    rows = [line.split(",") for line in _slice().read_text().splitlines()[1:]]
    assert sum(int(row[1]) + int(row[2]) for row in rows) == used
    assert 2 * len(rows) == len(seen)


def test_the_facts_can_be_simulated_to_the_same_journal(played) -> None:
    _, document, _ = played
    lines = invoke("demo", "--facts-only").stdout.encode()
    found = documents(invoke("simulate", "-", stdin=lines).stdout)

    posted: dict[tuple[str, str, str], int] = {}
    for each in found:
        if each["type"] == "creditfold.revenue.posting.v1":
            data = each["data"]
            key = (data["rule"], data["debit"], data["credit"])
            posted[key] = posted.get(key, 0) + data["amount"]
    assert posted == {
        (line["rule"], line["debit"], line["credit"]): round(float(line["amount"]) * 100)
        for line in document["journal"]
    }


def _slice() -> Path:
    return Path(trace.__file__).parent / trace.SLICE


def test_rows_belong_to_customers_by_their_number() -> None:
    requests = trace.bundled()

    assert 1_500 == len(requests)
    assert {f"c-{n:03d}" for n in range(200)} == {trace.customer(n) for n in range(1_500)}
    assert "2023-11-16T18:15:46.68059Z" == next(
        fact["time"] for fact in scenario.facts(requests) if fact["id"] == "az-0-in"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "other columns"),
        ("a,b,c\n", "other columns"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "no requests"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,x,1\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16,1\n", "line 2"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-13-16 18:15:46,1,1\n", "line 2"),
    ],
)
def test_a_trace_that_is_none_is_wrong_use(tmp_path, text, says) -> None:
    (tmp_path / "t.csv").write_text(text)
    result = invoke("demo", "--trace", tmp_path / "t.csv", "--data-dir", tmp_path / "d")

    assert 2 == result.exit_code
    assert says in result.stderr
    assert not (tmp_path / "d").exists()


def test_another_trace_of_the_same_columns_works(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(_slice().read_text().splitlines()[:20]))

    result = invoke(
        "demo", "--trace", tmp_path / "t.csv", "--data-dir", tmp_path / "d", "-o", "json"
    )

    assert 0 == result.exit_code, result.output
    assert 19 == documents(result.stdout)[0]["requests"]


def test_the_attribution_lies_beside_the_slice() -> None:
    notice = (Path(trace.__file__).parent / "NOTICE").read_text()

    for text in ("Azure", "CC BY 4.0", "Patel", "Splitwise", "ISCA 2024", trace.SLICE):
        assert text in notice
    assert _slice().stat().st_size < 60_000
