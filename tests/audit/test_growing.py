"""A log that is written while it is audited: both audits follow it, and cry no wolf."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tampering import Recorded, kind, untouched
from creditfold.audit import chain, replay
from creditfold.contract.topics import DEAD_LETTERS, LEDGER, NOTICES, REVENUE, TOPICS
from creditfold.local.runtime import LocalRuntime
from creditfold.log.records import Record
from local.desk import Clock, history, publish, to_input, to_inputs
from properties.events import DAY, HOUR, START, fact

RECORDS = untouched()


def ends(records: Sequence[Record] = RECORDS) -> list[Counter[str]]:
    """After each batch: the first offset of each topic that no batch so far has used or sent."""
    found, at = [Counter[str]()], Counter[str]()
    for record in (r for r in records if r.topic == LEDGER.name):
        data = json.loads(record.value or b"")
        if "batch" in data:
            found.append(at)
            at = at | Counter({topic: end for topic, _, end, _ in data["in"]})
        else:
            emitted = data.get("emitted", {})
            at[REVENUE.name] += emitted.get("postings", 0)
            at[NOTICES.name] += emitted.get("notices", 0)
            at[DEAD_LETTERS.name] += data["status"] == "dead_letter"
        at[LEDGER.name] = record.offset + 1
    return [*found[1:], at]


class Growing(Recorded):
    """Before each read so many batches are committed, and the topic may not show the last yet.

    A read that begins at the topic's end waits until it does: see `broker.kafka_log.LiveLog`.
    """

    def __init__(
        self,
        begun: int,
        steps: Iterable[tuple[int, int]],
        records: Sequence[Record] = RECORDS,
    ) -> None:
        super().__init__(records)
        self._ends = ends(records)
        self._batch = begun
        self._steps = iter(steps)
        self.asked = Counter[str]()

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        self.asked[topic] += 1
        grown, late = next(self._steps, (0, 0))
        self._batch = min(self._batch + grown, len(self._ends) - 1)
        end = self._ends[max(self._batch - late, 0)][topic]
        if end <= start:
            end = self._ends[self._batch][topic]
        return (r for r in super().read(topic, start) if r.offset < end)


def test_the_ends_of_all_batches_are_those_of_the_log():
    lengths = Counter(record.topic for record in RECORDS)
    assert lengths == +ends()[-1]
    assert len(ends()) == 1 + sum(kind(r) == "creditfold.ledger.batch.v1" for r in RECORDS)


GROWTH = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=40)


@given(begun=st.integers(0, len(ends()) - 1), steps=GROWTH)
@pytest.mark.parametrize("audit", [replay.verify, chain.check])
def test_whatever_is_committed_between_two_reads_is_no_difference(audit, begun, steps):
    found = audit(Growing(begun, steps))
    if isinstance(found, replay.Report):
        assert (0, None) == (found.differences, found.first)
        assert begun - 1 <= found.batches
    else:
        assert [] == found.findings
        assert begun - 1 <= found.headers


@cache
def busy() -> tuple[Record, ...]:
    """Sixty batches, each with one usage that sends a posting."""
    events = [e for e in history() if not e["type"].endswith("usage.recorded")]
    small = {"meter": "calls", "quantity": "1"}
    usages = [
        fact("usage.recorded", small, id=f"u{n}", at=at, customer="ada")
        for n, at in enumerate(range(START + HOUR, START + HOUR + 60))
    ]
    with (
        TemporaryDirectory() as directory,
        LocalRuntime(Path(directory), Clock(START + DAY)) as runtime,
    ):
        publish(runtime, to_inputs(events))
        for usage in usages:
            publish(runtime, [to_input(usage)])
        return tuple(r for topic in TOPICS for r in runtime.log.read(topic.name))


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("audit", [replay.verify, chain.check])
def test_an_audit_beside_a_worker_that_never_rests_ends(audit, late):
    """The ledger is asked at first, for what was there then, and where a marker is late."""
    log = Growing(1, itertools.repeat((1, late)), busy())
    audit(log)
    assert log.asked[LEDGER.name] <= 3
