"""The table of topics is complete and says one thing once."""

from creditfold.contract.decode import INPUTS
from creditfold.contract.outputs import OUTPUTS
from creditfold.contract.topics import (
    CATALOG_TYPES,
    COMMANDS,
    CUSTOMER_TYPES,
    TOPICS,
    Direction,
    event_type,
    topic_of,
)


def test_there_are_eight_topics_that_keep_everything():
    assert len({topic.name for topic in TOPICS}) == 8
    assert {(topic.cleanup_policy, topic.retention_ms) for topic in TOPICS} == {("delete", -1)}
    assert all(topic.name.startswith("creditfold.") for topic in TOPICS)


def test_inputs_recorded_at_one_time_are_read_commands_first_and_usage_last():
    ranked = {topic.rank: topic.name for topic in TOPICS if topic.direction is Direction.INPUT}
    names = ["commands", "transfers", "invoices", "usage"]
    assert [f"creditfold.{name}.v1" for name in names] == [ranked[rank] for rank in range(4)]
    assert all(topic.rank is None for topic in TOPICS if topic.direction is Direction.OUTPUT)


def test_every_input_type_has_a_model_and_one_topic():
    carried = [type_ for topic in TOPICS for type_ in topic.types]
    assert len(carried) == len(set(carried))
    assert INPUTS.keys() == CATALOG_TYPES | CUSTOMER_TYPES
    snapshot = {event_type("balance.snapshot")}  # `simulate` prints it; no topic carries it
    assert set(carried) == INPUTS.keys() | OUTPUTS.keys() - snapshot


def test_catalog_facts_travel_with_the_commands():
    assert {COMMANDS} == {topic_of(type_) for type_ in CATALOG_TYPES}
