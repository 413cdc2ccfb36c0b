"""Order and ranges of a batch, as laws over any records, cuts and clocks."""

from itertools import islice

from hypothesis import example, given
from hypothesis import strategies as st

from creditfold.engine.batch import Lane, advance, closing_time, order, ready
from creditfold.log.order import log_time, merge
from creditfold.log.records import Record

TOPICS = ("commands", "transfers", "invoices", "usage")
SECOND = 1_000_000


def record(topic, offset, timestamp):
    return Record(topic, 0, offset, timestamp, b"k", b"v")


@st.composite
def backlogs(draw):
    """Each topic's records: strictly rising offsets with holes, times in any order."""
    topics = []
    for topic in TOPICS:
        offset, records = draw(st.integers(0, 5)), []
        for timestamp in draw(st.lists(st.integers(0, 50), max_size=12)):
            records.append(record(topic, offset, timestamp))
            offset += draw(st.integers(1, 3))
        topics.append(records)
    return topics


def lanes_of(backlog, read_at=1):
    lanes = [Lane(topic, 0) for topic in TOPICS]
    for lane, records in zip(lanes, backlog, strict=True):
        if records:
            lane.put(records, 1)
        lane.read_at = read_at
    return lanes


def drain(lanes, ceiling, limits):
    """Take batch after batch with `limits` in turn; return the order and each batch's ranges."""
    taken, ranges = [], []
    for limit in limits:
        batch = list(islice(order(lanes, ceiling), limit))
        taken += batch
        ranges.append(advance(lanes, batch))
    return taken, ranges


everything = (False,) * len(TOPICS)


@given(backlogs(), st.integers(0, 60))
def test_merge_keeps_every_record_once_and_the_offsets_of_a_topic_in_order(backlog, ceiling):
    merged = list(merge(backlog, everything, ceiling))
    for topic, records in zip(TOPICS, backlog, strict=True):
        assert records == [r for r in merged if r.topic == topic]
    assert sum(map(len, backlog)) == len(merged)


@given(backlogs(), st.integers(0, 60))
def test_the_earliest_head_comes_first_and_ties_go_by_rank(backlog, ceiling):
    rest = [list(records) for records in backlog]
    for taken in merge(backlog, everything, ceiling):
        heads = [(min(r[0].timestamp, ceiling), rank) for rank, r in enumerate(rest) if r]
        _, rank = min(heads)
        assert rest[rank].pop(0) == taken


@given(backlogs(), st.integers(0, 60), st.lists(st.integers(1, 9), min_size=60, max_size=60))
def test_the_order_does_not_depend_on_where_batches_are_cut(backlog, ceiling, limits):
    whole = list(merge(backlog, everything, ceiling))
    cut, _ = drain(lanes_of(backlog), ceiling, limits)
    assert whole == cut


@given(backlogs(), st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.booleans())
def test_a_replay_by_the_header_repeats_the_order(backlog, wall, running, limit, caught_up):
    """The header's `now` in the place of the ceiling gives the same order for the same ranges."""
    ceiling = max(wall, running)
    lanes = lanes_of(backlog)
    batch = list(islice(order(lanes, ceiling), limit))
    ranges = {r.topic: r for r in advance(lanes, batch)}
    now = running
    for each in batch:
        now = log_time(now, each.timestamp, ceiling)
    now = closing_time(now, ceiling, wall if caught_up else None)
    again = [
        [r for r in records if topic in ranges and r.offset < ranges[topic].end]
        for topic, records in zip(TOPICS, backlog, strict=True)
    ]
    assert batch == list(merge(again, everything, now))
    assert now <= ceiling


@given(backlogs(), st.lists(st.integers(1, 9), min_size=60, max_size=60))
def test_ranges_join_and_count_every_record(backlog, limits):
    _, batches = drain(lanes_of(backlog), 100, limits)
    for topic, records in zip(TOPICS, backlog, strict=True):
        ranges = [r for batch in batches for r in batch if r.topic == topic]
        ends = [0, *(r.end for r in ranges)]
        assert ends[:-1] == [r.start for r in ranges]
        assert len(records) == sum(r.records for r in ranges)
        assert all(r.records for r in ranges)
        assert (records[-1].offset + 1 if records else 0) == ends[-1]


def test_an_empty_lane_with_unread_records_holds_the_others_back():
    lanes = lanes_of([[], [], [], [record("usage", 0, 5)]])
    lanes[0].read_at = 0
    assert not ready(lanes)
    assert list(order(lanes, 100)) == []
    lanes[0].read_at = 1
    assert ready(lanes)
    assert [*lanes[3].waiting] == list(order(lanes, 100))


def test_a_lane_that_runs_dry_ends_the_batch_if_more_is_unread():
    commands = [record("commands", i, i) for i in range(3)]
    usage = [record("usage", i, i * 10) for i in range(3)]
    lanes = lanes_of([commands, [], [], usage])
    lanes[0].read_at = 0
    assert [commands[0], usage[0], commands[1], commands[2]] == list(order(lanes, 100))


def test_what_was_fetched_after_a_lane_was_read_up_waits_until_it_is_read_up_again():
    """A grant may have been acknowledged in between, and the usage published after it."""
    lanes = lanes_of([[], [], [], [record("usage", 0, 5)]], read_at=10)
    lanes[3].put([record("usage", 1, 6)], 11)
    assert [0] == [each.offset for each in order(lanes, 100)]
    advance(lanes, list(order(lanes, 100)))
    assert not ready(lanes)
    for lane in lanes:
        lane.read_at = 11
    assert [1] == [each.offset for each in order(lanes, 100)]


steps = st.one_of(
    st.sampled_from(TOPICS),  # append a record to it
    st.sets(st.sampled_from(TOPICS)),  # fetch from these
    st.integers(1, 5),  # take a batch of so many
)


@example(["commands", set(TOPICS), "commands", "usage", set(TOPICS[1:]), 9])
@given(st.lists(steps, min_size=1, max_size=60))
def test_however_topics_are_fetched_what_was_published_first_is_taken_first(script):
    logs = {topic: [] for topic in TOPICS}
    lanes, taken = lanes_of([[], [], [], []], read_at=0), []

    def fetch(topics, now):
        for lane in lanes:
            if lane.topic in topics:
                new = logs[lane.topic][lane.position :]
                lane.position += len(new)
                lane.read_at = now
                if new:
                    lane.put(new, now)

    for now, step in enumerate([*script, set(TOPICS), 60], 1):
        if isinstance(step, str):
            logs[step].append(record(step, len(logs[step]), now))
        elif isinstance(step, set):
            fetch(step, now)
        else:
            batch = list(islice(order(lanes, now), step))
            taken += batch
            advance(lanes, batch)
    assert sum(map(len, logs.values())) == len(taken)
    assert sorted(each.timestamp for each in taken) == [each.timestamp for each in taken]


@given(backlogs(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_batch_is_ready_exactly_when_the_order_has_a_first_record(backlog, read_up):
    lanes = lanes_of(backlog)
    for lane, up in zip(lanes, read_up, strict=True):
        lane.read_at = int(up)
    assert ready(lanes) == any(order(lanes, 100))


@given(st.integers(0, 100), st.lists(st.integers(0, 200)), st.integers(0, 100))
def test_log_time_never_goes_back_nor_above_the_ceiling(running, stamps, wall):
    ceiling, times = max(wall, running), [running]
    for stamp in stamps:
        times.append(log_time(times[-1], stamp, ceiling))
    assert sorted(times) == times
    assert times[-1] <= ceiling


def test_the_wall_clock_moves_the_log_only_when_all_is_read():
    assert closing_time(50, 90, None) == 50
    assert closing_time(50, 90, 80) == 80
    assert closing_time(50, 90, 95) == 90
    assert closing_time(50, 90, 40) == 50
