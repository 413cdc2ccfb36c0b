"""The CloudEvents SDK reads what we write, and we read what it writes."""

import json
from datetime import datetime

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_binary,
    from_structured,
    to_binary,
    to_structured,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from contract.events import EXAMPLES
from creditfold.contract.decode import INPUTS
from creditfold.contract.envelope import (
    STRUCTURED,
    read_line,
    read_record,
    write_binary,
    write_structured,
)
from creditfold.contract.exact_json import dump

EVENTS = [event for type_, _, event in EXAMPLES if type_ in INPUTS]


def of_sdk(event: dict) -> CloudEvent:
    attributes = {name: value for name, value in event.items() if name != "data"}
    attributes |= {
        "time": datetime.fromisoformat(event["time"]),
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes=attributes, data=json.loads(dump(event.get("data", {}))))


def attributes(event: CloudEvent) -> dict:
    found = dict(event.get_attributes())
    found.pop("partitionkey", None)
    return found


@pytest.mark.parametrize("event", EVENTS)
def test_the_sdk_reads_our_binary_mode(event):
    key, value, headers = write_binary(read_line(dump(event)))
    read = from_binary(KafkaMessage(dict(headers), key, value), JSONFormat())
    assert attributes(of_sdk(event)) == attributes(read)
    assert of_sdk(event).get_data() == read.get_data()


@pytest.mark.parametrize("event", EVENTS)
def test_the_sdk_reads_our_structured_mode(event):
    value = write_structured(read_line(dump(event)))
    message = KafkaMessage({"content-type": STRUCTURED.encode()}, None, value)
    read = from_structured(message, JSONFormat())
    assert attributes(of_sdk(event)) == attributes(read)
    assert of_sdk(event).get_data() == read.get_data()


@pytest.mark.parametrize("event", EVENTS)
def test_we_read_what_the_sdk_writes(event):
    def key_of(_event: object) -> str | None:
        return event.get("subject")

    # Through JSON text, since the SDK writes Python's floats.
    expected = read_line(dump(event))
    for write in (to_binary, to_structured):
        message = write(of_sdk(event), JSONFormat(), key_of)
        key = message.key.encode() if isinstance(message.key, str) else message.key
        assert expected == read_record(key, message.value, message.headers.items())
