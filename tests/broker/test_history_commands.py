"""History comes to Kafka by commands alone: the same balances, and a replay that agrees."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import json

import httpx
import pytest
from commands_rig import Commands, embedded, until
from kafka_fixtures import empty  # noqa: F401  # a fixture by name

from creditfold.contract.partitions import partition_of

pytestmark = pytest.mark.broker

PARTITIONS = 2


@pytest.fixture
def cluster(empty):
    made = Commands(empty)
    made.run("topics", "create", "--partitions", PARTITIONS)
    return made


def account(document):
    return {name: document[name] for name in ("blocks", "usable", "overage")}


def told_by(worker, customer):
    return account(httpx.get(f"{worker.url}/v1/customers/{customer}").raise_for_status().json())


def kept_in(directory):
    """What each customer has in an embedded log."""
    names = [row["customer"] for row in embedded("customer", "list", "--data-dir", directory)]
    shown = (embedded("customer", "show", name, "--data-dir", directory) for name in names)
    return {name: account(document) for name, (document,) in zip(names, shown, strict=True)}


def agrees(cluster):
    (found,) = cluster.json("replay", "--verify")
    assert found["agrees"], found
    return found["differences"] == found["broken_links"] == 0


def test_a_log_that_is_exported_has_the_same_balances_and_its_clock_stays_held(cluster, tmp_path):
    directory = tmp_path / "embedded"
    (demo,) = embedded("demo", "--rows", 30, "--data-dir", directory)
    (exported,) = cluster.json("export", "--data-dir", directory)
    assert (demo["facts"], True, True) == (
        exported["done"], exported["held"], exported["finished"])  # fmt: skip
    with cluster.worker(tmp_path, PARTITIONS) as worker:
        worker.has_folded_all()
        for number in (1, 2, 3, 4):  # one of each plan with credit: much of it expires in 2024
            (shown,) = embedded("customer", "show", f"c-00{number}", "--data-dir", directory)
            assert account(shown) == told_by(worker, f"c-00{number}")
            assert shown["usable"] != {}
    assert agrees(cluster)


WEEKLY = {
    "program": "weekly",
    "version": 1,
    "effective_from": "2024-01-10T00:00:00Z",
    "who": {"field": "customer.id", "prefix": "c"},
    "grant": {"kind": "promotional", "unit": "USD", "quantity": "1", "expires": "P30D"},
    "every": "P7D",
}


def moving():
    """Four customers with usage and credit of 2024; two of them give of it to each other."""
    at = "2024-01-01T00:00:00Z"
    yield fact("held", "clock.held", at, {})
    yield fact("m", "meter.declared", at, {"meter": "calls", "version": 1, "product": "api"})
    names = [f"c-{n}" for n in range(4)]
    assert {partition_of(name.encode(), PARTITIONS) for name in names} == set(range(PARTITIONS))
    for name, other in zip(names, reversed(names), strict=True):
        block = {"block": "b", "kind": "paid", "unit": "USD", "quantity": "10"}
        given = {"transfer": f"t-{name}", "block": "b", "quantity": "4", "to": other}
        yield fact(f"c-{name}", "customer.created", at, {"currency": "USD"}, name)
        yield fact(f"g-{name}", "credit.granted", at, block, name)
        yield fact(f"t-{name}", "credit.transferred", "2024-01-20T00:00:00Z", given, name)


def test_a_program_is_previewed_on_all_partitions_as_on_one(cluster, tmp_path):
    rule, directory = tmp_path / "rule.json", tmp_path / "embedded"
    rule.write_text(json.dumps(WEEKLY))
    (tmp_path / "facts.jsonl").write_text(lines(moving()))
    embedded("publish", tmp_path / "facts.jsonl", "--data-dir", directory)
    cluster.json("export", "--data-dir", directory)
    with cluster.worker(tmp_path, PARTITIONS) as worker:
        worker.has_folded_all()

        preview = ("program", "preview", rule)
        (ahead,) = cluster.json(*preview, "--until", "2024-02-15")
        (by_now,) = cluster.json(*preview)
        shown = cluster.run(*preview, "--until", "2024-02-15", "--customer", "c-1").stdout
        refused = cluster.run(*preview, "--customer", "nobody", code=1).stderr

    assert [ahead] == embedded(*preview, "--until", "2024-02-15", "--data-dir", directory)
    assert [by_now] == embedded(*preview, "--data-dir", directory)
    assert (4 * 6, 4) == (ahead["blocks"], ahead["granted_to"])
    assert "weekly:c-1:6" in shown
    assert "no customer nobody" in refused


def fact(id_, what, at, data, customer=None):
    made = {"specversion": "1.0", "id": id_, "source": "test", "type": f"creditfold.{what}.v1",
            "time": at, "recordedtime": at, "data": data}  # fmt: skip
    return made if customer is None else made | {"subject": customer}


def history():
    """Two customers of 2024 whose first block ends in March, with usage before and after that."""
    at = "2024-01-01T00:00:00Z"
    rates = [{"meter": "calls", "unit": "USD", "per_unit": "1"}]
    card = {"rate_card": "list", "version": 1, "effective_from": at, "rates": rates}
    yield fact("m", "meter.declared", at, {"meter": "calls", "version": 1, "product": "api"})
    yield fact("r", "rate_card.published", at, card)
    for name in ("ada", "bob"):
        block = {"kind": "promotional", "unit": "USD"}
        short = block | {"block": "short", "quantity": "10", "expires_at": "2024-03-01T00:00:00Z"}
        long_ = block | {"block": "long", "quantity": "5", "expires_at": "2094-03-01T00:00:00Z"}
        yield fact(f"c-{name}", "customer.created", at, {"currency": "USD"}, name)
        yield fact(f"s-{name}", "credit.granted", at, short, name)
        yield fact(f"l-{name}", "credit.granted", at, long_, name)
    for month in range(1, 7):
        for name in ("ada", "bob"):
            used = {"meter": "calls", "quantity": "2"}
            at = f"2024-{month:02}-15T00:00:00Z"
            yield fact(f"u-{month}-{name}", "usage.recorded", at, used, name)


def lines(facts):
    return "".join(json.dumps(each) + "\n" for each in facts)


def test_history_that_is_imported_is_covered_as_it_was_then(cluster, tmp_path):
    """The wall clock is long past the end of the first block, and expires what was left of it."""
    file, again, directory = tmp_path / "h.jsonl", tmp_path / "held.jsonl", tmp_path / "embedded"
    file.write_text(lines(history()))
    held = fact("held", "clock.held", "2024-01-01T00:00:00Z", {})
    released = fact("released", "clock.released", "2024-06-15T00:00:00Z", {})
    again.write_text(lines([held, *history(), released]))
    embedded("publish", again, "--data-dir", directory)

    (done,) = cluster.json("import", file)
    assert (20, 20, False) == (done["done"], done["sent"], done["held"])
    assert 0 == cluster.json("import", file)[0]["sent"]
    wanted = kept_in(directory)
    with cluster.worker(tmp_path, PARTITIONS) as worker:
        worker.has_folded_all()
        until(lambda: wanted == {name: told_by(worker, name) for name in wanted}, 20, worker.told)
        (ada,) = cluster.json("customer", "show", "ada", "--worker", worker.url)
    blocks = {block["block"]: block for block in ada["blocks"]}
    assert ("4", "6") == (blocks["short"]["drawn"], blocks["short"]["expired"])
    assert ("5", "0") == (blocks["long"]["drawn"], blocks["long"]["expired"])
    assert {"USD": "3"} == ada["overage"]
    assert agrees(cluster)
