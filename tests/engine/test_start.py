"""Where a partition reads on, and what it refuses to read on from."""

import pytest
from aiokafka import TopicPartition

from creditfold.engine.errors import RefusedToStart
from creditfold.engine.position import Position
from creditfold.engine.recovery import _start

tp = TopicPartition("usage", 2)
position = Position(batch=9, next={"usage": 50}, ids={"usage": "id"})


def start(position=position, topic_id="id", first=0, end=100, reported=0):
    return _start(tp, position, topic_id, first, end, reported)


def test_it_reads_on_where_the_state_stands_whatever_the_group_says():
    assert start(reported=0) == 50
    assert start(reported=50) == 50


def test_a_first_start_begins_with_the_oldest_record_there_is():
    assert start(Position()) == 0
    assert start(Position(), first=30) == 30


def test_a_topic_made_anew_is_read_from_its_start():
    assert start(topic_id="another", end=3) == 0


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        ({"first": 51}, "offsets 50 to 51 are gone unfolded"),
        ({"end": 49}, "folded to 50, but the topic ends at 49"),
        ({"reported": 51}, "the group committed 51, the state stands at 50"),
    ],
)
def test_a_contradiction_refuses_to_start(cluster, reason):
    with pytest.raises(RefusedToStart, match=reason):
        start(**cluster)


def test_a_group_that_is_ahead_of_an_empty_state_refuses_to_start():
    with pytest.raises(RefusedToStart, match="state is missing"):
        start(Position(), reported=1)
