"""The commands on a real broker: topics, facts, a worker, its answers, and all of it at once."""

import json
import signal
import subprocess
import time

import httpx
import pytest
from commands_rig import Commands, until
from kafka_fixtures import remove

from cli.support import command, environment
from creditfold.contract.topics import USAGE
from creditfold.core.times import rfc3339

pytestmark = pytest.mark.broker

PARTITIONS = 2
CUSTOMERS = 8
FACTS = 200
START = rfc3339(time.time_ns() // 1_000_000_000 * 1_000_000 - 60_000_000)  # not too late


def event(id_, what, data, subject=None):
    made = {"specversion": "1.0", "id": id_, "source": "test", "type": f"creditfold.{what}.v1",
            "time": START, "data": data}  # fmt: skip
    return made if subject is None else made | {"subject": subject}


def facts():
    """200: what is for all, customers with a grant each, a refused one, then usage."""
    rates = [{"meter": "calls", "unit": "USD", "per_unit": "0.50"}]
    card = {"rate_card": "list", "version": 1, "effective_from": START, "rates": rates}
    made = [
        event("m", "meter.declared", {"meter": "calls", "version": 1, "product": "api"}),
        event("r", "rate_card.published", card),
    ]
    for n in range(CUSTOMERS):
        block = {"block": f"b{n}", "kind": "promotional", "unit": "USD", "quantity": "100"}
        made += [
            event(f"c{n}", "customer.created", {"currency": "USD"}, f"c-{n}"),
            event(f"g{n}", "credit.granted", block, f"c-{n}"),
        ]
    made.append(event("stranger", "usage.recorded", {"meter": "calls", "quantity": "1"}, "late"))
    for n in range(FACTS - len(made)):
        data = {"meter": "calls", "quantity": "2"}
        made.append(event(f"u{n}", "usage.recorded", data, f"c-{n % CUSTOMERS}"))
    return made


def jsonl(events):
    return "".join(json.dumps(each) + "\n" for each in events)


@pytest.fixture(scope="module")
def cluster(kafka):
    remove(kafka.bootstrap)
    yield Commands(kafka.bootstrap)
    remove(kafka.bootstrap)


@pytest.fixture(scope="module")
def worked(cluster, tmp_path_factory):
    """Topics, facts published by command, and a worker that has folded them; its URL."""
    place = tmp_path_factory.mktemp("commands")
    assert cluster.json("topics", "describe", code=1)[0]["ok"] is False
    (made,) = cluster.json("topics", "create", "--partitions", PARTITIONS)
    assert len(made["created"]) == 9
    early, late = facts()[: 2 + 2 * CUSTOMERS], facts()[2 + 2 * CUSTOMERS :]
    (place / "early.jsonl").write_text(jsonl(early))
    (place / "late.jsonl").write_text(jsonl(late) + "{}\n")
    (sent,) = cluster.json("publish", place / "early.jsonl")
    assert (sent["customer_facts"], sent["catalog_facts"], sent["bad"]) == (2 * CUSTOMERS, 2, 0)
    with cluster.worker(place, PARTITIONS) as worker:
        # usage is another topic: the customers are folded before it is sent
        until(lambda: cluster.json("trace", f"g{CUSTOMERS - 1}")[0]["outcomes"], 30, worker.told)
        bad, sent = cluster.json("publish", place / "late.jsonl", code=1)
        assert (bad["line"], sent["bad"]) == (len(late) + 1, 1)
        assert sent["customer_facts"] == FACTS - len(early)
        last = f"u{FACTS - len(early) - 2}"
        until(lambda: cluster.json("trace", last)[0]["outcomes"], 30, worker.told)
        yield worker.url


def test_up_plays_the_demo_and_ends_with_the_signal(cluster):
    words = command("up", "--demo", "--rows", 100, "--partitions", PARTITIONS, "--http-port", 0,
                    "--kafka", cluster.at, "-o", "json")  # fmt: skip
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        demo, ready = (json.loads(process.stdout.readline()) for _ in range(2))
        counts = demo["counts"]
        assert counts["applied"] + counts["rejected"] + counts.get("duplicate", 0) > 100
        assert counts["catalog"] % PARTITIONS == 0
        (view,) = cluster.json("customer", "show", "c-000", "--worker", ready["worker"])
        assert view["customer"] == "c-000"
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert "worker │" in said
    assert said.splitlines()[-1].endswith("stopped")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{ready['worker']}/readyz")
    remove(cluster.at)  # the other tests begin with nothing


def test_topics_and_the_doctor_find_nothing_wrong(cluster, worked):
    (found,) = cluster.json("topics", "describe")
    assert found["ok"]
    assert {topic["partitions"] for topic in found["topics"]} == {PARTITIONS}
    (diagnosis,) = cluster.json("doctor")
    assert {check["ok"] for check in diagnosis["checks"]} <= {True, None}
    assert "✓" in cluster.run("doctor").stdout
    assert cluster.json("topics", "create", "--partitions", PARTITIONS)[0]["created"] == []
    refused = cluster.run("topics", "create", "--partitions", PARTITIONS + 1, code=3)
    assert len(refused.stderr.splitlines()) == 1


def test_a_fact_is_traced_to_its_outcome(cluster, worked):
    (told,) = cluster.json("trace", "u0", "--customer", "c-0")
    assert [outcome["status"] for outcome in told["outcomes"]] == ["applied"]
    assert told["outcomes"][0]["entries"][0]["quantity"] == "1"
    assert "Input u0" in cluster.run("trace", "u0").stdout
    assert "never seen" in cluster.run("trace", "nobody", code=1).stderr


def test_a_worker_tells_a_customer(cluster, worked):
    (view,) = cluster.json("customer", "show", "c-1", "--worker", worked)
    used = sum(1 for each in facts() if each["id"][0] == "u" and each["subject"] == "c-1")
    assert view["usable"] == {"USD": str(100 - used)}
    assert "Blocks" in cluster.run("customer", "show", "c-1", "--worker", worked).stdout
    assert "no customer" in cluster.run("customer", "show", "x", "--worker", worked, code=1).stderr


def test_a_replay_counts_every_partition(cluster, worked):
    (found,) = cluster.json("replay", "--verify")
    assert [each["partition"] for each in found["partitions"]] == list(range(PARTITIONS))
    assert found["agrees"], found["partitions"]
    assert (found["differences"], found["broken_links"]) == (0, 0)
    assert found["inputs"] == FACTS - 2 + 2 * PARTITIONS


def test_a_rejected_fact_is_sent_again_once_its_customer_is_there(cluster, worked, tmp_path):
    (dry,) = cluster.json("rejections", "retry", "--dry-run")
    assert [(fact["id"], fact["fate"]) for fact in dry["facts"]] == [("stranger", "sent")]
    file = tmp_path / "late.jsonl"
    file.write_text(jsonl([event("late", "customer.created", {"currency": "USD"}, "late")]))
    cluster.run("publish", file)
    until(lambda: cluster.json("trace", "late")[0]["outcomes"], 30, lambda: "not folded")
    assert cluster.json("rejections", "retry")[0]["counts"]["sent"] == 1
    assert "sent again" in cluster.run("rejections", "retry").stdout

    def applied():
        outcomes = cluster.json("trace", "stranger")[0]["outcomes"]
        return [each["status"] for each in outcomes] == ["rejected", "applied"]

    until(applied, 30, lambda: "not applied")


def test_a_dead_letter_is_listed_shown_and_kept_back(cluster, worked):
    from creditfold.broker.connection import Connection

    producer = Connection(cluster.at).producer()
    producer.produce(USAGE.name, b"not an event", b"c-0")
    assert producer.flush(20) == 0
    until(lambda: cluster.json("dead-letters", "list"), 30, lambda: "no letter")
    (letter,) = cluster.json("dead-letters", "list")
    (shown,) = cluster.json("dead-letters", "show", letter["record"])
    assert (shown["key"], shown["value"]) == ("c-0", "not an event")
    assert letter["record"] in cluster.run("dead-letters", "list").stdout
    assert cluster.json("dead-letters", "retry", code=1)[0]["counts"]["unreadable"] == 1
    absent = letter["record"].rpartition(":")[0] + ":999999"
    assert "names all" in cluster.run("dead-letters", "show", absent, code=1).stderr
