"""History moves to Kafka with the same ids, amounts and order, whatever dies on the way."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import json
import time
from itertools import islice

import pytest
from confluent_kafka import Consumer
from kafka_fixtures import (  # noqa: F401  # fixtures by name
    BEGIN,
    COUNT,
    SECOND,
    Folded,
    appended,
    content,
    empty,
    fact,
    history,
    prices,
    replaced,
    topics,
    usage,
)  # fmt: skip

from creditfold.broker.catalog import CatalogPublisher
from creditfold.broker.history import of_envelopes, of_log
from creditfold.broker.kafka_log import KafkaLog
from creditfold.broker.problems import BrokerProblem, Fenced
from creditfold.broker.publisher import Publisher
from creditfold.broker.transfer import export_log, import_history
from creditfold.contract.envelope import Envelope
from creditfold.contract.topics import COMMANDS, INPUTS, LEDGER, USAGE, event_type
from creditfold.local.runtime import Input, LocalRuntime

pytestmark = pytest.mark.broker


def wall():
    return time.time_ns() // 1_000


@pytest.fixture
def embedded(tmp_path):
    """An embedded log that took the history in portions, as it came; closed and opened again."""

    def made(facts, portion=70):
        with LocalRuntime(tmp_path / "data", wall) as runtime:
            facts = iter(facts)
            while inputs := [appended(each) for each in islice(facts, portion)]:
                runtime.append(inputs)
                list(runtime.run())
        return LocalRuntime(tmp_path / "data", wall, read_only=True)

    return made


def outcomes(log):
    """The ledger's outcomes by customer, without where and when they were recorded."""
    found = {}
    for record in log.read(LEDGER.name):
        data = json.loads(record.value)
        if data.get("customer"):
            data.pop("recorded_at")
            for name in ("topic", "partition", "offset"):
                data["cause"].pop(name, None)
            found.setdefault(data["customer"], []).append(data)
    return found


def on_kafka(bootstrap):
    found = {}
    for number in range(COUNT):
        Folded(bootstrap, number).run().publish()
        part = outcomes(KafkaLog(bootstrap, number))
        assert not part.keys() & found.keys()
        found |= part
    return found


def held(facts):
    """The history with the clock held around it, as an embedded import has it."""
    facts = list(facts)
    first, last = facts[0].recordedtime, facts[-1].recordedtime
    yield fact("clock.held", "held", first, {}, None, first)
    yield from facts
    yield fact("clock.released", "released", last, {}, None, last)


@pytest.mark.parametrize("tick", [1_000, 1_500, 1_000_000])
def test_an_exported_log_gives_the_same_ledger_for_every_customer(topics, embedded, tick):
    heard = []
    with embedded(held(history(tick=tick))) as runtime:
        done = export_log(topics, runtime.log, report=heard.append)
        there = outcomes(runtime.log)
    here = on_kafka(topics)
    assert there.keys() == here.keys()
    for customer in there:
        assert there[customer] == here[customer]
    assert sum(map(len, here.values())) > 400
    assert (True, 2) == (done.finished, done.left_out)
    assert [True] == [each.finished for each in heard if each.finished]
    assert done.moved <= COUNT  # only the release itself stands after usage of its millisecond


def test_facts_of_one_millisecond_keep_their_order_and_are_counted(topics, embedded):
    with embedded(held(history(days=6, tick=7))) as runtime:
        done = export_log(topics, runtime.log)
        past = list(of_log(runtime.log))
    assert done.moved > COUNT
    order = [p.headers for p in past if p.key]
    for number in range(COUNT):
        log = KafkaLog(topics, number)
        records = [r for topic in INPUTS for r in log.read(topic.name)]
        rank = {topic.name: topic.rank for topic in INPUTS}
        read = sorted(records, key=lambda r: (r.timestamp, rank[r.topic], r.offset))
        mine = [r.headers for r in read if r.key]
        wanted = [headers for headers in order if headers in mine]
        assert wanted == mine


def test_the_clock_is_held_around_it_on_every_partition(topics):
    import_history(topics, of_envelopes(history(days=2)), name="h")
    for number in range(COUNT):
        types = [
            dict(r.headers)["ce_type"].decode()
            for r in KafkaLog(topics, number).read(COMMANDS.name)
        ]
        assert event_type("clock.held") == types[0]
        assert event_type("clock.released") == types[-1]
        assert 1 == types.count(event_type("clock.held"))


def test_a_clock_that_the_history_holds_to_its_end_stays_held_and_each_partition_is_there(topics):
    facts = list(held(history(days=2)))[:-1]
    done = import_history(topics, of_envelopes(facts), name="h")
    assert (True, 1) == (done.held, done.left_out)
    for number in range(COUNT):
        records = list(KafkaLog(topics, number).read(COMMANDS.name))
        types = [dict(r.headers)["ce_type"].decode() for r in records]
        assert [event_type("clock.held")] == [each for each in types if "clock" in each][-1:]
        assert event_type("clock.released") not in types
        assert facts[-1].recordedtime <= records[-1].timestamp
    again = import_history(topics, of_envelopes(facts), name="h")
    assert (True, 0) == (again.held, again.sent)


def test_record_times_are_the_histories_own(topics):
    import_history(topics, of_envelopes(history(days=2)), name="h")
    times = [(dict(r.headers)["ce_id"].decode(), r.timestamp) for p in range(COUNT)
             for r in KafkaLog(topics, p).read(USAGE.name)]  # fmt: skip
    own = [(each.id, each.recordedtime) for each in history(days=2)
           if each.type == event_type("usage.recorded")]  # fmt: skip
    assert sorted(own) == sorted(times)


class DiedError(Exception):
    pass


@pytest.mark.parametrize("after", [0, 1, 100, 301])
def test_an_import_that_died_goes_on_and_ends_as_if_it_had_not(topics, after):
    def dying():
        for number, each in enumerate(of_envelopes(history())):
            if number == after:
                raise DiedError
            yield each

    with pytest.raises(DiedError):
        import_history(topics, dying(), name="h", step_records=40)
    done = import_history(topics, of_envelopes(history()), name="h", step_records=40)
    facts = sum(1 for _ in history())
    assert (facts, True) == (done.done, done.finished)
    assert facts - done.sent <= after
    again = import_history(topics, of_envelopes(history()), name="h")
    assert (facts, 0, True) == (again.done, again.sent, again.finished)
    ids = [
        dict(r.headers)["ce_id"] for p in range(COUNT) for r in KafkaLog(topics, p).read(USAGE.name)
    ]
    wanted = [e.id.encode() for e in history() if e.type == event_type("usage.recorded")]
    assert sorted(wanted) == sorted(ids)


def test_a_step_that_a_kill_left_open_is_not_there_afterwards(topics):
    """The transaction of the dead is aborted by the next run, so nothing stands twice."""
    from creditfold.broker.catalog import CatalogWriter, Placed

    dead = CatalogWriter(topics)
    dead._producer.begin_transaction()
    dead._produce(Placed(USAGE.name, 0, BEGIN // 1_000, b"k", b"half", ()))
    dead._producer.flush(10)
    import_history(topics, of_envelopes(history(days=2)), name="h")
    assert all(r.value != b"half" for r in KafkaLog(topics, 0).read(USAGE.name))


def test_used_topics_are_refused(topics):
    with Publisher(topics) as publisher:
        publisher.publish(usage("u", "a", BEGIN))
    with pytest.raises(BrokerProblem, match=r"usage\.v1 hold records already"):
        import_history(topics, of_envelopes(history(days=1)), name="h")
    assert [] == list(KafkaLog(topics, 0).read(COMMANDS.name))


def test_another_history_under_the_same_name_is_refused(topics):
    import_history(topics, of_envelopes(history(days=2)), name="h")
    for days in (1, 3):
        with pytest.raises(BrokerProblem, match="go on with the history that it began with"):
            import_history(topics, of_envelopes(history(days=days)), name="h")


def test_a_running_worker_keeps_an_import_away(topics):
    member = Consumer({"bootstrap.servers": topics, "group.id": "creditfold"})
    member.subscribe([USAGE.name])
    deadline = time.monotonic() + 20
    while not member.assignment():
        member.poll(0.2)
        assert time.monotonic() < deadline
    with pytest.raises(BrokerProblem, match="1 workers of creditfold are running"):
        import_history(topics, of_envelopes(history(days=1)), name="h")
    member.close()
    assert import_history(topics, of_envelopes(history(days=1)), name="h").finished


def test_a_catalog_publisher_that_starts_meanwhile_fences_the_import(topics):
    def disturbed():
        for number, each in enumerate(of_envelopes(history())):
            if number == 50:
                CatalogPublisher(topics)
            yield each

    with pytest.raises(Fenced, match="another catalog publisher or import has started since"):
        import_history(topics, disturbed(), name="h", step_records=20)
    assert import_history(topics, of_envelopes(history()), name="h").finished


def test_what_cannot_be_read_is_a_dead_letter_there_as_well(topics, embedded):
    facts = list(held(history(days=1)))
    with embedded(facts) as runtime:
        directory = runtime._database.directory
    with LocalRuntime(directory, wall) as runtime:
        runtime.append([Input(USAGE.name, BEGIN, b"customer-1", b"no event", (("x", b"y"),)),
                        Input(USAGE.name, BEGIN, None, b"no key", ())])  # fmt: skip
        list(runtime.run())
        export_log(topics, runtime.log)
    values = [r.value for p in range(COUNT) for r in KafkaLog(topics, p).read(USAGE.name)]
    assert {b"no event", b"no key"} <= set(values)


def test_an_empty_history_is_refused(topics):
    with pytest.raises(BrokerProblem, match="is empty; name one that has facts"):
        import_history(topics, iter(()), name="h")


def test_a_type_that_no_topic_carries_is_refused(topics):
    strange = Envelope("s", "test", "creditfold.strange.v1", "a", BEGIN, {}, BEGIN + SECOND)
    with pytest.raises(BrokerProblem, match=r"no topic takes creditfold\.strange\.v1"):
        import_history(topics, of_envelopes([*prices(BEGIN), strange]), name="h")


def test_facts_of_the_future_are_refused(topics):
    ahead = wall() + 3_600 * SECOND
    with pytest.raises(BrokerProblem, match=r"s in the future; correct its recordedtime"):
        import_history(topics, of_envelopes([usage("u", "a", ahead, recorded=ahead)]), name="h")
