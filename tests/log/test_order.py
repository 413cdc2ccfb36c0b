"""The order of a batch is a function of its records alone, and its ranges join."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from creditfold.contract.topics import INPUTS, RANK
from creditfold.log.order import ordered, ranges
from creditfold.log.records import Range, Record

TOPICS = [topic.name for topic in INPUTS]


@st.composite
def logs(draw: st.DrawFn) -> dict[str, list[Record]]:
    """Unread records by topic: times collide and go back, offsets have holes."""
    queues: dict[str, list[Record]] = {}
    for topic in TOPICS:
        offset, queue = 0, []
        for time in draw(st.lists(st.integers(0, 12), max_size=7)):
            offset += draw(st.sampled_from([1, 1, 2]))
            queue.append(Record(topic, 0, offset, time, b"k", b"v", ()))
        queues[topic] = queue
    return queues


def live(queues: dict[str, list[Record]], now: int, wall: int, count: int) -> list:
    return list(itertools.islice(ordered(queues, RANK, now, wall), count))


@given(logs(), st.integers(0, 6), st.integers(0, 14), st.integers(1, 30))
def test_a_replay_finds_the_live_order_and_times_from_the_header_alone(queues, now, ahead, count):
    """Live the ceiling is the wall clock; a replay knows the ranges and the header's time."""
    wall = now + ahead
    batch = live(queues, now, wall, count)
    caught_up = len(batch) == sum(map(len, queues.values()))
    header_now = wall if caught_up else (batch[-1][1] if batch else now)
    taken: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
    for record, _ in batch:
        taken[record.topic].append(record)
    again = list(ordered(taken, RANK, now, header_now))
    assert batch == again


@given(logs(), st.integers(0, 6), st.integers(0, 14), st.permutations(TOPICS))
def test_the_order_of_the_queues_does_not_matter(queues, now, ahead, topics):
    shuffled = {topic: queues[topic] for topic in topics}
    assert live(queues, now, now + ahead, 99) == live(shuffled, now, now + ahead, 99)


@given(logs(), st.integers(0, 6), st.integers(0, 14))
def test_each_topic_keeps_its_order_and_the_log_never_goes_back_or_ahead(queues, now, ahead):
    batch = live(queues, now, now + ahead, 99)
    for topic in TOPICS:
        assert queues[topic] == [record for record, _ in batch if record.topic == topic]
    times = [time for _, time in batch]
    assert sorted(times) == times
    assert all(now <= time <= now + ahead for time in times)


@given(logs(), st.integers(0, 6), st.integers(0, 14), st.lists(st.integers(1, 9), max_size=30))
def test_cutting_the_queue_into_batches_anywhere_keeps_order_and_times(queues, now, ahead, cuts):
    whole = live(queues, now, now + ahead, 99)
    rest = {topic: list(queue) for topic, queue in queues.items()}
    time, pieces = now, []
    for count in [*cuts, 99]:
        piece = live(rest, time, now + ahead, count)
        for record, _ in piece:
            rest[record.topic].remove(record)
        time = piece[-1][1] if piece else time
        pieces += piece
    assert whole == pieces


def test_of_records_at_one_time_commands_go_before_transfers_invoices_and_usage():
    queues = {topic: [Record(topic, 0, 0, 5, None, b"", ())] for topic in TOPICS}
    order = [record.topic.split(".")[1] for record, _ in ordered(queues, RANK, 0, 9)]
    assert ["commands", "transfers", "invoices", "usage"] == order


def test_a_late_record_holds_up_what_its_topic_holds_behind_it_and_no_other():
    late = [
        Record("creditfold.usage.v1", 0, n, time, None, b"", ()) for n, time in ((0, 9), (1, 1))
    ]
    early = [Record("creditfold.commands.v1", 0, 0, 5, None, b"", ())]
    queues = {"creditfold.usage.v1": late, "creditfold.commands.v1": early}
    assert [(5, 5), (9, 9), (1, 9)] == [(r.timestamp, t) for r, t in ordered(queues, RANK, 0, 20)]


@given(logs(), st.lists(st.integers(1, 9), max_size=30))
def test_ranges_of_consecutive_batches_join_and_count_every_record(queues, cuts):
    order = [record for record, _ in live(queues, 0, 99, 99)]
    positions: dict[str, int] = {}
    seen: list[Range] = []
    for count in [*cuts, 99]:
        batch, order = order[:count], order[count:]
        for each in ranges(batch, positions, RANK):
            assert positions.get(each.topic, 0) == each.start < each.end
            positions[each.topic] = each.end
            seen.append(each)
    for topic in TOPICS:
        assert len(queues[topic]) == sum(each.records for each in seen if each.topic == topic)
        if queues[topic]:
            assert queues[topic][-1].offset + 1 == positions[topic]


def test_a_batch_of_nothing_has_no_ranges():
    assert () == ranges([], {"creditfold.usage.v1": 7}, RANK)
