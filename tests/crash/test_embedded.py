"""A publisher that is killed at any moment loses nothing it was told is safe, nor doubles it."""

from __future__ import annotations

import pytest

from crash.embedded import campaign
from crash.verdict import Expected
from crash.workload import chunks


@pytest.mark.parametrize("seed", range(4))
def test_a_chunk_that_is_sent_twice_changes_nothing(seed):
    """Else two histories are compared that may differ: a refused id may come again."""
    sent = chunks(seed, 120)
    once, twice = Expected(sent), Expected([chunk for chunk in sent for _ in range(2)])
    assert once.heads == twice.heads
    assert once.postings == twice.postings


@pytest.mark.parametrize("seed", [11, 12])
def test_ten_kills_leave_the_books_of_a_run_without_one(tmp_path, seed):
    tally = campaign(tmp_path / "data", 10, seed)
    assert 10 == tally.kills
    assert 0 < tally.duplicates


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_two_hundred_kills_leave_the_books_of_a_run_without_one(tmp_path):
    assert 200 == campaign(tmp_path / "data", 200, 1).kills
