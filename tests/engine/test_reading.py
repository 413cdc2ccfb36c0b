"""Records come from aiokafka's own parser as what a fold takes, and nothing of them is lost."""

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from creditfold.engine import private
from creditfold.engine.reading import record
from creditfold.log.records import Record

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def parsed(data, start):
    private.adapt(record)
    tp = TopicPartition("usage", 3)
    return list(
        PartitionRecords(tp, MemoryRecords(data), [], start, None, None, True, READ_COMMITTED)
    )


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_of_each_codec_is_read_with_keys_headers_and_times(codec):
    batch = BatchBuilder(1 << 20, CODECS[codec])
    batch.append(timestamp=1_700_000_000_123, key=b"k", value=b"v" * 900, headers=[("h", b"1")])
    batch.append(timestamp=1_700_000_000_124, key=None, value=None, headers=[])
    batch.append(timestamp=0, key=b"", value=b"", headers=[("h", b"1"), ("h", None)])
    found = parsed(bytes(batch._build()), 0)
    assert found == [
        Record("usage", 3, 0, 1_700_000_000_123_000, b"k", b"v" * 900, (("h", b"1"),)),
        Record("usage", 3, 1, 1_700_000_000_124_000, None, None, ()),
        Record("usage", 3, 2, 0, b"", b"", (("h", b"1"), ("h", None))),
    ]
    assert all(type(each) is Record for each in found)


def test_records_before_the_position_are_not_read_again():
    batch = BatchBuilder(1 << 20, 0)
    for i in range(5):
        batch.append(timestamp=i, key=b"k", value=b"v", headers=[])
    assert [each.offset for each in parsed(bytes(batch._build()), 3)] == [3, 4]
