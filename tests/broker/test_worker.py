"""The real worker on a real Kafka: what it writes, what it answers, and how things are mended."""
# ruff: noqa: F811  # fixtures are imported, and asked for by the same names

import json
import os
import subprocess
import sys
import time

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from worker_rig import CRASHED, PARTITIONS, SECOND, SOURCE, names, now, rig, until  # noqa: F401  # fixtures

from creditfold.audit import chain, replay
from creditfold.broker.kafka_log import KafkaLog
from creditfold.contract.envelope import write_binary
from creditfold.contract.instants import parse_instant
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import COMMANDS, LEDGER, USAGE, topic_of
from creditfold.worker import letters, retry
from creditfold.worker.metrics import CATALOGUE
from creditfold.worker.resend import Coordinates

pytestmark = pytest.mark.broker


def sample(worker, name, **labels):
    found = 0.0
    for family in text_string_to_metric_families(worker.get("/metrics").text):
        for each in family.samples:
            if each.name == name and labels.items() <= each.labels.items():
                found += each.value
    return found


def creditfold(*words):
    """What a command says, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "creditfold", *words],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_what_is_written_is_what_the_simulation_gives_and_an_auditor_finds_nothing(rig, now):
    hour_ago = now - 3_600 * SECOND
    facts = rig.catalog(hour_ago - SECOND)
    for number in range(40):
        facts += rig.customer(f"c-{number}", hour_ago + number, expires_at=now - 600 * SECOND)
    facts.append(replace(facts[20], recordedtime=hour_ago + 60 * SECOND))  # a duplicate
    facts.append(rig.usage("nobody", 1, hour_ago))
    rig.send(facts)  # all of it before the worker starts: history does not meet the wall clock
    worker = rig.worker().start()
    assert worker.get("/healthz").status_code == 200
    assert worker.get("/readyz").status_code == 503
    assert worker.balance("c-1").json()["error"] == "recovering"
    worker.wait_ready()
    rig.wait_for_outcomes(3 * PARTITIONS + 40 * 10 + 2)
    until(lambda: worker.balance("c-1").json()["blocks"][0]["expired"] == "55", "no expiry")
    assert rig.simulated(facts, now) == rig.written()
    for partition in range(PARTITIONS):
        log = KafkaLog(rig.bootstrap, partition)
        report, chains = replay.verify(log), chain.check(log)
        assert 0 == report.waiting
        assert report.differences == 0, report.first
        assert [] == chains.findings
    assert_metrics(worker)
    assert worker.terminate() == 0
    again = rig.worker().start().wait_ready()
    assert again.balance("c-1").json()["usable"] == {"credits": "1000"}
    assert 0 == again.sample("creditfold_partition_records_total")
    assert again.terminate() == 0


def assert_metrics(worker):
    families = text_string_to_metric_families(worker.get("/metrics").text)
    assert {m.name.removesuffix("_total") for m in CATALOGUE} == {f.name for f in families}
    assert 1 == worker.sample("creditfold_ready")
    assert 414 == worker.sample("creditfold_partition_records_total")
    assert 0 == worker.sample("creditfold_partition_lag_offsets")
    outcomes = "creditfold_outcomes_total"
    assert 1 == worker.sample(outcomes, status="rejected", code="unknown_customer")
    assert 1 == worker.sample(outcomes, status="duplicate")
    assert 0 < worker.sample("creditfold_event_delay_seconds_count") < 20


def test_a_balance_is_answered_by_its_owner_and_the_others_say_who_that_is(rig, now):
    facts = rig.catalog(now - 10 * SECOND)
    customers = [names(partition, 1)[0] for partition in range(PARTITIONS)]
    for name in customers:
        facts += rig.customer(name, now - 9 * SECOND, usages=2)
    rig.send(facts)
    one, two = rig.worker("one").start(), rig.worker("two").start()
    until(
        lambda: (
            all(w.ready() and w.sample("creditfold_partition_halted") == 0 for w in (one, two))
            and {one.balance(c).status_code for c in customers} == {200, 421}
        ),
        lambda: f"{one.tail()}\n{two.tail()}",
    )
    rig.wait_for_outcomes(3 * PARTITIONS + 7 * PARTITIONS)
    for name in customers:
        by_status = {w.balance(name).status_code: w for w in (one, two)}
        assert {200, 421} == set(by_status), name
        told = by_status[421].balance(name).json()
        assert told["owner"] == by_status[200].url
        assert told["partition"] == partition_of(name.encode(), PARTITIONS)
        assert by_status[200].balance("nobody-" + name).status_code in {404, 421}
        asked, owner = by_status[421], by_status[200]
        shown = creditfold("customer", "show", name, "--worker", asked.url, "-o", "json")
        assert name == shown["customer"]
        assert owner.balance(name).json()["blocks"] == shown["blocks"]
    one.kill()
    until(lambda: {200} == {two.balance(name).status_code for name in customers}, two.tail)
    assert two.terminate() == 0


def test_too_many_dead_letters_halt_their_partition_only(rig, now):
    worker = rig.worker(DEAD_LETTERS_MAX=2).start().wait_ready()
    rig.send(rig.catalog(now - SECOND))
    for _ in range(3):
        rig.put(USAGE.name, b"whoever", b"{", partition=1)
        rig.flush()
        time.sleep(0.3)
    until(lambda: worker.get("/readyz").status_code == 503, worker.tail)
    (reason,) = worker.get("/readyz").json()["reasons"]
    assert reason.startswith("partition 1 is halted: creditfold.usage.v1-1@2: ")
    assert "creditfold dead-letters list" in reason
    assert 1 == worker.sample("creditfold_partition_halted")
    assert 2 == worker.sample("creditfold_dead_letters_total", code="not_cloudevents")
    assert 200 == worker.get("/healthz").status_code, "a restart would not cure it"
    mine, other = names(1, 1)[0], names(2, 1)[0]
    rig.send(rig.customer(other, now) + rig.customer(mine, now))
    until(lambda: worker.balance(other).status_code == 200, worker.tail)
    assert "halted" == worker.balance(mine).json()["error"]
    assert worker.terminate() == 0
    worker.start(DEAD_LETTERS_MAX=3).wait_ready()
    until(lambda: worker.balance(mine).status_code == 200, worker.tail)


def test_rejections_are_sent_again_once_and_then_applied(rig, now):
    worker = rig.worker().start().wait_ready()
    name, other = names(3, 2)
    rig.send(rig.catalog(now - 60 * SECOND))
    early = [rig.usage(name, n, now - 20 * SECOND) for n in (1, 2, 3)]
    rig.send([*early, rig.usage(other, 9, now)])
    rig.wait_for_outcomes(12 + 4)
    rig.send(rig.customer(name, now - 30 * SECOND, usages=0))
    rig.wait_for_outcomes(12 + 4 + 5)
    chosen = retry.Selection(code="unknown_customer", customer=name)
    assert [1, 2, 3] == [int(each.id[1:]) - 3 for each in retry.rejected(rig.bootstrap, chosen)]
    dry = retry.retry(rig.bootstrap, chosen, dry_run=True)
    assert (3, True) == (dry.counts["sent"], dry.dry_run)
    assert worker.terminate() == 0
    assert 3 == retry.retry(rig.bootstrap, chosen).counts["sent"]
    again = retry.retry(rig.bootstrap, chosen)
    assert (0, 3) == (again.counts["sent"], again.counts["waiting"])
    worker.start().wait_ready()
    rig.wait_for_outcomes(12 + 4 + 5 + 3)
    assert [] == retry.rejected(rig.bootstrap, chosen)
    assert {} == {k: n for k, n in retry.retry(rig.bootstrap, chosen).counts.items() if n}
    statuses = [
        o["status"] for o in rig.ledger([3]) if o["cause"].get("id") in {f.id for f in early}
    ]
    assert ["rejected"] * 3 + ["applied"] * 3 == statuses
    (left,) = retry.rejected(rig.bootstrap)
    assert other == left.customer
    assert [] == retry.rejected(rig.bootstrap, retry.Selection(until=now - SECOND))
    assert [] == chain.check(KafkaLog(rig.bootstrap, 3)).findings


def test_a_dead_letter_is_shown_and_sent_again_with_a_corrected_key(rig, now):
    worker = rig.worker().start().wait_ready()
    (name,) = names(2, 1)
    fact = rig.customer(name, now - SECOND)[0]
    _, value, headers = write_binary(fact)
    rig.put(COMMANDS.name, None, value, headers, now, partition=0)
    rig.put(COMMANDS.name, b"k", b"{" + b"x" * 70_000, (), now, partition=0)
    rig.flush()
    rig.wait_for_outcomes(2)
    found = list(letters.letters(rig.bootstrap))
    assert ["null_key", "not_cloudevents"] == [each.code for each in found]
    where = Coordinates(COMMANDS.name, 0, 0)
    shown = letters.show(rig.bootstrap, where)
    assert (None, value.decode(), True) == (shown.key, shown.value, shown.whole)
    assert ("ce_id", fact.id) in shown.headers
    assert not letters.show(rig.bootstrap, Coordinates(COMMANDS.name, 0, 1)).whole
    assert letters.show(rig.bootstrap, Coordinates(COMMANDS.name, 0, 9)) is None
    as_it_is = letters.retry_letters(rig.bootstrap)
    assert 2 == as_it_is.counts["unreadable"]
    assert "set the record's key" in as_it_is.letters[0][2]
    corrected = {"only": where, "key": name}
    assert 1 == letters.retry_letters(rig.bootstrap, **corrected, dry_run=True).counts["sent"]
    assert 1 == letters.retry_letters(rig.bootstrap, **corrected).counts["sent"]
    until(lambda: worker.balance(name).status_code == 200, worker.tail)
    assert 1 == letters.retry_letters(rig.bootstrap, **corrected).counts["answered"]
    (record,) = KafkaLog(rig.bootstrap, 2).read(COMMANDS.name)
    assert (name.encode(), value, headers) == (record.key, record.value, record.headers)


def test_a_record_on_another_customers_partition_opens_no_second_account(rig, now):
    """librdkafka's own partitioner puts records where no other client looks for them."""
    (name,) = names(2, 1)
    facts = rig.customer(name, now - 10 * SECOND, usages=2)
    rig.send(rig.catalog(now - 11 * SECOND) + facts)
    for fact in (facts[0], facts[-1], rig.usage(name, 5, now)):
        rig.put(topic_of(fact.type).name, *write_binary(fact), now, partition=1)
    rig.flush()
    worker = rig.worker().start().wait_ready()
    rig.wait_for_outcomes(3 * PARTITIONS + 7 + 3)
    found = list(letters.letters(rig.bootstrap))
    assert ["wrong_partition"] * 3 == [each.code for each in found]
    assert "it lies on partition 1 of 4 and its key belongs on 2" in found[0].detail
    assert "murmur2_random" in found[0].detail
    assert 0 == replay.verify(KafkaLog(rig.bootstrap, 1)).differences
    done = letters.retry_letters(rig.bootstrap)
    assert {"sent": 1, "answered": 2} == {fate: n for fate, n in done.counts.items() if n}
    rig.wait_for_outcomes(3 * PARTITIONS + 7 + 3 + 1)

    def drawn():  # what the ledger shows, the worker answers a moment later
        blocks = worker.balance(name).json()["blocks"]
        return [block["drawn"] for block in blocks if block["block"] == f"{name}-free"]

    until(lambda: [str(7 + 8 + 5)] == drawn(), drawn)
    assert {name} == {o["customer"] for o in rig.ledger([2]) if o.get("customer")}
    assert [] == [o["customer"] for o in rig.ledger([1]) if o.get("customer")]


def test_outputs_with_another_number_of_partitions_are_refused_in_the_last_line(rig):
    worker = rig.worker(PARTITIONS=3, APPLICATION="other").start()
    assert CRASHED == worker.process.wait(30)
    assert "has 4 partitions" in worker.last_line
    assert worker.last_line.startswith("creditfold: worker stopped: RefusedToStart: ")


def test_a_worker_that_waits_for_kafka_is_alive_and_leaves_when_told(rig):
    worker = rig.worker(KAFKA="127.0.0.1:1").start()
    assert 200 == worker.get("/healthz").status_code
    assert ["waiting for Kafka and its topics"] == worker.get("/readyz").json()["reasons"]
    assert 0 == worker.terminate()


def applied_usage(rig):
    """How many usage events the committed ledger of the first partition holds outcomes of."""
    entries = [json.loads(r.value) for r in KafkaLog(rig.bootstrap, 0).read(LEDGER.name)]
    causes = (entry.get("cause", {}).get("type", "") for entry in entries)
    return sum(cause.startswith("creditfold.usage") for cause in causes)


def test_what_was_answered_is_committed_though_the_worker_dies_at_once(rig, now):
    (name,) = names(0, 1)
    rig.send(rig.catalog(now - SECOND) + rig.customer(name, now, usages=0))
    drawn = 0
    for _ in range(3):
        worker = rig.worker().start().wait_ready()
        until(lambda: worker.balance(name).status_code == 200, worker.tail)  # noqa: B023  # called here
        rig.send([rig.usage(name, 1, time.time_ns() // 1_000) for _ in range(400)])
        before = drawn
        while drawn == before:
            blocks = worker.balance(name).json()["blocks"]
            drawn = sum(int(block["drawn"]) for block in blocks)
        worker.kill()  # an open transaction ends with it, and a committed one lacks markers at most
        until(lambda: drawn <= applied_usage(rig), "the answer shows what is not committed")  # noqa: B023  # called here
    lines = [parse_instant(line["timestamp"]) for line in worker.lines() if "timestamp" in line]
    assert lines == sorted(lines)
