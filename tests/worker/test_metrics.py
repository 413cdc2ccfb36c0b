"""/metrics gives the catalogue: each metric, nothing else, and no customer in any label."""

import asyncio
import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from creditfold.contract.envelope import Envelope, write_binary
from creditfold.engine.app import Engine
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.preflight import Cluster
from creditfold.log.records import Record
from creditfold.worker.delays import Delays
from creditfold.worker.folder import CreditFolding
from creditfold.worker.http import api
from creditfold.worker.metrics import CATALOGUE, Kind
from creditfold.worker.settings import load
from creditfold.worker.vitals import Vitals

NOW = 1_800_000_000_000_000
TOPIC = "creditfold.usage.v1"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def engine(tmp_path):
    config = load(state_dir=tmp_path, partitions=2).engine()
    made = Engine(config, CreditFolding(2, 100), Cluster({}, 0))
    made.metrics.ready = True
    made.metrics.rebalances = 1
    for number in range(2):
        made.metrics.partition(number).log_time = NOW
        made.mailboxes[number] = Mailbox(number, {TOPIC: 10}, config.limits)
    return made


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def vitals(engine, clock):
    made = Vitals(engine.folding, 30.0, clock)
    made.engine, made.loop = engine, asyncio.new_event_loop()
    tally = engine.folding.tally
    tally.outcomes["rejected", "unknown_customer"] += 2
    tally.letters["null_key"] += 1
    tally.delays.sample(record(5))
    yield made
    made.loop.close()


def record(delay_seconds):
    fact = Envelope("1", "/s", "creditfold.usage.recorded.v1", "c", NOW, {}, None)
    key, value, headers = write_binary(fact)
    return Record(TOPIC, 0, 10, NOW + delay_seconds * 1_000_000, key, value, headers)


def ask(vitals, path, method="GET", **more):
    async def answer():
        transport = httpx.ASGITransport(api(vitals))
        async with httpx.AsyncClient(transport=transport, base_url="http://w") as client:
            return await client.request(method, path, **more)

    return asyncio.run(answer())


def scrape(vitals):
    found = ask(vitals, "/metrics")
    assert 200 == found.status_code
    return list(text_string_to_metric_families(found.text))


def test_metrics_gives_exactly_the_catalogue(vitals):
    given = {}
    for family in scrape(vitals):
        suffix = "_total" if family.type == "counter" else ""
        labels = {name for each in family.samples for name in each.labels} - {"le"}
        given[family.name + suffix] = (family.type, labels, family.documentation)
        assert family.samples, family.name
    described = {m.name: (m.kind.value, set(m.labels), m.conclude) for m in CATALOGUE}
    assert described == given


def test_the_same_families_are_given_before_the_worker_has_joined():
    before = Vitals(CreditFolding(2, 100), 30.0, Clock())
    names = {m.name.removesuffix("_total") for m in CATALOGUE}
    assert names == {family.name for family in scrape(before)}


def test_names_say_the_unit_and_each_metric_says_what_to_conclude():
    for metric in CATALOGUE:
        assert re.fullmatch(r"creditfold(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.conclude.endswith((".", ";"))
        assert "customer" not in metric.labels
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def test_lag_counts_what_is_unread_and_no_transaction_markers(vitals, engine):
    mailbox = engine.mailboxes[0]
    mailbox.deliver(TOPIC, [record(0)], 10, 11, 15, 1)
    assert 5 == vitals.lag(0)
    mailbox.deliver(TOPIC, [], 11, 15, 15, 1)
    assert 5 == vitals.lag(0), "one record waits, and four offsets may be markers"
    mailbox.lanes[0].take(1)
    assert 0 == vitals.lag(0)


def test_delays_fall_into_their_buckets():
    delays = Delays()
    for seconds in (-5, 0, 1, 2, 10**9):
        delays.sample(record(seconds))
    assert [3, 1] == delays.counts[:2]
    assert 1 == delays.counts[-1]
    delays.sample(Record(TOPIC, 0, 0, NOW, b"c", b"{}", [("ce_time", b"\xff")]))
    delays.sample(Record(TOPIC, 0, 0, NOW, b"c", b"{}", []))
    assert 5 == sum(delays.counts)


def test_standing_still_with_work_at_hand_is_unhealthy_and_idling_is_not(vitals, engine, clock):
    engine.mailboxes[1].deliver(TOPIC, [record(0)], 10, 11, 11, 1)
    for now in (0.0, 10.0, 31.0):
        clock.now = now
        vitals.look()
        vitals.loop.run_until_complete(asyncio.sleep(0))
    assert ["partition 1 has 1 offsets unread"] == [r[:32] for r in vitals.unhealthy()]
    engine.metrics.partition(1).batches += 1
    vitals.look()
    assert [] == vitals.unhealthy()


def test_a_loop_that_does_not_turn_is_unhealthy(vitals, clock):
    vitals.look()
    clock.now = 31.0
    answer = ask(vitals, "/healthz")
    assert 503 == answer.status_code
    assert ["the worker's loop has not turned for 31 s"] == answer.json()["reasons"]


def test_readiness_names_what_is_missing(vitals, engine):
    assert [] == vitals.unready()
    engine.metrics.partition(1).halted = "usage-1@7: AssertionError()"
    assert ["partition 1 is halted: usage-1@7: AssertionError()"] == vitals.unready()
    engine.metrics.ready = False
    assert ["recovering the assigned partitions"] == vitals.unready()
    engine.metrics.rebalances = 0
    assert ["waiting for the group's first assignment"] == vitals.unready()
    engine.metrics.ready = True
    engine.metrics.partitions.clear()
    assert ["no partition is assigned to this worker"] == vitals.unready()


def test_requests_are_bounded_to_what_is_served(vitals, engine):
    huge = {"content": b"x" * 1_000_000}
    assert 405 == ask(vitals, "/v1/customers/c", "POST", **huge).status_code
    assert 404 == ask(vitals, "/table").status_code
    assert "invalid_customer" == ask(vitals, "/v1/customers/" + "x" * 300).json()["error"]
    engine.metrics.ready = False
    assert "recovering" == ask(vitals, "/v1/customers/c").json()["error"]
    engine.metrics.ready = True
    engine.metrics.partitions.clear()
    assert "moving" == ask(vitals, "/v1/customers/c").json()["error"]
