"""What the operator of a worker sees when something around it is wrong, and that nothing is lost.

`docs/bad-input.md` lists these; its sentences are the ones that are expected here.
"""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import json
import time

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)
from worker_rig import CRASHED, PARTITIONS, SECOND, names, now, rig, until  # noqa: F401  # fixtures

from creditfold.audit import replay
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.plan import changelog, plan
from creditfold.broker.positions import KEY, positions
from creditfold.broker.topics import create
from creditfold.contract.envelope import write_binary
from creditfold.contract.topics import DEAD_LETTERS, NOTICES, RANK, USAGE
from creditfold.core.state import BLOCK
from creditfold.partition.codec import encode_key
from creditfold.worker.folder import Note

pytestmark = [pytest.mark.broker, pytest.mark.campaign]

STOPPED = "creditfold: worker stopped: "


@pytest.fixture
def folded(rig, now):
    """A customer on each partition with 1,100 credits, one usage of 7, and nobody running."""
    customers = [names(partition, 1)[0] for partition in range(PARTITIONS)]
    facts = rig.catalog(now - 60 * SECOND)
    for name in customers:
        facts += rig.customer(name, now - 50 * SECOND, usages=1)
    rig.send(facts)
    worker = rig.worker().start()
    rig.wait_for_outcomes(9 * PARTITIONS)
    assert worker.terminate() == 0
    return customers


def delete(rig, *topics):
    admin = rig.connection.admin()  # held: a client that nobody holds never answers
    for future in admin.delete_topics(list(topics)).values():
        future.result(30)
    time.sleep(1.0)


def append(rig, key, value, partition):
    """Put a record on the changelog as a transaction of the worker would."""
    settings = {"bootstrap.servers": rig.bootstrap, "transactional.id": "test"}
    producer = Producer(settings)
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(changelog(rig.application), value, key, partition)
    producer.commit_transaction(20)


def agrees(rig):
    for partition in range(PARTITIONS):
        report = replay.verify(KafkaLog(rig.bootstrap, partition))
        assert (0, 0) == (report.differences, report.waiting), report.first


def refused(worker):
    """The sentence with which the worker ended."""
    assert CRASHED == worker.process.wait(60)
    assert worker.last_line.startswith(STOPPED)
    return worker.last_line.removeprefix(STOPPED)


def codes(rig, partition):
    letters = KafkaLog(rig.bootstrap, partition).read(DEAD_LETTERS.name)
    return [json.loads(letter.value)["code"] for letter in letters]


# Topics


def test_a_missing_topic_is_waited_for_and_named(rig, now):
    delete(rig, USAGE.name, NOTICES.name)
    worker = rig.worker().start()
    until(lambda: worker.line("waiting for topics"), worker.tail, 30)
    assert [USAGE.name] == worker.line("waiting for topics")["missing"]
    reasons = worker.get("/readyz").json()["reasons"]
    assert ["waiting for Kafka and its topics"] == reasons
    assert 200 == worker.get("/healthz").status_code
    create(rig.bootstrap, partitions=PARTITIONS)
    worker.wait_ready()
    rig.send(rig.catalog(now))
    rig.wait_for_outcomes(3 * PARTITIONS)


def test_another_number_of_partitions_is_refused_and_the_topics_are_named(rig):
    admin = rig.connection.admin()
    admin.create_partitions([NewPartitions(USAGE.name, 6)])[USAGE.name].result()
    time.sleep(1.0)
    said = refused(rig.worker().start())
    assert "creditfold.usage.v1 has 6 partitions, the application 4" in said


def test_partitions_that_are_added_under_a_worker_lose_nothing(rig, now, folded):
    """It goes on with the ones it has; what a producer puts elsewhere waits or is a letter."""
    worker = rig.worker().start().wait_ready()
    admin = rig.connection.admin()
    admin.create_partitions([NewPartitions(USAGE.name, 6)])[USAGE.name].result()
    time.sleep(1.0)
    rig.put(USAGE.name, *write_binary(rig.usage(folded[1], 5, now)), now, partition=1)
    rig.put(USAGE.name, *write_binary(rig.usage(folded[2], 5, now)), now, partition=3)
    rig.flush()
    until(lambda: codes(rig, 3) == ["wrong_partition"], worker.tail)
    until(lambda: rig.drawn(worker, folded[1]) == 12, worker.tail)
    worker.kill()
    assert "has 6 partitions" in refused(rig.worker("two").start())


def test_an_input_made_anew_is_read_from_its_start_and_its_old_facts_stay_folded(rig, now, folded):
    delete(rig, USAGE.name)
    create(rig.bootstrap, partitions=PARTITIONS)
    rig.send([rig.usage(folded[1], 5, now)])
    worker = rig.worker().start()
    rig.wait_for_outcomes(9 * PARTITIONS + 1)
    assert 12 == rig.drawn(worker, folded[1])


def test_a_lost_changelog_is_refused_until_all_is_folded_anew(rig, folded):
    delete(rig, changelog(rig.application))
    create(rig.bootstrap, partitions=PARTITIONS)
    said = refused(rig.worker().start())
    assert "creditfold.ledger.v1 holds outcomes of the partitions 0, 1, 2, 3, and " in said
    assert "to fold their inputs again would double them" in said
    assert 9 * PARTITIONS == len(rig.ledger())
    delete(rig, *(each.name for each in plan() if each.name not in RANK))
    create(rig.bootstrap, partitions=PARTITIONS)
    said = refused(rig.worker().start())
    assert "state is missing. Restore the changelog, or delete the group's offsets" in said
    until(lambda: left(rig), "the group is not left", 30)
    worker = rig.worker().start().wait_ready()
    rig.wait_for_outcomes(9 * PARTITIONS)
    assert dict.fromkeys(folded, 7) == {name: rig.drawn(worker, name) for name in folded}
    worker.kill()
    agrees(rig)


def left(rig):
    """Whether the group is empty and its offsets are deleted."""
    admin = rig.connection.admin()
    return admin.delete_consumer_groups([rig.application])[rig.application].exception() is None


# State


def test_two_workers_on_one_state_directory(rig, folded):
    one = rig.worker().start().wait_ready()
    two = rig.worker("two", STATE_DIR=str(rig.directory / "one")).start()
    assert "another worker uses the state directory" in refused(two)
    assert one.ready()


def test_another_application_on_the_same_topics_is_refused_before_it_touches_anything(
    rig, now, folded
):
    other = rig.worker("two", APPLICATION="other", STATE_DIR=str(rig.directory / "one")).start()
    said = refused(other)
    assert "creditfold.ledger.v1 holds outcomes of the partitions 0, 1, 2, 3, and " in said
    assert "other.changelog has no state of them" in said
    delete(rig, changelog("other"))
    worker = rig.worker().start().wait_ready()
    assert not wiped(worker)
    assert dict.fromkeys(folded, 7) == {name: rig.drawn(worker, name) for name in folded}
    worker.kill()
    agrees(rig)


def test_the_state_of_other_topics_is_not_believed(rig, now, folded):
    """All was made anew, as on another cluster; only the directory is the old one."""
    delete(rig, *(each.name for each in plan()))
    rig.make_topics()
    rig.send(rig.catalog(now) + rig.customer(folded[1], now - SECOND, usages=0))
    worker = rig.worker().start().wait_ready()
    assert wiped(worker)
    assert 0 == rig.drawn(worker, folded[1])
    assert 404 == worker.balance(folded[2]).status_code


def wiped(worker):
    return worker.line("local state of another or too old a changelog: wiped")


def test_a_state_that_rested_longer_than_the_changelog_keeps_is_fetched_anew(rig, now, folded):
    """Deletions are kept for delete.retention.ms; after that a resting copy may hold dead keys."""
    topic = ConfigResource(ResourceType.TOPIC, changelog(rig.application), incremental_configs=[
        ConfigEntry("delete.retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    ])  # fmt: skip
    admin = rig.connection.admin()
    for future in admin.incremental_alter_configs([topic]).values():
        future.result()
    time.sleep(2.0)
    rig.send([rig.usage(folded[1], 5, now)])
    worker = rig.worker().start().wait_ready()
    assert wiped(worker)
    until(lambda: rig.drawn(worker, folded[1]) == 12, worker.tail)
    assert 7 == rig.drawn(worker, folded[2])
    worker.kill()
    agrees(rig)


def test_state_of_another_version_is_refused_and_taken_by_the_version_that_wrote_it(rig, folded):
    name = changelog(rig.application)
    position = positions(rig.bootstrap, name, PARTITIONS, 10)[2]
    note = msgspec.json.decode(position.note, type=Note)
    newer = msgspec.structs.replace(note, format=note.format + 1)
    later = msgspec.structs.replace(position, note=msgspec.json.encode(newer))
    append(rig, KEY, later.encode(), 2)
    said = refused(rig.worker().start())
    assert "partition 2 has state of format 2, this version reads 1" in said
    append(rig, KEY, position.encode(), 2)
    worker = rig.worker().start().wait_ready()
    assert 7 == rig.drawn(worker, folded[2])


# The fold


def test_a_record_on_which_the_fold_fails_halts_its_partition_and_is_folded_when_mended(
    rig, now, folded
):
    """A block that cannot be read stands for a defect of the fold: all workers would meet it."""
    name = folded[2]
    key = encode_key((name, BLOCK, f"{name}-free"))
    state = b"s" + key
    kept = next(
        r.value
        for r in reversed(list(KafkaLog(rig.bootstrap, 2).read(changelog(rig.application))))
        if r.key == state
    )
    append(rig, state, b"\xc1", 2)
    worker = rig.worker("two").start().wait_ready()
    rig.send([rig.usage(name, 5, now), rig.usage(folded[1], 5, now)])
    until(lambda: worker.get("/readyz").status_code == 503, worker.tail)
    (reason,) = worker.get("/readyz").json()["reasons"]
    assert reason.startswith("partition 2 is halted: creditfold.usage.v1-2@1: ")
    until(lambda: rig.drawn(worker, folded[1]) == 12, worker.tail)
    assert 200 == worker.get("/healthz").status_code
    assert worker.terminate() == 0
    append(rig, state, kept, 2)
    mended = rig.worker("three").start().wait_ready()
    until(lambda: rig.drawn(mended, name) == 12, mended.tail)
    mended.kill()
    agrees(rig)
