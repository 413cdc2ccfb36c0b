"""A log that is written while it is audited: both audits follow it, and cry no wolf."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tampering import Recorded, kind, untouched
from creditfold.audit import chain, replay
from creditfold.contract.topics import DEAD_LETTERS, LEDGER, NOTICES, REVENUE
from creditfold.log.records import Record

RECORDS = untouched()


def ends() -> list[Counter[str]]:
    """After each batch: the first offset of each topic that no batch so far has used or sent."""
    found, at = [Counter[str]()], Counter[str]()
    for record in (r for r in RECORDS if r.topic == LEDGER.name):
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

    def __init__(self, begun: int, steps: Sequence[tuple[int, int]]) -> None:
        super().__init__(RECORDS)
        self._ends = ends()
        self._batch = begun
        self._steps = iter(steps)

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
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
