"""The log's time: backlogs fold in the order they happened, clocks move what is silent."""

import json
import time

import pytest

pytestmark = pytest.mark.broker


def entries(rig, **wanted):
    found = [json.loads(m.value()) for m in rig.read([rig.ledger]) if m.key() != b"header"]
    return [e for e in found if all(e.get(k) == v for k, v in wanted.items())]


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def test_a_backlog_of_one_topic_is_not_overtaken_by_another(rig):
    """Usage of an hour waits; the command sent after it folds after it."""
    hour_ago = round(time.time() * 1_000) - 3_600_000
    for i in range(3_000):
        rig.put(rig.inputs[1], "k", {"id": i, "n": 1}, timestamp=hour_ago + i * 1_000)
    rig.put(rig.inputs[0], "k", {"id": 3_000, "n": 1}, timestamp=hour_ago + 1_500_500)
    rig.flush()
    rig.sent = 3_001
    rig.worker("one", limits={"batch_records": 100}).start()
    rig.wait_for_outputs(rig.sent)
    rig.verify()
    order = [e["id"] for e in entries(rig, key="k")]
    assert [*range(1_501), 3_000, *range(1_501, 3_000)] == order


def test_a_silent_key_falls_due_by_the_wall_clock(rig):
    worker = rig.worker("one").start()
    due = (time.time_ns() // 1_000) + 3_000_000
    rig.put(rig.inputs[1], "k", {"id": 0, "n": 1, "due": due})
    rig.flush()
    rig.sent = 1
    wait_for(lambda: entries(rig, rang=due))
    assert time.time_ns() // 1_000 >= due
    assert worker.running
    rig.verify()


def test_a_timer_survives_a_wiped_disk(rig):
    worker = rig.worker("one").start()
    due = (time.time_ns() // 1_000) + 6_000_000
    rig.put(rig.inputs[1], "k", {"id": 0, "n": 1, "due": due})
    rig.flush()
    rig.sent = 1
    rig.wait_for_outputs(1)
    worker.kill()
    worker.wipe()
    worker.start()
    wait_for(lambda: entries(rig, rang=due))
    rig.verify()
    assert len(entries(rig, rang=due)) == 1


def test_a_held_clock_does_not_ring_until_it_is_released(rig):
    worker = rig.worker("one").start()
    now = time.time_ns() // 1_000
    past = now - 10_000_000_000
    stamp = past // 1_000 - 1_000
    rig.put(rig.inputs[1], "k", {"id": 0, "n": 1, "held": True, "due": past}, timestamp=stamp)
    rig.flush()
    rig.sent = 1
    rig.wait_for_outputs(1)
    time.sleep(1.0)
    assert not entries(rig, rang=past)
    worker.kill()  # the hold is in the position record
    worker.start()
    rig.wait_ready(worker)
    time.sleep(1.0)
    assert not entries(rig, rang=past)
    rig.put(rig.inputs[1], "k", {"id": 1, "n": 1, "held": False}, timestamp=stamp + 1)
    rig.flush()
    rig.sent = 2
    wait_for(lambda: entries(rig, rang=past))
    rig.verify()


def test_timers_that_ring_under_load_never_meet_a_batch(rig):
    """Clock steps and inputs share one mailbox: one transaction at a time."""
    worker = rig.worker("one").start()
    rig.wait_ready(worker)
    now = time.time_ns() // 1_000
    dues = [now + 500_000 + i * 10_000 for i in range(250)]
    for i, due in enumerate(dues):
        rig.put(rig.inputs[1], f"silent{i}", {"id": rig.sent, "n": 1, "due": due})
        rig.sent += 1
    rig.send(3_000, per_second=1_000)
    rig.wait_for_outputs(rig.sent + len(dues))
    assert worker.running
    assert sorted(dues) == sorted(e["rang"] for e in entries(rig) if "rang" in e)
    rig.verify()
    assert sum(p["clock_batches"] for p in worker.metrics()["partitions"].values()) > 0
