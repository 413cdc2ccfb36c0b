"""Topics are made as planned, told apart from what they should be, and never grown."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import time

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from kafka_fixtures import COUNT, empty, topics  # noqa: F401  # fixtures by name

from creditfold.broker.describe import describe
from creditfold.broker.jars import free_port
from creditfold.broker.plan import changelog, equal_count, plan
from creditfold.broker.problems import BrokerProblem, WrongTopics
from creditfold.broker.topics import create, repair
from creditfold.contract.topics import DEAD_LETTERS, INPUTS, LEDGER, TOPICS, USAGE
from creditfold.engine.position import Position

pytestmark = pytest.mark.broker


def findings(bootstrap, **more):
    return {(each.topic, each.grave): each for each in describe(bootstrap, **more).findings}


def test_all_nine_are_made_as_planned_and_only_once(empty):
    made = create(empty, partitions=COUNT)
    assert {each.name for each in plan()} == set(made)
    assert len(TOPICS) + 1 == len(made)
    found = describe(empty, partitions=COUNT)
    assert () == found.findings
    assert found.ok
    assert {COUNT} == {topic.partitions for topic in found.topics}
    assert () == create(empty, partitions=COUNT)
    assert found == describe(empty, partitions=COUNT)


def test_a_dead_letter_may_be_larger_than_any_input(topics):
    limits = {t.name: int(t.settings["max.message.bytes"]) for t in describe(topics).topics}
    assert limits[DEAD_LETTERS.name] > max(limits[topic.name] for topic in INPUTS)


def test_what_is_missing_is_named_and_made_without_touching_the_rest(topics):
    admin = AdminClient({"bootstrap.servers": topics})
    before = {t.name: t.topic_id for t in describe(topics).topics}
    admin.delete_topics([LEDGER.name])[LEDGER.name].result()
    time.sleep(0.5)
    found = findings(topics)[LEDGER.name, True]
    assert "the topic is missing" == found.what
    assert "create the topics" == found.advice
    with pytest.raises(WrongTopics, match=r"lacks creditfold.ledger.v1; create the topics"):
        equal_count(topics)
    assert (LEDGER.name,) == create(topics, partitions=COUNT)
    after = {t.name: t.topic_id for t in describe(topics).topics}
    assert [LEDGER.name] == [name for name in after if after[name] != before[name]]


def test_another_count_is_told_and_never_made_up_for_by_adding(topics):
    admin = AdminClient({"bootstrap.servers": topics})
    admin.create_partitions([NewPartitions(USAGE.name, COUNT + 2)])[USAGE.name].result()
    time.sleep(0.5)
    found = findings(topics, partitions=COUNT)
    assert "differ in their partitions" in found["", True].what
    assert "customers would move" in found["", True].advice
    assert "it has 6 partitions, and 4 are configured" == found[USAGE.name, True].what
    with pytest.raises(WrongTopics, match=r"usage\.v1 has 6 there already, and 4 were asked for"):
        create(topics, partitions=COUNT)
    with pytest.raises(WrongTopics, match="make them anew with one number"):
        equal_count(topics)


def test_wrong_settings_are_told_and_repaired_on_request_only(empty):
    admin = AdminClient({"bootstrap.servers": empty})
    wrong = {"cleanup.policy": "compact", "retention.ms": "1000", "max.message.bytes": "5000000"}
    admin.create_topics([NewTopic(USAGE.name, COUNT, 1, config=wrong)])[USAGE.name].result()
    create(empty, partitions=COUNT)
    told = [each for each in describe(empty).findings if each.grave]
    assert 2 == sum(each.topic == USAGE.name for each in told)
    letters = next(each for each in told if each.topic == DEAD_LETTERS.name)
    assert "a letter that does not fit would halt its partition" in letters.what
    assert not describe(empty).ok
    assert (USAGE.name,) == repair(empty)
    assert describe(empty).ok
    assert () == repair(empty)


def test_a_topic_made_anew_is_noticed_by_the_workers_positions(topics):
    from confluent_kafka import Producer

    ids = {t.name: t.topic_id for t in describe(topics).topics}
    position = Position(batch=1, ids={USAGE.name: ids[USAGE.name], LEDGER.name: "another"})
    producer = Producer({"bootstrap.servers": topics, "transactional.id": "t"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(changelog(), position.encode(), b"mposition", 1)
    producer.commit_transaction(20)
    anew = [each for each in describe(topics).findings if "made anew" in each.what]
    assert [LEDGER.name] == [each.topic for each in anew]


def test_records_that_are_gone_are_told(topics):
    from confluent_kafka import Producer, TopicPartition

    producer = Producer({"bootstrap.servers": topics})
    producer.produce(USAGE.name, b"x", partition=2)
    producer.flush(10)
    admin = AdminClient({"bootstrap.servers": topics})
    for future in admin.delete_records([TopicPartition(USAGE.name, 2, 1)]).values():
        future.result()
    told = findings(topics)[USAGE.name, False]
    assert "partitions 2 no longer hold their first records" == told.what


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"partitions": 0}, "0 partitions cannot be"),
        ({"replication": 0}, "0 replicas cannot be"),
        ({"min_isr": 2}, "nothing could ever be written"),
        ({"replication": 5}, "fewer brokers than replicas"),
    ],
)
def test_a_request_that_cannot_be_is_refused(empty, wrong, sentence):
    with pytest.raises(BrokerProblem, match=sentence):
        create(empty, **wrong)
    assert {0} == {topic.partitions for topic in describe(empty).topics}


def test_no_broker_is_one_sentence_within_seconds():
    began = time.monotonic()
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerProblem, match=f"no broker at {nowhere} answers; start it"):
        create(nowhere, seconds=3)
    with pytest.raises(BrokerProblem, match="start it, or correct the address"):
        describe(nowhere, seconds=3)
    assert time.monotonic() - began < 12
