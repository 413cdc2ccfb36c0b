"""A partition on Kafka reads like an embedded log: what is committed, up to what is stable."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import itertools
import json
import threading
import time

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka_fixtures import COUNT, Folded, empty, history, topics  # noqa: F401  # fixtures by name

from creditfold.audit import chain, replay
from creditfold.broker.find import find
from creditfold.broker.history import of_envelopes
from creditfold.broker.jars import free_port
from creditfold.broker.kafka_log import KafkaLog, LiveLog
from creditfold.broker.problems import BrokerProblem, patiently
from creditfold.broker.transfer import import_history
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import LEDGER, REVENUE, USAGE
from creditfold.log.records import Record

pytestmark = pytest.mark.broker


def transactional(bootstrap, id_="t"):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": id_})
    producer.init_transactions(20)
    return producer


def put(producer, *values, commit=True, flush=True):
    producer.begin_transaction()
    for value in values:
        producer.produce(USAGE.name, value, b"k", 1, headers=[("a", b"1"), ("a", None)],
                         timestamp=1_700_000_000_123)  # fmt: skip
    if flush:
        producer.flush(20)
    if commit is not None:
        (producer.commit_transaction if commit else producer.abort_transaction)(20)


def test_markers_and_aborted_records_are_holes_that_nobody_waits_in(topics):
    producer = transactional(topics)
    put(producer, b"one", b"two")
    put(producer, b"never", commit=False)
    put(producer, b"three")
    put(producer, b"never", commit=False)  # the log ends in an aborted record and a marker
    began = time.monotonic()
    found = list(KafkaLog(topics, 1).read(USAGE.name))
    assert time.monotonic() - began < 5
    assert [(0, b"one"), (1, b"two"), (5, b"three")] == [(r.offset, r.value) for r in found]
    headers = (("a", b"1"), ("a", None))
    stamp = 1_700_000_000_123_000
    assert Record(USAGE.name, 1, 0, stamp, b"k", b"one", headers) == found[0]
    assert [] == list(KafkaLog(topics, 0).read(USAGE.name))
    assert [b"three"] == [r.value for r in KafkaLog(topics, 1).read(USAGE.name, 3)]
    assert [] == list(KafkaLog(topics, 1).read(USAGE.name, 6))


def test_an_open_transaction_ends_the_log_and_does_not_hold_the_reader(topics):
    put(transactional(topics, "done"), b"one")
    open_ = transactional(topics, "open")
    put(open_, b"open", commit=None)
    put(transactional(topics, "later"), b"later")
    began = time.monotonic()
    assert [b"one"] == [r.value for r in KafkaLog(topics, 1).read(USAGE.name)]
    assert time.monotonic() - began < 5
    reading = KafkaLog(topics, 1).read(USAGE.name)  # the end is that of the call
    open_.commit_transaction(20)
    assert [b"one"] == [r.value for r in reading]
    values = [r.value for r in KafkaLog(topics, 1).read(USAGE.name)]
    assert [b"one", b"open", b"later"] == values


def test_a_live_log_waits_for_the_transaction_that_is_open_at_its_end_alone(topics):
    put(transactional(topics, "done"), b"one")
    live = LiveLog(topics, 1)
    began = time.monotonic()
    assert [] == list(live.read(USAGE.name, 2))
    assert time.monotonic() - began < 5
    open_ = transactional(topics, "open")
    put(open_, b"two", commit=None)
    assert [b"one"] == [r.value for r in live.read(USAGE.name)]
    assert [] == list(KafkaLog(topics, 1).read(USAGE.name, 2))
    ending = threading.Timer(1, open_.commit_transaction)
    ending.start()
    assert [b"two"] == [r.value for r in live.read(USAGE.name, 2)]
    ending.join()


def test_a_live_log_waits_no_longer_than_it_is_told(topics):
    put(transactional(topics, "open"), b"never", commit=None)
    assert [] == list(LiveLog(topics, 1, seconds=1).read(USAGE.name))


def test_a_beginning_that_was_deleted_is_refused_not_read_past(topics):
    put(transactional(topics), b"one", b"two")
    admin = AdminClient({"bootstrap.servers": topics})
    for future in admin.delete_records([TopicPartition(USAGE.name, 1, 1)]).values():
        future.result()
    with pytest.raises(BrokerProblem, match="begins at 1, and 0 was asked for; its beginning was"):
        KafkaLog(topics, 1).read(USAGE.name)
    assert [b"two"] == [r.value for r in KafkaLog(topics, 1).read(USAGE.name, 1)]


def test_a_missing_topic_partition_or_broker_is_one_sentence(empty):
    with pytest.raises(BrokerProblem, match="create the topics first"):
        KafkaLog(empty, 0, seconds=3).read(USAGE.name)
    with pytest.raises(BrokerProblem, match="no broker at"):
        KafkaLog(f"127.0.0.1:{free_port()}", 0, seconds=3).read(USAGE.name)


def test_a_leader_that_is_new_is_asked_again_and_no_other_error_waits():
    errors = [KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.LEADER_NOT_AVAILABLE]

    def asked():
        if errors:
            raise KafkaException(KafkaError(errors.pop(0)))
        return "answered"

    assert "answered" == patiently(asked, 30)
    errors = [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART]
    with pytest.raises(KafkaException):
        patiently(asked, 30)
    assert [KafkaError.UNKNOWN_TOPIC_OR_PART] == errors


def test_a_partition_that_is_not_there_is_told(topics):
    with pytest.raises(BrokerProblem, match="or not as many partitions"):
        KafkaLog(topics, COUNT, seconds=3).read(USAGE.name)


def test_a_broker_that_stops_while_it_is_read_ends_the_reading(topics, node):
    import signal

    producer = transactional(topics)
    for _ in range(3):
        put(producer, *[b"x" * 100_000] * 100)
    reading = KafkaLog(topics, 1, seconds=3).read(USAGE.name)
    next(reading)
    node.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(BrokerProblem, match="gave nothing for 3 s before its end at 303"):
            list(reading)
    finally:
        node.signal(signal.SIGCONT)
    assert time.monotonic() - began < 15


@pytest.fixture
def folded(topics):
    """A history on the log, folded, with its outputs in transactions and aborted ones between."""
    import_history(topics, of_envelopes(history()), name="h")
    partitions = [Folded(topics, p).run() for p in range(COUNT)]
    for partition in partitions:
        partition.publish()
    return partitions


def test_the_chains_hold_over_kafka_on_every_partition(topics, folded):
    for partition in folded:
        found = chain.check(KafkaLog(topics, partition.number))
        assert [] == found.findings
        assert len(partition.batches) == found.headers > 1
        heads = {customer: head for customer, head in found.heads.items() if customer}
        assert partition.heads() == heads
        assert heads


@pytest.mark.parametrize("number", [0, 3])
def test_a_replay_over_kafka_gives_every_byte_again(topics, folded, number):
    report = replay.verify(KafkaLog(topics, number))
    assert (0, None) == (report.differences, report.first)
    assert len(folded[number].batches) == report.batches
    assert report.compared[LEDGER.name] > 40
    assert 0 == report.waiting


def test_one_cent_more_in_a_stored_posting_is_found_over_kafka(topics, folded):
    """The record is on the log as well as its forgery, which a consumer could not tell apart."""
    before = chain.check(KafkaLog(topics, 0)).findings
    record = next(KafkaLog(topics, 0).read(LEDGER.name))
    producer = Producer({"bootstrap.servers": topics})
    producer.produce(LEDGER.name, record.value, record.key, 0, headers=list(record.headers))
    producer.flush(10)
    assert [] == before
    assert chain.check(KafkaLog(topics, 0)).findings
    assert replay.verify(KafkaLog(topics, 0)).differences


def test_an_event_is_found_with_all_that_became_of_it(topics, folded):
    number = partition_of(b"customer-3", COUNT)
    found = find(topics, "u-0-3", source="test", customer="customer-3")
    assert found.complete
    assert (number,) == found.partitions
    assert [b"u-0-3"] == [dict(r.headers)["ce_id"] for r in found.inputs]
    outcomes = [json.loads(r.value) for r in found.outcomes]
    assert [("applied", "u-0-3")] == [(o["status"], o["cause"]["id"]) for o in outcomes]
    everywhere = find(topics, "u-0-3")
    assert found.inputs == everywhere.inputs
    assert found.outcomes == everywhere.outcomes
    assert everywhere.scanned > found.scanned


def test_postings_are_found_and_repeated_ids_are_all_told(topics, folded):
    posting = next(itertools.chain.from_iterable(KafkaLog(topics, p).read(REVENUE.name)
                                                 for p in range(COUNT)), None)  # fmt: skip
    assert posting is not None
    outcome = json.loads(posting.value)["cause"]
    ledger = (
        json.loads(r.value) for p in range(COUNT) for r in KafkaLog(topics, p).read(LEDGER.name)
    )
    event = next(o["cause"].get("id") for o in ledger if o.get("outcome") == outcome)
    if event is not None:
        assert posting in find(topics, event).postings
    repeated = find(topics, "u-0-0", customer="customer-0")
    assert ["applied", "duplicate"] == sorted(
        {json.loads(r.value)["status"] for r in repeated.outcomes} - {"rejected"}
    ) or len(repeated.outcomes) == len(repeated.inputs)
    assert [] == find(topics, "u-0-3", source="another").inputs
    assert [] == find(topics, "no such id").outcomes


def test_a_search_ends_in_time_with_what_it_has(topics, folded):
    found = find(topics, "u-0-3", seconds=0)
    assert not found.complete
    assert [] == found.outcomes
