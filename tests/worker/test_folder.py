"""The worker's folder ends a batch when its time is spent; usage is folded before it goes on."""

import itertools

import pytest
from rocksdict import Cache

from creditfold.core.times import rfc3339
from creditfold.engine import seam
from creditfold.engine.position import Position
from creditfold.engine.store import Store
from creditfold.log.records import Range
from creditfold.partition.fold import LOOK_EVERY
from creditfold.worker.folder import CreditFolding
from local.desk import catalog
from partition.batches import events_of, fresh, log_of
from properties.events import DAY, START, fact, instant

CUSTOMERS = 100
MIDNIGHT = START + 31 * DAY
MONTHLY = {
    "program": "monthly",
    "version": 1,
    "effective_from": rfc3339(MIDNIGHT),
    "who": {"field": "customer.id", "prefix": "c"},
    "grant": {
        "kind": "promotional",
        "unit": "USD",
        "quantity": "10",
        "expires": "period_end",
    },
    "every": "month",
    "anchor": "calendar",
}


class Desk:
    """A folder over a store on disk, as the engine drives it, with every batch kept."""

    def __init__(self, store):
        self.store = store
        self.folder = CreditFolding(1, 100).folder(0, store, None)
        self.now = 0
        self.ends = {}
        self.batches = []

    def batch(self, records, now, *, spent=lambda: False):
        taken = {}
        for record, at, said in self.folder.read(records):
            self.now = at
            self.folder.fold(record, at, said)
            start, end = self.ends.get(record.topic, 0), record.offset + 1
            _, begin, _, count = taken.get(record.topic, Range(record.topic, start, end, 0))
            taken[record.topic] = Range(record.topic, begin, end, count + 1)
            self.ends[record.topic] = end
        self.now = max(self.now, now)
        number = len(self.batches) + 1
        result = self.folder.seal(
            seam.Header(0, number, self.now, tuple(taken.values()), True), spent
        )
        position = Position(number, self.now, self.ends, {}, result.note)
        self.store.write(result.changes, result.due, position.encode(), number)
        self.batches.append((records, result.outputs))
        return [event["data"] for event in events_of(result.outputs)]


@pytest.fixture
def desk(tmp_path):
    store = Store(tmp_path / "state", Cache(1_000_000))
    yield Desk(store)
    store.close()


def history():
    """A program that grants to everybody at midnight, and usage in the second after it."""
    events = [*catalog(), fact("program.published", MONTHLY, id="monthly", at=START)]
    events += [
        fact("customer.created", {"currency": "USD"}, id="made", at=START, customer=f"c{n:03}")
        for n in range(CUSTOMERS)
    ]
    used = {"meter": "calls", "quantity": "1"}
    events += [
        fact("usage.recorded", used, id="used", at=MIDNIGHT + n, customer=f"c{n:03}")
        for n in range(0, CUSTOMERS, 9)
    ]
    records = log_of(events)
    first = next(n for n, (record, at) in enumerate(records) if at >= MIDNIGHT)
    return records[:first], records[first:]


def clock_outcomes(told):
    return [each for each in told if "clock" in each.get("cause", {})]


def test_a_large_sweep_is_cut_where_the_time_is_spent_and_usage_is_folded_between(desk):
    before, usage = history()
    desk.batch(before, START)
    swept, answered, batches = [], [], 0
    waiting = iter(usage)
    while desk.folder.due_at() <= MIDNIGHT:
        told = desk.batch(list(itertools.islice(waiting, 1)), MIDNIGHT, spent=lambda: True)
        assert LOOK_EVERY == told[0]["due"] or desk.folder.due_at() > MIDNIGHT
        found = clock_outcomes(told)
        swept += found
        # What the usage's customer is due comes first, the rest of the sweep after it.
        answered += [each for each in told if each.get("cause", {}).get("id") == "used"]
        batches += 1
    assert batches >= CUSTOMERS // (LOOK_EVERY + 1)
    assert batches == len(answered), "each batch answered the usage that came meanwhile"
    assert ["applied"] * batches == [each["status"] for each in answered]
    assert all(each["entries"][0]["from"] == "available" for each in answered)
    assert sorted(f"c{n:03}" for n in range(CUSTOMERS)) == sorted(e["customer"] for e in swept)


def test_a_fault_in_reading_ahead_is_raised_when_it_is_the_records_turn(desk):
    (record, at), *_ = history()[0]
    broken = record._replace(value=5)  # no log gives that: it stands for a fault of the reader
    first, second = desk.folder.read([(record, at), (broken, at)])
    assert desk.folder.fold(*first)
    with pytest.raises(TypeError):
        desk.folder.fold(*second)


def test_a_replay_stops_its_sweeps_where_the_headers_say(desk):
    before, usage = history()
    desk.batch(before, START)
    waiting = iter(usage)
    for looks in (3, 1, 2, 1, 9):
        left = itertools.count(1)
        desk.batch(
            list(itertools.islice(waiting, 3)),
            MIDNIGHT,
            spent=lambda left=left, looks=looks: next(left) >= looks,
        )
    replica = fresh()
    for records, outputs in desk.batches:
        header = events_of(outputs[:1])[0]["data"]
        again = replica.refold(records, instant(header["now"]), header["due"])
        assert [seam.Output(*each) for each in again.outputs] == list(outputs)
