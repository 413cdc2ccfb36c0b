"""Whatever bytes arrive, reading ends in a fact or in Undecodable, and always in the same one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from contract.events import EXAMPLES, line
from creditfold.contract.dead_letters import dead_letter
from creditfold.contract.decode import INPUTS, decode
from creditfold.contract.encode import dead_letter_record
from creditfold.contract.envelope import (
    Undecodable,
    read_line,
    read_record,
    write_binary,
    write_structured,
)
from creditfold.contract.exact_json import dump, parse
from creditfold.core.bodies import Fact

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20).filter(lambda text: text.isprintable() or text.isascii()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc.\0~é", max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = ["ce_id", "ce_source", "ce_type", "ce_time", "ce_specversion", "ce_subject"]
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "content-type", "ce_recordedtime", "other"]) | st.text(max_size=9),
        st.none()
        | st.binary(max_size=30)
        | st.sampled_from([b"1.0", b"application/json", b"application/cloudevents+json"])
        | st.sampled_from([*(type_.encode() for type_ in INPUTS), b"2026-11-22T12:00:00Z"]),
    ),
    max_size=9,
)
GOOD = [(type_, event) for type_, _, event in EXAMPLES if type_ in INPUTS]


@given(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=200), HEADERS)
def test_arbitrary_records_are_facts_or_dead_letters(key, value, headers):
    try:
        assert isinstance(decode(read_record(key, value, headers), 0), Fact)
    except Undecodable as error:
        dead_letter_record(dead_letter(error, "t", 0, 0, 0, key, value, headers), key)


@given(st.binary(max_size=300))
def test_arbitrary_lines_are_facts_or_dead_letters(text):
    try:
        assert isinstance(decode(read_line(text), 0), Fact)
    except Undecodable as error:
        dead_letter_record(dead_letter(error, "t", 0, 0, 0, None, text, ()), None)


@given(st.sampled_from(sorted(INPUTS)), st.dictionaries(st.text(max_size=9), JSON, max_size=5))
def test_arbitrary_data_is_a_fact(type_, data):
    text = json.dumps(data).encode()
    assert isinstance(decode(read_line(line(type_, text)), 0), Fact)


@given(st.sampled_from(GOOD), st.data())
def test_one_changed_value_anywhere_is_still_a_fact(good, data):
    """Also a fact that survives writing and reading in both modes."""
    type_, event = good
    changed = json.loads(dump(event.get("data", {})))
    node = changed
    while isinstance(node, (dict, list)) and node:
        keys = sorted(node) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], (dict, list)) or data.draw(st.booleans()):
            node[key] = data.draw(JSON)
            break
        node = node[key]
    envelope = read_line(line(type_, json.dumps(changed)))
    found = decode(envelope, 0)
    assert found == decode(read_line(write_structured(envelope)), 0)
    assert found == decode(read_record(*write_binary(envelope)), 0)


@given(JSON)
def test_canonical_json_is_a_fixed_point(value):
    text = dump(parse(json.dumps(value).encode()))
    assert text == dump(parse(text))
