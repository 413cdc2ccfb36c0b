"""Customer facts are delivered once or named; catalog facts are on every partition or on none."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import time

import pytest
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from kafka_fixtures import BEGIN, COUNT, empty, fact, prices, topics, usage  # noqa: F401  # fixtures by name

from creditfold.broker.catalog import CatalogPublisher
from creditfold.broker.connection import CODECS, PARTITIONER
from creditfold.broker.jars import free_port
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.problems import BrokerProblem, Fenced, NotDelivered, WrongTopics
from creditfold.broker.publisher import Publisher
from creditfold.contract.envelope import EVENT_BYTES_MAX, read_record
from creditfold.contract.partitions import murmur2, partition_of
from creditfold.contract.topics import COMMANDS, USAGE

pytestmark = pytest.mark.campaign

KEYS = [f"customer-{n}" for n in range(34)] + ["", "ü", "a", "ab", "abc", "客户"]


def stored(bootstrap, topic):
    return [r for p in range(COUNT) for r in KafkaLog(bootstrap, p).read(topic)]


# Partitions


@pytest.mark.parametrize(
    ("key", "hashed"),
    # the vectors of org.apache.kafka.common.utils.UtilsTest
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536),
     ("a-little-bit-longer-string", -1486304829),
     ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
     ("abc", 479470107)],
)  # fmt: skip
def test_murmur2_is_kafkas_java_murmur2(key, hashed):
    assert hashed & 0xFFFFFFFF == murmur2(key.encode())


def test_partitions_are_those_of_the_engines_client():
    partitioner = DefaultPartitioner()
    for count in (1, 4, 12, 31):
        everywhere = list(range(count))
        for key in KEYS:
            engine = partitioner(key.encode(), everywhere, everywhere)
            assert engine == partition_of(key.encode(), count)


@pytest.mark.broker
def test_the_publishers_partitions_are_those_of_the_engines_client(topics):
    with Publisher(topics) as publisher:
        for key in (k for k in KEYS if k):
            publisher.publish(usage(key, key, BEGIN))
    partitioner = DefaultPartitioner()
    everywhere = list(range(COUNT))
    found = stored(topics, USAGE.name)
    assert 39 == len(found)
    assert all(r.partition == partitioner(r.key, everywhere, everywhere) for r in found)
    assert all(r.partition == partition_of(r.key, COUNT) for r in found)


# Customer facts


@pytest.mark.broker
def test_no_usage_overtakes_the_command_that_it_needs(topics):
    created = fact("customer.created", "c", BEGIN, {"currency": "USD"}, "a")
    with Publisher(topics, linger_ms=3_000) as publisher:
        publisher.publish(created)
        publisher.publish(usage("u-b", "b", BEGIN))
        publisher.publish(usage("u-b2", "b", BEGIN))
        assert [] == stored(topics, COMMANDS.name), "another customer's facts wait for nothing"
        publisher.publish(usage("u-a", "a", BEGIN))
        assert ["c"] == [read_record(r.key, r.value, r.headers).id
                         for r in stored(topics, COMMANDS.name)]  # fmt: skip
    assert 3 == len(stored(topics, USAGE.name))


@pytest.mark.broker
@pytest.mark.parametrize("codec", CODECS)
def test_what_is_published_is_read_back_whole_with_any_codec(topics, codec):
    events = [usage(f"u-{n}", f"customer-{n % 7}", BEGIN + n, str(n + 1)) for n in range(500)]
    with Publisher(topics, compression=codec) as publisher:
        for event in events:
            publisher.publish(event)
    assert (500, 0, 0) == (publisher.delivered, publisher.failed, publisher.waiting)
    found = stored(topics, USAGE.name)
    read = {e.id: e for e in (read_record(r.key, r.value, r.headers) for r in found)}
    assert {event.id: event for event in events} == read


@pytest.mark.broker
def test_a_record_is_as_old_as_its_event_says_else_as_young_as_can_be(topics):
    before = time.time_ns() // 1_000
    with Publisher(topics) as publisher:
        publisher.publish(usage("old", "a", BEGIN, recorded=BEGIN + 1_234_567))
        publisher.publish(usage("new", "a", BEGIN))
    old, new = stored(topics, USAGE.name)
    assert BEGIN + 1_235_000 == old.timestamp, "no fact is recorded before it happened"
    assert before <= new.timestamp < time.time_ns() // 1_000 + 1_000


@pytest.mark.broker
def test_an_event_of_the_greatest_size_fits_and_a_byte_more_is_refused(topics):
    def event(size):
        data = {"meter": "calls", "quantity": "1", "properties": {"x": ""}}
        frame = len(b'{"meter":"calls","properties":{"x":""},"quantity":"1"}')
        data["properties"]["x"] = "x" * (size - frame)
        return fact("usage.recorded", "i" * 255, BEGIN, data, "c" * 255)

    with Publisher(topics, compression="none") as publisher:
        publisher.publish(event(EVENT_BYTES_MAX))
        with pytest.raises(BrokerProblem, match="an event has at most 1048576, so leave out"):
            publisher.publish(event(EVENT_BYTES_MAX + 1))
    assert [EVENT_BYTES_MAX] == [len(r.value) for r in stored(topics, USAGE.name)]


@pytest.mark.broker
def test_a_topic_that_takes_less_says_which_fact_is_too_large(topics):
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    entry = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, USAGE.name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": topics})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()
    time.sleep(1.0)  # until the broker goes by it
    publisher = Publisher(topics, compression="none", linger_ms=0)
    publisher.publish(fact("usage.recorded", "big", BEGIN, {"x": "x" * 4_000}, "a"))
    with pytest.raises(NotDelivered, match="larger than the topic takes") as raised:
        publisher.flush()
    assert (1, (("test", "big"),)) == (raised.value.count, raised.value.lost)


@pytest.mark.broker
@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (prices(BEGIN)[0], "send it with CatalogPublisher"),
        (fact("nonsense.done", "n", BEGIN, {}, "a"), "no topic takes creditfold.nonsense.done.v1"),
        (fact("usage.recorded", "n", BEGIN, {}), "n has no subject; set it to the customer id"),
    ],
)
def test_what_is_no_customers_fact_is_refused_at_once(topics, event, sentence):
    with Publisher(topics) as publisher, pytest.raises(BrokerProblem, match=sentence):
        publisher.publish(event)


def test_a_codec_that_is_none_is_refused():
    with pytest.raises(BrokerProblem, match="rar is no codec; use one of none, gzip"):
        Publisher("localhost:1", compression="rar")


@pytest.mark.broker
def test_missing_topics_are_told_before_anything_is_sent(empty):
    with pytest.raises(WrongTopics, match="create the topics, or correct the address"):
        Publisher(empty)
    with pytest.raises(WrongTopics, match="create the topics"):
        CatalogPublisher(empty)


def test_no_broker_at_the_start_is_one_sentence_within_seconds():
    began = time.monotonic()
    nowhere = f"127.0.0.1:{free_port()}"
    for publisher in (Publisher, CatalogPublisher):
        with pytest.raises(BrokerProblem, match=f"no broker at {nowhere} answers"):
            publisher(nowhere, seconds=3)
    assert time.monotonic() - began < 10


@pytest.mark.broker
def test_a_broker_that_goes_away_leaves_no_fact_unnamed(topics, node):
    publisher = Publisher(topics, seconds=4, waiting_max=300)
    for n in range(100):
        publisher.publish(usage(f"before-{n}", "a", BEGIN))
    publisher.flush()
    node.kill()
    try:
        for n in range(200):
            publisher.publish(usage(f"gone-{n}", "a", BEGIN))
        with pytest.raises(NotDelivered, match="200 facts were not delivered") as raised:
            publisher.flush()
    finally:
        node.start()
    assert {("test", f"gone-{n}") for n in range(200)} == set(raised.value.lost)
    assert 100 == publisher.delivered
    again = Publisher(topics)
    for n in range(200):
        again.publish(usage(f"gone-{n}", "a", BEGIN))
    again.flush()
    ids = [dict(r.headers)["ce_id"] for r in stored(topics, USAGE.name)]
    assert 300 == len(set(ids)) == len(ids)


@pytest.mark.broker
def test_a_short_outage_loses_and_doubles_nothing(topics, node):
    with Publisher(topics) as publisher:
        for n in range(2_000):
            publisher.publish(usage(f"u-{n}", f"c-{n % 9}", BEGIN))
            if n == 1_000:
                node.kill()
        node.start()
    ids = [dict(r.headers)["ce_id"] for r in stored(topics, USAGE.name)]
    assert 2_000 == len(set(ids)) == len(ids)


@pytest.mark.broker
def test_a_full_queue_holds_the_caller_back_and_does_not_grow(topics, node):
    import signal

    publisher = Publisher(topics, waiting_max=50, seconds=3)
    node.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        for n in range(50):
            publisher.publish(usage(f"u-{n}", "a", BEGIN))
        with pytest.raises(BrokerProblem, match=r"takes nothing: .* call flush to know"):
            publisher.publish(usage("u-50", "a", BEGIN))
        assert time.monotonic() - began < 6
        assert publisher.waiting <= 50
    finally:
        node.signal(signal.SIGCONT)


# Catalog facts


@pytest.mark.broker
def test_a_catalog_fact_is_on_every_partition_in_one_order_and_once(topics):
    catalog = CatalogPublisher(topics)
    catalog.publish(*prices(BEGIN)[:2])
    catalog.publish(prices(BEGIN)[2])
    found = [list(KafkaLog(topics, p).read(COMMANDS.name)) for p in range(COUNT)]
    orders = {tuple(dict(r.headers)["ce_id"] for r in each) for each in found}
    assert {(b"m", b"c", b"r")} == orders
    assert 1 == len({tuple(r.timestamp for r in each) for each in found})
    assert {None} == {r.key for each in found for r in each}


@pytest.mark.broker
def test_a_second_catalog_publisher_fences_the_first_which_says_so(topics):
    first, facts = CatalogPublisher(topics), prices(BEGIN)
    first.publish(facts[0])
    second = CatalogPublisher(topics)
    with pytest.raises(Fenced, match="another catalog publisher or import has started since"):
        first.publish(facts[1])
    with pytest.raises(Fenced):
        first.publish(facts[1])
    second.publish(facts[2])
    for p in range(COUNT):
        ids = [dict(r.headers)["ce_id"] for r in KafkaLog(topics, p).read(COMMANDS.name)]
        assert [b"m", b"r"] == ids


@pytest.mark.broker
def test_a_catalog_publisher_refuses_differing_counts_even_after_its_start(topics):
    catalog = CatalogPublisher(topics)
    admin = AdminClient({"bootstrap.servers": topics})
    admin.create_partitions([NewPartitions(COMMANDS.name, COUNT + 1)])[COMMANDS.name].result()
    deadline = time.monotonic() + 20
    while len(admin.list_topics(timeout=10).topics[COMMANDS.name].partitions) == COUNT:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(WrongTopics, match="the topics differ in their partitions"):
        catalog.publish(prices(BEGIN)[0])
    assert [] == list(KafkaLog(topics, COUNT).read(COMMANDS.name))


@pytest.mark.broker
def test_a_customers_fact_is_no_catalog_fact(topics):
    catalog = CatalogPublisher(topics)
    with pytest.raises(BrokerProblem, match="is no catalog fact; send it with Publisher"):
        catalog.publish(prices(BEGIN)[0], usage("u", "a", BEGIN))
    assert [] == stored(topics, COMMANDS.name)


@pytest.mark.broker
def test_librdkafkas_own_default_would_part_customers_from_their_history(topics):
    """Why `partitioner` is set everywhere: without it most keys land elsewhere."""
    landed = {}

    def note(error, message):
        assert error is None
        landed[message.key()] = message.partition()

    for settings in ({}, {"partitioner": PARTITIONER}):
        producer = Producer({"bootstrap.servers": topics, **settings})
        for key in (k.encode() for k in KEYS if k):
            producer.produce(USAGE.name, b"", key, on_delivery=note)
        producer.flush(20)
        agree = sum(partition_of(key, COUNT) == p for key, p in landed.items())
        assert (agree == len(landed)) == bool(settings)
