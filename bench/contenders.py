"""What the worker is compared with, each a process of its own: the same fold in other loops.

Both begin with the customers set up in memory, compress as the worker does, and write to topics
with their own name in front:

    bare     a confluent-kafka transactional loop, its state in memory: a ceiling for one process
             rather than a rival, since a crash loses all it knew
    faust    the plain idiom, tuned: raw bytes, linger, large buffers, quiet logs. It holds the
             state in a table, whose changelog it writes; it loses and doubles when it is killed
    profiled the worker itself, under a profiler
"""

import json
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator, MutableMapping

from creditfold.broker.connection import Connection
from creditfold.contract.envelope import write_binary
from creditfold.contract.instants import INSTANT_MAX
from creditfold.contract.partitions import Home, partition_of
from creditfold.contract.topics import CATALOG_TYPES, OUTPUTS, USAGE, topic_of
from creditfold.log.order import timed
from creditfold.log.records import Range, Record
from creditfold.partition.codec import decode_key, encode_key
from creditfold.partition.fold import PartitionFold, Sealed
from creditfold.partition.store import MemoryStore, Store
from creditfold.partition.stored import StoredState
from creditfold.worker.folder import DUE_MAX
from facts import set_up

_BATCH_MAX = 8_000
_SEALED = 100


class Fold:
    """A `PartitionFold` with the little that a loop has to remember for it."""

    def __init__(self, store: Store, home: Home) -> None:
        self._fold = PartitionFold(store, home, "")
        self._batch = 0
        self._now = 0
        self._start = self._end = self.waiting = 0

    def take(self, *records: Record) -> None:
        for record, now, said in self._fold.read(timed(records, self._now, INSTANT_MAX)):
            self._fold.take(record, now, said)
            self._now, self._end = now, record.offset + 1
            self.waiting += 1

    def seal(self) -> Sealed:
        taken = (Range(USAGE.name, self._start, self._end, self.waiting),)
        self._batch += 1
        sealed = self._fold.seal(self._batch, self._now, taken, DUE_MAX)
        self._start, self.waiting = self._end, 0
        return sealed

    def begin(self) -> None:
        """Forget what was set up: it is not sent, and usage starts at its first record."""
        self.seal()
        self._start = self._end = 0


def folds(options: dict, store: type) -> tuple[list[Store], list[Fold]]:
    """The state and the fold of each partition, with all customers set up."""
    partitions = options["partitions"]
    stores = [store() for _ in range(partitions)]
    made = [Fold(each, Home(number, partitions)) for number, each in enumerate(stores)]
    for offset, fact in enumerate(set_up(options["customers"], options["at"])):
        key, value, headers = write_binary(fact)
        everywhere = fact.type in CATALOG_TYPES
        for number in range(partitions) if everywhere else (partition_of(key, partitions),):
            at = fact.recordedtime
            made[number].take(
                Record(topic_of(fact.type).name, number, offset, at, key, value, headers)
            )
    for each in made:
        each.begin()
    return stores, made


def bare(options: dict) -> None:
    _, made = folds(options, MemoryStore)
    to, stopping = Connection(options["bootstrap"]), []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    consumer = to.consumer(options["name"], auto_offset_reset="earliest", fetch_wait_max_ms=50)
    consumer.subscribe([USAGE.name])
    producer = to.producer(
        transactional_id=options["name"],
        linger_ms=5,
        compression_type="snappy",
        queue_buffering_max_messages=1_000_000,
    )
    producer.init_transactions()
    while not stopping:
        # wait for a first record, then as long for more as the worker lingers
        messages = consumer.consume(1, 0.5)
        if not messages:
            continue
        messages += consumer.consume(_BATCH_MAX, 0.005)
        producer.begin_transaction()
        came = defaultdict(list)
        for message in messages:
            record = _record(message)
            came[record.partition].append(record)
        for partition, records in came.items():
            made[partition].take(*records)
            for topic, key, value, headers, *_ in made[partition].seal().outputs:
                name = f"{options['name']}.{topic}"
                producer.produce(name, value, key, partition, headers=list(headers))
            producer.poll(0)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
    consumer.close()


def _record(message: object) -> Record:
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1] * 1_000,
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )


class _Table:
    """Committed state in a Faust table, over what was set up; a scan costs by what it yields."""

    def __init__(self) -> None:
        self.table: MutableMapping[bytes, bytes] = {}
        self.base: dict[bytes, bytes] = {}
        self._keys: defaultdict[bytes, set[bytes]] = defaultdict(set)

    def get(self, key: bytes) -> bytes | None:
        return self.table.get(key) or self.base.get(key)

    def begin(self, base: dict[bytes, bytes], table: MutableMapping[bytes, bytes]) -> None:
        self.base, self.table = base, table
        for key in base:
            self._keys[_prefix(key)].add(key)

    def write(self, changes: dict[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if value is not None:
                self.table[key] = value
                self._keys[_prefix(key)].add(key)
                continue
            if key in self.table:
                del self.table[key]
            self.base.pop(key, None)
            self._keys[_prefix(key)].discard(key)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        keys = sorted(key for key in self._keys[prefix] if key >= prefix + start)
        return ((key, self.table.get(key) or self.base[key]) for key in keys)


def _prefix(key: bytes) -> bytes:
    """All but the id: what the records of one kind of a customer have in common."""
    customer, kind, _ = decode_key(key)
    return encode_key((customer, kind, ""))


class _TableState(StoredState):
    def __init__(self) -> None:
        self.reader = _Table()
        super().__init__(self.reader, ())


def faust(options: dict) -> None:
    import logging

    import faust

    logging.disable(logging.INFO)
    app = faust.App(
        options["name"],
        broker=f"kafka://{options['bootstrap']}",
        store="memory://",
        datadir=options["directory"],
        topic_partitions=options["partitions"],
        topic_disable_leader=True,
        web_enabled=False,
        producer_linger=0.02,
        producer_compression_type="snappy",
        producer_max_batch_size=262_144,
        stream_buffer_maxsize=16_384,
        broker_max_poll_records=5_000,
        worker_redirect_stdouts=False,
        consumer_auto_offset_reset="earliest",
    )
    raw = {"key_serializer": "raw", "value_serializer": "raw"}
    topics = {
        name: app.topic(f"{options['name']}.{name}", **raw)
        for name in (topic.name for topic in OUTPUTS)
    }
    partitions = options["partitions"]
    table = app.Table("state", key_type=bytes, value_type=bytes, partitions=partitions)
    states, made = folds(options, _TableState)
    for state in states:
        state.reader.begin({k: v for k, v in state.changes().items() if v is not None}, table)
        state.written()

    async def settle(partition: int) -> None:
        for topic, key, value, headers, *_ in made[partition].seal().outputs:
            await topics[topic].send(
                key=key, value=value, headers=list(headers), partition=partition
            )
        states[partition].reader.write(states[partition].changes())
        states[partition].written()

    @app.agent(app.topic(USAGE.name, **raw))
    async def agent(stream: object) -> None:
        async for event in stream.events():
            message = event.message
            at = round(message.timestamp * 1_000) * 1_000
            record = Record(
                message.topic,
                message.partition,
                message.offset,
                at,
                message.key,
                message.value,
                tuple(message.headers),
            )
            fold = made[message.partition]
            fold.take(record)
            # a header for each event would cost the idiom more than it needs
            if fold.waiting >= _SEALED:
                await settle(message.partition)

    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


def profiled(path: str) -> None:
    """The worker under cProfile: it sees the loop's thread, which does all but the network's."""
    import cProfile

    from creditfold.worker.run import run
    from creditfold.worker.settings import load

    profiler = cProfile.Profile()
    profiler.enable()
    try:
        run(load())
    finally:
        profiler.disable()
        profiler.dump_stats(path)


if __name__ == "__main__":
    if sys.argv[1] == "profiled":
        profiled(sys.argv[2])
    else:
        {"bare": bare, "faust": faust}[sys.argv[1]](json.loads(sys.argv[2]))
