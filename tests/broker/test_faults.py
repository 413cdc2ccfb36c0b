"""Whatever dies, freezes or moves: each input has one outcome, and the ledger proves it."""

import signal
import time

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import ConfigResource, ResourceType

pytestmark = [pytest.mark.broker, pytest.mark.campaign]


@pytest.fixture(params=[1, pytest.param(20, marks=pytest.mark.long)], ids=["short", "long"])
def scale(request):
    return request.param


def test_kill_one_of_two_workers_under_load(rig, scale):
    one, two = rig.worker("one").start(), rig.worker("two").start()
    rig.wait_ready(one, two)
    rig.send(1_000 * scale, per_second=1_000)
    for _ in range(scale):
        one.kill()
        rig.send(500, per_second=1_000)
        one.start()
        rig.send(1_500, per_second=1_000)
    rig.wait_for_outputs(rig.sent)
    rig.verify()


def test_kill_while_a_backlog_is_folded(rig, scale):
    worker = rig.worker("one", limits={"batch_records": 20})
    rig.send(6_000 * scale)
    for kill_after in (0.05, 0.3) * scale:
        worker.start()
        rig.wait_ready(worker)
        time.sleep(kill_after)
        worker.kill()
    worker.start()
    rig.wait_for_outputs(rig.sent)
    rig.verify()


def test_terminate_while_a_backlog_is_folded(rig, scale):
    worker = rig.worker("one", limits={"batch_records": 20})
    rig.send(6_000 * scale)
    for _ in range(2 * scale):
        worker.start()
        rig.wait_ready(worker)
        time.sleep(0.1)
        assert worker.terminate() == 0
    assert rig.committed_outputs() < rig.sent, "nothing was left to lose"
    worker.start()
    rig.wait_for_outputs(rig.sent)
    rig.verify()


def test_a_frozen_worker_changes_nothing_when_it_wakes(rig):
    one, two = rig.worker("one").start(), rig.worker("two").start()
    rig.wait_ready(one, two)
    rig.send(1_000, per_second=1_000)
    one.signal(signal.SIGSTOP)
    rig.send(2_000, per_second=2_000 / (rig.arguments["session_seconds"] + 2))
    rig.wait_for_outputs(rig.sent)  # the other has taken over
    one.signal(signal.SIGCONT)
    rig.send(2_000, per_second=1_000)
    rig.wait_for_outputs(rig.sent)
    rig.verify()
    # it was fenced and said so, or it noticed in time and joined again
    assert one.running or "worker stopped: Fenced" in one.last_line


def test_a_worker_that_froze_after_its_assignment_does_not_fence_the_owner(rig):
    one = rig.worker("one", freeze_at_assignment=2).start()
    rig.wait_ready(one)
    two = rig.worker("two").start()  # the second assignment of the first
    rig.send(500)
    rig.wait_for_outputs(rig.sent)  # the second owns all since the first's session has ended
    one.signal(signal.SIGCONT)
    rig.send(3_000, per_second=1_000)
    rig.wait_for_outputs(rig.sent)
    rig.verify()
    for worker in (one, two):
        assert worker.running, worker.last_line
        assert "Fenced" not in worker.log.read_text()


def test_a_wiped_disk_is_recovered_from_the_changelog(rig):
    worker = rig.worker("one").start()
    rig.send(3_000)
    rig.wait_for_outputs(rig.sent)
    worker.kill()
    worker.wipe()
    rig.send(3_000)
    worker.start()
    rig.wait_for_outputs(rig.sent)
    rig.verify()
    recovered = [p["recovered_records"] for p in worker.metrics()["partitions"].values()]
    assert all(recovered), "the changelog was not read"


def test_a_standby_takes_over_without_reading_the_changelog_anew(rig):
    one = rig.worker("one", standbys=1).start()
    two = rig.worker("two", standbys=1).start()
    rig.wait_ready(one, two)
    rig.send(2_000)
    rig.wait_for_outputs(rig.sent)
    time.sleep(1.5)  # a standby's fetch
    assert two.metrics()["standby_records"] > 0
    one.kill()
    rig.send(1_000)
    rig.wait_for_outputs(rig.sent)
    rig.verify()
    partitions = two.metrics()["partitions"].values()
    assert len(partitions) == 4
    assert sum(p["recovered_records"] for p in partitions) < 100


def test_workers_join_and_leave_under_load(rig, scale):
    first = rig.worker("first").start()
    rig.wait_ready(first)
    for round_ in range(scale):
        other = rig.worker(f"other{round_}").start()
        rig.send(2_000, per_second=1_000)
        rig.wait_ready(other)
        rig.send(500, per_second=1_000)
        assert other.terminate() == 0
        rig.send(1_000, per_second=1_000)
    rig.wait_for_outputs(rig.sent)
    rig.verify()


def test_a_partition_that_stays_is_opened_again_without_its_changelog_being_read(rig):
    one = rig.worker("one").start()
    rig.wait_ready(one)
    rig.send(3_000)
    rig.wait_for_outputs(rig.sent)
    two = rig.worker("two").start()
    rig.wait_ready(two)
    deadline = time.monotonic() + 30
    while not (one.metrics()["ready"] and len(one.metrics()["partitions"]) < 4):
        assert time.monotonic() < deadline, "nothing was taken over"
        time.sleep(0.2)
    stayed = one.metrics()["partitions"]
    assert stayed
    assert [0] * len(stayed) == [p["recovered_records"] for p in stayed.values()]
    assert all(p["log_time"] for p in stayed.values()), "the position tells it"
    rig.send(1_000)
    rig.wait_for_outputs(rig.sent)
    rig.verify()


def test_no_send_is_answered_with_an_error_while_the_cluster_is_well(rig):
    """What joins a transaction joins it before the first record of it is sent."""
    worker = rig.worker("one", limits={"batch_records": 200}).start()
    rig.send(10_000)
    rig.wait_for_outputs(rig.sent)
    rig.verify()
    assert "error produce response" not in worker.log.read_text()


def test_assignments_under_load_are_opened_in_a_group_without_offsets(rig):
    """A fetch that one comes into has no position to go on from; no opening waits for it."""
    silent = {"group_commit_seconds": 3_600.0}
    one, two = rig.worker("one", **silent).start(), rig.worker("two", **silent).start()
    rig.wait_ready(one, two)
    for _ in range(5):
        one.kill()
        rig.send(600, per_second=200)
        one.start()
        rig.send(400, per_second=200)
        rig.wait_ready(one, two, seconds=30)
    rig.wait_for_outputs(rig.sent)
    rig.verify()


def keep_running(rig, workers, seconds=120):
    """Be the supervisor until every input has its output: start again what crashed on doubt."""
    deadline = time.monotonic() + seconds
    while rig.committed_outputs() < rig.sent:
        assert time.monotonic() < deadline, rig.tails()
        for worker in workers:
            if not worker.running:
                worker.start()
        time.sleep(0.5)


outages = [("kill", 2.0)]
long_outages = [("kill", 35.0), ("stop", 33.0), ("freeze", 20.0), ("kill", 0.0), ("stop", 20.0)]


@pytest.mark.parametrize(
    "outages",
    [outages, pytest.param(long_outages, marks=pytest.mark.long)],
    ids=["short", "long"],
)
def test_the_broker_goes_away_and_comes_back(rig, node, outages):
    workers = [rig.worker("one").start(), rig.worker("two").start()]
    rig.wait_ready(*workers)
    for how, seconds in outages:
        rig.send(2_000, per_second=2_000)
        if how == "freeze":
            node.signal(signal.SIGSTOP)
            time.sleep(seconds)
            node.signal(signal.SIGCONT)
        else:
            getattr(node, how)()
            time.sleep(seconds)
            node.start()
        rig.send(2_000, per_second=2_000)
        keep_running(rig, workers)
    rig.verify()
    for worker in workers:  # an outage is worth a few lines
        assert worker.log.read_text(errors="replace").count("\n") < 2_000 * len(outages)


def test_first_start_with_a_changelog_and_no_group_offsets(rig):
    worker = rig.worker("one").start()
    rig.send(5_000)
    rig.wait_for_outputs(rig.sent)
    assert worker.terminate() == 0
    rig.admin.delete_consumer_groups([rig.application])[rig.application].result()
    worker.wipe()
    rig.send(5_000)
    worker.start()
    rig.wait_for_outputs(rig.sent)
    rig.verify()


def test_a_changelog_made_at_the_start_has_the_settings_it_was_given_and_the_engine_s_own(rig):
    given = {"max.message.bytes": "2097152", "cleanup.policy": "delete"}
    rig.wait_ready(rig.worker("one", changelog_settings=given).start())
    topic = ConfigResource(ResourceType.TOPIC, rig.changelog)
    found = rig.admin.describe_configs([topic])[topic].result()
    assert found["max.message.bytes"].value == "2097152"
    assert found["cleanup.policy"].value == "compact", "or state would be deleted"


def test_group_offsets_set_back_replay_nothing_and_ahead_refuse_to_start(rig):
    worker = rig.worker("one").start()
    rig.send(3_000)
    rig.wait_for_outputs(rig.sent)
    assert worker.terminate() == 0
    set_group_offsets(rig, 0)
    rig.send(1_000)
    worker.start()
    rig.wait_for_outputs(rig.sent)
    rig.verify()
    assert worker.terminate() == 0
    set_group_offsets(rig, 100_000)
    worker.start()
    assert worker.wait() != 0
    assert "RefusedToStart" in worker.last_line
    assert "the group committed 100000" in worker.last_line


def set_group_offsets(rig, offset):
    from confluent_kafka import TopicPartition

    tps = [TopicPartition(topic, p, offset) for topic in rig.inputs for p in range(4)]
    request = [ConsumerGroupTopicPartitions(rig.application, tps)]
    deadline = time.monotonic() + 20
    while True:
        try:
            return rig.admin.alter_consumer_group_offsets(request)[rig.application].result()
        except Exception:  # the member that left is still counted for a moment
            assert time.monotonic() < deadline
            time.sleep(0.3)
