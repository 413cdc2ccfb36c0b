"""Partitions of a worker take turns, and those that wait for one lose nothing by it."""

import asyncio

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition
from rocksdict import Cache

from creditfold.engine.clock import Clock
from creditfold.engine.config import EngineConfig
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.metrics import PartitionMetrics
from creditfold.engine.partition import Holdings, Partition
from creditfold.engine.position import Position
from creditfold.engine.seam import Result
from creditfold.engine.store import Store
from creditfold.engine.transaction import Transactions
from creditfold.log.records import Record


class Producer:
    """Stands in for aiokafka's producer; what is open at the same time is counted."""

    def __init__(self, counts):
        self._counts = counts

    async def begin_transaction(self):
        self._counts["open"] += 1
        self._counts["most"] = max(self._counts["most"], self._counts["open"])

    def create_batch(self):
        return BatchBuilder(1_000, 0, is_transactional=True)

    async def send_batch(self, batch, topic, *, partition):
        future = asyncio.get_running_loop().create_future()
        tp = TopicPartition(topic, partition)
        future.set_result(RecordMetadata(topic, partition, tp, 0, -1, 0, 0))
        return future

    async def commit_transaction(self):
        await asyncio.sleep(0.01)
        self._counts["open"] -= 1


class Folder:
    """Folds nothing; tells which records it was given."""

    held = False

    def __init__(self):
        self.folded = []

    def read(self, records):
        return ((record, now, None) for record, now in records)

    def fold(self, record, now, said):
        self.folded.append(record.offset)
        return 1

    def seal(self, header, spent):
        return Result((), {})

    def due_at(self):
        return None


def run(tmp_path, turns, fetches):
    """Have six partitions fold the same fetches; what each folded, and how many were open."""
    counts = {"open": 0, "most": 0}

    async def scenario():
        config = EngineConfig("app", "localhost:1", ("usage",), "changelog", tmp_path, 6)
        shared, made = asyncio.Semaphore(turns), []
        for number in range(config.partitions):
            transactions = Transactions(
                {"bootstrap_servers": config.brokers}, f"app-{number}", 10, 1_000
            )
            transactions._producer._closed = True  # the real one is never started
            transactions._producer = Producer(counts)
            holdings = Holdings(
                number,
                Store(tmp_path / f"{number}", Cache(1 << 20)),
                transactions,
                Mailbox(number, {"usage": 0}, config.limits),
                Folder(),
                Position(),
                {},
            )
            made.append(Partition(holdings, config, Clock(5), PartitionMetrics(), shared))
        tasks = [asyncio.create_task(each.run()) for each in made]
        for fetch in fetches:
            for each in made:
                records = [Record("usage", each.holdings.number, at, 1, b"k", b"v") for at in fetch]
                each.holdings.mailbox.deliver(
                    "usage", records, fetch.start, fetch.stop, fetch.stop, Clock(5).wall()
                )
            await asyncio.sleep(0.02)
        async with asyncio.timeout(10):
            while any(each.next_offsets != {"usage": fetches[-1].stop} for each in made):
                await asyncio.sleep(0.01)
        for each in made:
            each.stop()
        await asyncio.gather(*tasks)
        for each in made:
            each.holdings.store.close()
        return [each.holdings.folder.folded for each in made]

    return asyncio.run(scenario()), counts


def test_no_more_small_batches_are_open_at_a_time_than_there_are_turns(tmp_path):
    folded, counts = run(tmp_path, 2, [range(1), range(1, 2), range(2, 3)])
    assert folded == [[0, 1, 2]] * 6
    assert counts == {"open": 0, "most": 2}


def test_a_large_batch_waits_for_no_turn(tmp_path):
    folded, counts = run(tmp_path, 0, [range(1_000)])
    assert folded == [[*range(1_000)]] * 6
    assert counts == {"open": 0, "most": 6}
