"""The campaign in its short form: faults that follow each other on one log, judged at its end."""

from __future__ import annotations

import pytest

from crash.kafka import campaign
from crash.scenarios import SCENARIOS, Size

pytestmark = [pytest.mark.broker, pytest.mark.campaign, pytest.mark.timeout(1_500)]

LOGS = {
    "workers": (["hour", "kill", "term-backlog", "wipe"], False),
    "offsets and brokers": (["no-offsets", "shuffled", "broker-kill"], False),
    "all kinds of facts": (["kill"], True),
}


@pytest.mark.parametrize(("names", "mixed"), LOGS.values(), ids=LOGS.keys())
def test_whatever_happens_each_fact_is_answered_once_and_the_books_are_right(
    tmp_path, names, mixed
):
    sizes = {name: Size(2_000, SCENARIOS[name].times) for name in names}
    result = campaign(tmp_path, sizes, 1, mixed=mixed)
    assert {} == result.verdict.faults, result.verdict.examples
    assert 0 == result.differences, result.verdict.examples
    assert 2_000 * len(names) <= result.verdict.facts
