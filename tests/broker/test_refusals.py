"""A worker that cannot be sure stops and says why in its last line."""

import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from creditfold.broker.jars import free_port

pytestmark = [pytest.mark.broker, pytest.mark.campaign]


def test_a_broken_fold_halts_its_partition_only_with_the_record_named(rig):
    worker = rig.worker("one").start()
    rig.send(400)
    rig.wait_for_outputs(400)
    rig._producer.produce(rig.inputs[1], b'{"poison": 1}', b"k", partition=2)
    rig.flush()
    deadline = time.monotonic() + 20
    while not (halted := worker.metrics()["partitions"]["2"]["halted"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert f"{rig.inputs[1]}-2@" in halted
    assert "a broken invariant" in halted
    before = rig.committed_outputs()
    rig.send(400)
    deadline = time.monotonic() + 20
    while rig.committed_outputs() < before + 250:  # three of four partitions go on
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert worker.running
    worker.kill()
    worker.start()
    rig.wait_ready(worker)
    time.sleep(1.0)
    assert halted == worker.metrics()["partitions"]["2"]["halted"]


def test_two_processes_on_one_state_directory_are_refused(rig):
    one = rig.worker("one").start()
    rig.wait_ready(one)
    two = rig.worker("one")
    two.log = rig.directory / "two.log"
    two.start()
    assert two.wait() != 0
    assert "another worker uses the state directory" in two.last_line
    assert one.running


def test_a_worker_without_a_broker_waits_and_says_so(rig):
    worker = rig.worker("one", brokers=f"127.0.0.1:{free_port()}").start()
    deadline = time.monotonic() + 25
    while "waiting for the broker" not in worker.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert worker.running


def test_state_without_a_position_refuses_to_start(rig):
    topic = NewTopic(rig.changelog, 4, 1, config={"cleanup.policy": "compact"})
    rig.admin.create_topics([topic])[rig.changelog].result()
    producer = Producer({"bootstrap.servers": rig.bootstrap})
    producer.produce(rig.changelog, b"7", b"sbk1", partition=1)
    assert producer.flush(10) == 0
    worker = rig.worker("one").start()
    assert worker.wait() != 0
    assert "no position" in worker.last_line


def test_a_position_of_another_version_refuses_to_start(rig):
    topic = NewTopic(rig.changelog, 4, 1, config={"cleanup.policy": "compact"})
    rig.admin.create_topics([topic])[rig.changelog].result()
    producer = Producer({"bootstrap.servers": rig.bootstrap})
    producer.produce(rig.changelog, b'{"batch": "seven"}', b"mposition", partition=1)
    assert producer.flush(10) == 0
    worker = rig.worker("one").start()
    assert worker.wait() == 70
    assert "RefusedToStart: partition 1's position in " in worker.last_line
    assert "use the version that wrote it" in worker.last_line


@pytest.mark.parametrize(
    ("setting", "seconds", "said"),
    [
        ("session_seconds", 2_000.0, "the brokers allow sessions of "),
        ("transaction_seconds", 1_000.0, "the brokers allow transactions of up to 900 s"),
    ],
)
def test_a_time_out_that_the_brokers_do_not_grant_is_refused(rig, setting, seconds, said):
    worker = rig.worker("one", **{setting: seconds}).start()
    assert worker.wait() == 70
    assert said in worker.last_line
    assert f"the setting {setting} is {seconds:g}" in worker.last_line


def test_another_number_of_partitions_is_refused(rig):
    worker = rig.worker("one", partitions=3).start()
    assert worker.wait() != 0
    assert "has 4 partitions, the application 3" in worker.last_line


def test_a_topic_made_anew_is_read_from_its_start(rig):
    worker = rig.worker("one").start()
    rig.send(2_000)
    rig.wait_for_outputs(2_000)
    assert worker.terminate() == 0
    commands = rig.inputs[0]
    rig.admin.delete_topics([commands])[commands].result()
    time.sleep(1.0)
    rig.admin.create_topics([NewTopic(commands, 4, 1)])[commands].result()
    rig.put(commands, "fresh", {"id": "fresh", "n": 5})
    rig.flush()
    worker.start()
    rig.wait_for_outputs(2_001)
