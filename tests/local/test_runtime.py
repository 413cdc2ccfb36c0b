"""The embedded runtime: what is appended is kept, folded once, and told again after a restart."""

from __future__ import annotations

import pytest

from creditfold.audit import chain, replay
from creditfold.local import runtime as runtime_module
from creditfold.local.runtime import LocalRuntime
from creditfold.partition.simulation import Simulation
from local.desk import (
    COMMANDS_TOPIC,
    OUTPUTS,
    Clock,
    catalog,
    filled,
    history,
    publish,
    read,
    said,
    to_input,
    to_inputs,
    written,
)
from properties.events import DAY, HOUR, START, fact, outcomes, postings

CREATED = fact("customer.created", {"currency": "USD"}, id="c", at=START, customer="c")


def use(n: int, at: int = START) -> dict:
    return fact(
        "usage.recorded", {"meter": "calls", "quantity": "1"}, id=f"u{n}", at=at, customer="c"
    )


def grant(**more: object) -> dict:
    data = {"block": "b", "kind": "promotional", "unit": "USD", "quantity": "5"} | more
    return fact("credit.granted", data, id="g", at=START, customer="c")


def sent(runtime: LocalRuntime) -> int:
    return sum(1 for topic in OUTPUTS for _ in runtime.log.read(topic))


def test_what_is_appended_is_there_after_reopening_and_folded_once(tmp_path):
    clock = Clock()
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        runtime.append(to_inputs([*catalog(), CREATED]))
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        assert 8 == runtime.log.end(COMMANDS_TOPIC)
        assert [1] == [batch.position.batch for batch in runtime.run()]
        assert [] == list(runtime.run())
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        assert [] == list(runtime.run())
        publish(runtime, to_inputs([use(1)]))
        assert (2, {COMMANDS_TOPIC: 8, "creditfold.usage.v1": 1}) == (
            runtime.partition.position.batch,
            runtime.partition.position.offsets,
        )


@pytest.mark.parametrize("reopen", [False, True])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_however_it_is_cut_and_reopened_it_says_what_the_simulation_says(tmp_path, size, reopen):
    events = history()
    simulation, expected = Simulation(), []
    for event in events:
        expected += simulation.feed(event)
    expected += simulation.sweep("2026-02-01T00:00:00Z")
    clock = Clock()
    opened = [LocalRuntime(tmp_path / "d", clock)]
    for begin in range(0, len(events), size):
        chunk = to_inputs(events[begin : begin + size])
        clock.now = max(clock.now, *(each.timestamp for each in chunk))
        publish(opened[-1], chunk)
        if reopen:
            opened[-1].__exit__(None, None, None)
            opened.append(LocalRuntime(tmp_path / "d", clock))
    clock.now = START + 31 * DAY
    publish(opened[-1], [])
    records = [e for topic in written(opened[-1].log).values() for e in said(topic)]
    assert 0 == replay.verify(opened[-1].log).differences
    assert [] == chain.check(opened[-1].log).findings
    opened[-1].__exit__(None, None, None)
    heads = [
        {
            o["customer"]: o["hash"]
            for o in outcomes(r)
            if o["status"] == "applied" and "customer" in o
        }
        for r in (expected, records)
    ]
    assert heads[0] == heads[1]
    key = lambda p: p["posting"]  # noqa: E731  # the order of customers is the sweep's
    assert sorted(postings(expected), key=key) == sorted(postings(records), key=key)


def test_a_backlog_larger_than_a_batch_is_folded_whole_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime_module, "BATCH_RECORDS_MAX", 5)
    with LocalRuntime(tmp_path / "d", Clock(START + HOUR)) as runtime:
        runtime.append(to_inputs([*catalog(), CREATED, *(use(n) for n in range(30))]))
        batches = list(runtime.run())
        assert 8 == len(batches)
        assert {"applied"} == {str(o.status) for batch in batches for o in batch.outcomes}
        assert 0 == replay.verify(runtime.log).differences


def test_many_things_due_at_one_instant_are_taken_in_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime_module, "DUE_MAX", 3)
    clock = Clock()
    events = catalog()
    for n in range(10):
        events += [
            CREATED | {"id": f"c{n}", "subject": f"c{n}"},
            grant(expires_at="2026-01-02T00:00:00Z") | {"subject": f"c{n}"},
        ]
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        publish(runtime, to_inputs(events))
        clock.now = START + 2 * DAY
        assert [3, 3, 3, 1] == [len(batch.outcomes) for batch in runtime.run()]
        assert 0 == replay.verify(runtime.log).differences


def test_an_idle_clock_does_not_write(tmp_path):
    clock = Clock()
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        publish(runtime, to_inputs([*catalog(), CREATED]))
        before = sent(runtime)
        for hour in range(50):
            clock.now = START + hour * HOUR
            assert runtime.step() is None
        assert (before, START) == (sent(runtime), runtime.partition.position.now)


def test_the_clock_moves_a_log_that_has_read_all_there_is(tmp_path):
    clock = Clock()
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        publish(runtime, to_inputs([*catalog(), CREATED, grant(expires_at="2026-01-02T00:00:00Z")]))
        clock.now = START + DAY - 1
        assert runtime.step() is None
        clock.now = START + DAY
        (outcome,) = runtime.step().outcomes
        assert ("expiry b", clock.now) == (outcome.cause.due, runtime.partition.position.now)


def test_a_clock_that_goes_back_does_not_take_the_log_with_it(tmp_path):
    clock = Clock(START + DAY)
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        publish(runtime, to_inputs([*catalog(), CREATED, grant(expires_at="2026-01-03T00:00:00Z")]))
        clock.now = START
        publish(runtime, to_inputs([use(1)]))
        assert START + DAY == runtime.partition.position.now
        assert runtime.step() is None
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        publish(runtime, to_inputs([use(2)]))
        assert START + DAY == runtime.partition.position.now
        clock.now = START + 3 * DAY
        assert 1 == len(runtime.step().outcomes)
        assert 0 == replay.verify(runtime.log).differences


def test_a_record_from_the_future_does_not_take_the_log_ahead_of_the_clock(tmp_path):
    with LocalRuntime(tmp_path / "d", Clock()) as runtime:
        ahead = to_input(use(1))._replace(timestamp=START + 30 * DAY)
        publish(runtime, [*to_inputs([*catalog(), CREATED]), ahead])
        assert START == runtime.partition.position.now
        assert 0 == replay.verify(runtime.log).differences


def test_a_held_clock_does_not_move_the_log_until_it_is_released(tmp_path):
    clock = Clock(START + 300 * DAY)
    held, released = (
        fact(f"clock.{verb}", {}, id=verb, at=START - DAY) for verb in ("held", "released")
    )
    expiring = grant(expires_at="2026-01-02T00:00:00Z")
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        publish(runtime, to_inputs([held, *catalog(), CREATED, expiring]))
        assert START == runtime.partition.position.now
        assert runtime.step() is None
    with LocalRuntime(tmp_path / "d", clock) as runtime:
        publish(runtime, to_inputs([use(1, START + HOUR)]))
        assert START + HOUR == runtime.partition.position.now
        assert 4 * 10**10 == runtime.store.get(("c", "account", "")).usable["USD"]
        publish(runtime, to_inputs([use(2, START + 2 * DAY)]))
        assert 0 == runtime.store.get(("c", "account", "")).usable["USD"]
        publish(runtime, to_inputs([released]))
        assert clock.now == runtime.partition.position.now
        assert 0 == replay.verify(runtime.log).differences


def test_amounts_that_sum_beyond_64_bits_are_refused_and_stop_nothing(tmp_path):
    big = [
        grant(block=f"b{n}", unit="coins", quantity=str(2**63 - 1)) | {"id": f"g{n}"}
        for n in range(3)
    ]
    with LocalRuntime(tmp_path / "d", Clock(START + HOUR)) as runtime:
        publish(runtime, to_inputs([*catalog(), CREATED, *big]))


def test_a_read_only_opening_sees_what_was_written_and_changes_nothing(tmp_path):
    filled(tmp_path / "d")
    before = {path: path.read_bytes() for path in (tmp_path / "d").glob("*.sst")}
    with LocalRuntime(tmp_path / "d", Clock(), read_only=True) as runtime:
        assert 0 == replay.verify(runtime.log).differences
        assert {"ada", "bo"} == set(runtime.store.accounts())
    assert before == {path: path.read_bytes() for path in (tmp_path / "d").glob("*.sst")}


def test_a_read_only_opening_beside_a_writer_sees_whole_steps(tmp_path):
    with LocalRuntime(tmp_path / "d", Clock()) as writer:
        publish(writer, to_inputs([*catalog(), CREATED]))
        with LocalRuntime(tmp_path / "d", Clock(), read_only=True) as reader:
            publish(writer, to_inputs([use(1)]))
            assert (1, 0) == (reader.partition.position.batch, replay.verify(reader.log).waiting)
        with LocalRuntime(tmp_path / "d", Clock(), read_only=True) as reader:
            assert 2 == reader.partition.position.batch
            assert 0 == replay.verify(reader.log).differences
    assert read(CREATED).subject == "c"


def test_a_transfer_goes_round_in_its_own_log_and_is_replayed(tmp_path):
    other = fact("customer.created", {"currency": "USD"}, id="d", at=START, customer="d")
    send = {"transfer": "t", "block": "b", "quantity": "2", "to": "d"}
    lost = send | {"transfer": "lost", "to": "nobody"}
    events = [
        fact("credit.transferred", data, id=data["transfer"], at=START, customer="c")
        for data in (send, lost)
    ]
    with LocalRuntime(tmp_path / "d", Clock()) as runtime:
        publish(runtime, to_inputs([*catalog(), CREATED, other, grant(), *events]))
    with LocalRuntime(tmp_path / "d", Clock()) as runtime:
        assert [] == list(runtime.run()), "nothing is left on the way"
        found = [(o["customer"], o["cause"]["type"].split(".")[2]) for o in told(runtime)]
        assert [
            ("c", "transferred"),
            ("c", "transferred"),
            ("d", "offered"),
            ("nobody", "offered"),
            ("c", "accepted"),
            ("c", "returned"),
        ] == found
        assert 0 == replay.verify(runtime.log).differences
        assert [] == chain.check(runtime.log).findings


def told(runtime: LocalRuntime) -> list[dict]:
    """Outcomes of transfers, in the order of the ledger."""
    ledger = said(written(runtime.log)["creditfold.ledger.v1"])
    return [o for o in outcomes(ledger) if "transfer" in o["cause"].get("type", "")]
