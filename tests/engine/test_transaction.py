"""A transaction ends only after every record in it is known to have been accepted."""

import asyncio

import pytest
from aiokafka.errors import IllegalOperation, KafkaError, NotLeaderForPartitionError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

from creditfold.engine.errors import EngineError, Fenced
from creditfold.engine.seam import Output
from creditfold.engine.transaction import Transactions


class Producer:
    """Stands in for aiokafka's producer where a real broker would need bad luck."""

    def __init__(self, batch_size=1_000, failing=(), end=None):
        self.calls, self.sent = [], []
        self._batch_size, self._failing, self._end = batch_size, failing, end

    async def begin_transaction(self):
        self.calls.append("begin")

    def create_batch(self):
        return BatchBuilder(self._batch_size, 0, is_transactional=True)

    async def send_batch(self, batch, topic, *, partition):
        future = asyncio.get_running_loop().create_future()
        if topic in self._failing:
            future.set_exception(NotLeaderForPartitionError())
        else:
            offset = 100 * len(self.sent)
            tp = TopicPartition(topic, partition)
            future.set_result(RecordMetadata(topic, partition, tp, offset, 5_000, 1, 0))
        self.sent.append((topic, partition, batch.record_count()))
        return future

    async def commit_transaction(self):
        self.calls.append("commit")
        if self._end:
            raise self._end

    async def abort_transaction(self):
        self.calls.append("abort")


def commit(producer, outputs):
    async def scenario():
        transactions = Transactions({"bootstrap_servers": "localhost:1"}, "app-1", 10, 1_000)
        transactions._producer._closed = True  # the real one is never started
        transactions._producer = producer
        return await transactions.commit(outputs, 1, 7_000_000)

    return asyncio.run(scenario())


def outputs(*topics, size=10):
    return [Output(topic, b"k", b"v" * size) for topic in topics]


def test_a_failed_send_is_not_committed_even_if_it_was_not_the_last():
    """aiokafka's commit alone would have ended the transaction without these records."""
    producer = Producer(failing=("ledger",))
    with pytest.raises(EngineError, match="NotLeaderForPartition"):
        commit(producer, outputs("ledger", "revenue", "changelog"))
    assert producer.calls == ["begin", "abort"]
    assert len(producer.sent) == 3


def test_a_commit_follows_all_sends():
    producer = Producer()
    receipt = commit(producer, outputs("ledger", "changelog", "ledger", "changelog"))
    assert producer.calls == ["begin", "commit"]
    assert producer.sent == [("ledger", 1, 2), ("changelog", 1, 2)]
    assert receipt.next_offset(("changelog", 1)) == 102
    assert receipt.appended(("changelog", 1)) == 5_000_000


def test_outputs_beyond_a_record_batch_go_into_the_next():
    producer = Producer(batch_size=500)
    receipt = commit(producer, outputs("ledger", "ledger", "ledger", "changelog", size=300))
    assert sum(topic == "ledger" for topic, _, _ in producer.sent) == 3
    assert receipt.next_offset(("changelog", 1)) == 301


def test_an_output_may_go_to_another_partition():
    producer = Producer()
    commit(producer, [Output("transfers", b"k", b"v", partition=3), *outputs("changelog")])
    assert producer.sent == [("transfers", 3, 1), ("changelog", 1, 1)]


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ProducerFenced(), Fenced), (IllegalOperation(), Fenced), (KafkaError(), EngineError)],
)
def test_a_failed_end_is_never_taken_for_a_commit(error, raised):
    with pytest.raises(raised):
        commit(Producer(end=error), outputs("changelog"))


def test_headers_and_times_are_kept():
    built = []

    class Recording(Producer):
        async def send_batch(self, batch, topic, *, partition):
            built.append(batch)
            return await super().send_batch(batch, topic, partition=partition)

    own = Output("changelog", b"k", b"v", headers=(("a", b"1"),), timestamp=3_000_000)
    commit(Recording(), [own])
    from aiokafka.record.memory_records import MemoryRecords

    (record,) = MemoryRecords(bytes(built[0]._build())).next_batch()
    assert record.timestamp == 3_000
    assert list(record.headers) == [("a", b"1")]


def test_what_is_sent_is_compressed():
    async def scenario():
        transactions = Transactions({"bootstrap_servers": "localhost:1"}, "app-1", 10, 100_000)
        transactions._producer._closed = True  # the real one is never started
        batch = transactions._producer.create_batch()
        for _ in range(50):
            batch.append(timestamp=1, key=b"k", value=b"v" * 1_000, headers=[])
        return len(batch._build())

    assert asyncio.run(scenario()) < 10_000
