"""What may happen to workers and brokers while facts are folded, each as a function of a field.

A scenario may follow another one on the same log. It ends when all that it sent is answered.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kafka_fixtures import SECOND, fact
from reader import committed
from worker_rig import PARTITIONS, WorkerProcess, until

from crash.books import LEDGER
from crash.cluster import Node
from crash.field import Field, wall
from crash.traffic import Soon, shuffled
from creditfold.contract.envelope import Envelope

HOUR = 3_600 * SECOND


class Size(NamedTuple):
    """How many facts a scenario sends at least, how often it does its worst, to how many."""

    facts: int
    times: int
    customers: int = 300


def one_of_two_is_killed(field: Field, size: Size) -> None:
    """Either of them, under load; sometimes again before the group has found itself."""
    field.open(size.customers)
    field.start(2)
    field.ready()
    with field.flow(size.facts, size.facts / size.times / 5):
        for n in range(size.times):
            victim = field.chance.choice(field.workers)
            time.sleep(field.chance.uniform(0, 1))
            field.kill(victim)
            time.sleep(field.chance.uniform(0, 4))
            victim.start()
            if n % 3:
                field.ready()
    field.settle()


def killed_with_a_backlog(field: Field, size: Size) -> None:
    """Whoever starts again finds more than it can fold before it is killed."""
    field.open(size.customers)
    _on_backlogs(field, size, field.kill)


def terminated_with_a_backlog(field: Field, size: Size) -> None:
    """The same in order: the batch in hand is ended, the code is 0."""
    field.open(size.customers)
    _on_backlogs(field, size, _terminate)


def _on_backlogs(field: Field, size: Size, end: Callable[[WorkerProcess], None]) -> None:
    worker, *_ = field.start(1)
    for _ in range(size.times):
        before = field.answered()
        field.send(size.facts // size.times)
        if not worker.running:
            worker.start()
        field.folding(before)
        time.sleep(field.chance.uniform(0, 0.4))
        end(worker)
    worker.start()
    field.settle()


def _terminate(worker: WorkerProcess) -> None:
    assert 0 == worker.terminate(), worker.tail()


def frozen_for_longer_than_its_session(field: Field, size: Size) -> None:
    """SIGSTOP for 15 s under load, while the other takes over; what was frozen changes nothing."""
    field.open(size.customers)
    field.start(2)
    field.ready()
    with field.flow(size.facts, size.facts / size.times / 20):
        for n in range(size.times):
            victim = field.workers[n % 2]
            victim.process.send_signal(signal.SIGSTOP)
            time.sleep(15)
            victim.process.send_signal(signal.SIGCONT)
            time.sleep(1)
            field.ready()
    field.settle()


def wiped(field: Field, size: Size) -> None:
    """Killed, its state directory removed, and started on a backlog."""
    field.open(size.customers)
    worker, *_ = field.start(1)
    for _ in range(size.times):
        before = field.answered()
        field.send(size.facts // size.times)
        field.folding(before)
        field.kill(worker)
        field.wipe(worker)
        worker.start()
    field.settle()


def a_standby_takes_over(field: Field, size: Size) -> None:
    """It has the state already and reads little of the changelog."""
    field.open(size.customers)
    field.start(2, STANDBYS=1)
    field.ready()
    for n in range(size.times):
        victim, standby = field.workers[n % 2], field.workers[1 - n % 2]
        field.send(size.facts // size.times // 2)
        field.settle()
        _followed(field)
        field.kill(victim)
        field.send(size.facts // size.times // 2)
        until(lambda: len(_recovered(standby)) == PARTITIONS, standby.tail)  # noqa: B023  # called at once
        recovered = sum(_recovered(standby))
        assert recovered < size.customers, f"{recovered} changelog records were read anew"
        field.settle()
        victim.start()
        field.ready()


def _followed(field: Field) -> None:
    """Return when standbys have taken in what was committed."""

    def counts() -> list[float]:
        return [w.sample("creditfold_standby_records_total") for w in field.workers]

    before = [-1.0]
    while before != (now := counts()):
        before = now
        time.sleep(1)
    assert any(now), "there is no standby"


def _recovered(worker: WorkerProcess) -> list[float]:
    """How many changelog records each partition of the worker took to recover."""
    found: list[float] = []
    if worker.ready():
        found = worker.samples("creditfold_partition_recovered_records")
    return found


def join_and_leave(field: Field, size: Size) -> None:
    """At full load: one joins, then the one that was there longest leaves."""
    field.open(size.customers)
    field.start(1)
    field.ready()
    with field.flow(size.facts, 2_000):
        for n in range(size.times):
            field.join(f"guest{n}")
            if n % 2:
                field.ready()
            else:
                time.sleep(field.chance.uniform(0, 3))
            field.leave(field.workers[0])
    field.settle()


def broker_is_killed(field: Field, size: Size) -> None:
    """Kill -9 under load, back after 2 s."""
    _broker_goes(field, size, _crash, 2)


def broker_is_away(field: Field, size: Size) -> None:
    """SIGTERM under load, and away for 25 s."""
    _broker_goes(field, size, lambda _, node: node.stop(), 25)


def _broker_goes(
    field: Field, size: Size, end: Callable[[Field, Node], None], seconds: float
) -> None:
    field.open(size.customers)
    field.start(2)
    field.ready()
    (node,) = field.cluster.nodes
    with field.flow(size.facts, size.facts / size.times / (seconds + 8)):
        for _ in range(size.times):
            time.sleep(2)
            end(field, node)
            time.sleep(seconds)
            node.start()
            field.folding()
    field.settle()


def _crash(field: Field, node: Node) -> None:
    field.kills += 1
    node.kill()


def brokers_in_turn(field: Field, size: Size) -> None:
    """One of three at a time, in order or killed, while workers are killed; min ISR is 2."""
    field.open(size.customers)
    field.start(2)
    field.ready()
    nodes = field.cluster.nodes
    with field.flow(size.facts, size.facts / size.times / 12):
        for n in range(size.times):
            node, victim = nodes[n % 3], field.workers[n % 2]
            with ThreadPoolExecutor(1) as pool:
                going = pool.submit(node.kill if n % 2 else node.stop)
                time.sleep(field.chance.uniform(0, 2))
                field.kill(victim)
                going.result()
            field.kills += n % 2
            time.sleep(field.chance.uniform(0, 3))
            victim.start()
            node.start()
            field.folding()
            until(field.cluster.in_sync, "the copies do not come into step", 60, pause=0.5)
    field.settle()


def first_start_on_a_full_changelog(field: Field, size: Size) -> None:
    """No group offsets, no local state: only the changelog says what is folded already."""
    field.open(size.customers)
    worker, *_ = field.start(1)
    for _ in range(size.times):
        field.send(size.facts // size.times // 2)
        field.settle()
        _terminate(worker)
        field.forget_group()
        field.wipe(worker)
        field.send(size.facts // size.times // 2)
        worker.start()
    field.settle()


def group_offsets_deleted(field: Field, size: Size) -> None:
    """They are for lag monitoring only; the position lives with the state."""
    field.open(size.customers)
    worker, *_ = field.start(1)
    for _ in range(size.times):
        before = field.answered()
        field.send(size.facts // size.times // 2)
        field.folding(before)
        _terminate(worker)
        field.forget_group()
        field.send(size.facts // size.times // 2)
        worker.start()
    field.settle()


def an_hour_of_downtime(field: Field, size: Size) -> None:
    """Credit expires in that hour; usage of before is covered without taking an expiry back.

    The history up to an hour ago is imported with the clock held, so the log's time stands there
    when the worker goes. What happened since waits for it, and the clock is released first.
    """
    begin = wall() - HOUR
    step = 600 * SECOND / (size.facts / 2 + size.customers * 4)
    field.clock = _Steps(begin - 600 * SECOND, step, begin)
    field.publish_catalog(_clock("clock.held", field.clock()))
    field.open(size.customers, Soon(660 * SECOND, HOUR - 60 * SECOND))
    worker, *_ = field.start(1)
    field.send(size.facts // 2)
    until(lambda: field.answered() >= field.due, worker.tail, 120)
    _terminate(worker)
    field.clock = _Steps(max(begin, field.clock()), HOUR / (size.facts / 2) * 0.9, wall())
    field.traffic.soon = Soon()
    field.publish_catalog(_clock("clock.released", field.clock()))
    field.send(size.facts // 2)
    field.clock = wall
    worker.start()
    field.settle()
    entries = [
        entry
        for message in committed(field.bootstrap, [LEDGER], list(range(PARTITIONS)))
        for entry in json.loads(message.value()).get("entries", ())
    ]
    assert sum(each["to"] == "expired" for each in entries) > size.customers / 4
    if not field.mixed:  # late usage takes an expiry back, and should
        assert not [each for each in entries if each["from"] == "expired"], "the clock ran ahead"


class _Steps:
    """A clock that goes on by a step whenever it is looked at, and stands at its end."""

    def __init__(self, at: float, step: float, end: int) -> None:
        self._at, self._step, self._end = at, step, end

    def __call__(self) -> int:
        self._at = min(self._at + self._step, self._end)
        return int(self._at)


def _clock(noun_verb: str, at: int) -> Envelope:
    return fact(noun_verb, noun_verb, at, {}, None, at)


def repeated_and_shuffled(field: Field, size: Size) -> None:
    """A third is sent again, and facts of different customers come in any order.

    Nothing expires while facts that are still to be sent have their times already: usage that is
    late takes an expiry back, which the recount does not know.
    """
    field.open(size.customers, Soon(15 * SECOND, 20 * SECOND), repeats=0.33)
    field.start(2)
    for _ in range(size.times):
        facts = list(field.traffic.facts(size.facts // size.times))
        field.publish(shuffled(facts, field.chance))
    field.settle()


class Scenario(NamedTuple):
    """A scenario, how many brokers it needs, and how often it does its worst in the long form."""

    play: Callable[[Field, Size], None]
    times: int
    times_long: int
    brokers: int = 1


SCENARIOS = {
    "hour": Scenario(an_hour_of_downtime, 1, 1),
    "kill": Scenario(one_of_two_is_killed, 6, 30),
    "kill-backlog": Scenario(killed_with_a_backlog, 4, 30),
    "term-backlog": Scenario(terminated_with_a_backlog, 4, 8),
    "freeze": Scenario(frozen_for_longer_than_its_session, 1, 4),
    "wipe": Scenario(wiped, 2, 10),
    "standby": Scenario(a_standby_takes_over, 2, 6),
    "join-leave": Scenario(join_and_leave, 3, 6),
    "broker-kill": Scenario(broker_is_killed, 2, 8),
    "broker-away": Scenario(broker_is_away, 1, 3),
    "no-offsets": Scenario(first_start_on_a_full_changelog, 1, 4),
    "offsets-deleted": Scenario(group_offsets_deleted, 1, 4),
    "shuffled": Scenario(repeated_and_shuffled, 8, 30),
    "three-brokers": Scenario(brokers_in_turn, 6, 12, brokers=3),
}
"""By name; `hour` has to come first where several share a log, since its clock is behind."""
