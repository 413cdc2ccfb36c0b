"""Every bench of the worker runs on a real broker, to its last row; how fast is not asked here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.campaign]

ROOT = Path(__file__).parents[2]
SMALL = "--partitions 2 --customers 20"


def bench(command):
    """What the bench prints, in words."""
    done = subprocess.run(
        [sys.executable, "bench/worker.py", *command.split()],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def rows(printed):
    """The rows of the table that was printed, by their first cells."""
    cells = [line.split("│")[1:-1] for line in printed.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in cells]


def figures(row):
    return [float(cell.replace(",", "").rstrip("%")) for cell in row if cell]


def test_throughput_has_a_row_for_each_contender_with_the_same_outcomes():
    printed = bench(f"throughput {SMALL} --events 20000 --rounds 1 --window 3")
    found = {row[0]: figures(row[1:]) for row in rows(printed)}
    assert ["worker", "bare", "faust"] == list(found)
    assert all(figure > 0 for row in found.values() for figure in row[:2])
    assert "chains of worker and bare loop: equal" in printed


def test_the_mix_has_a_row_beside_usage_alone_of_this_and_another_checkout():
    printed = bench(f"mix {SMALL} --events 2000 --rounds 1 --before {ROOT}")
    found = {row[0]: figures(row[1:]) for row in rows(printed)}
    assert ["usage alone, before", "usage alone", "as a business"] == list(found)
    assert all(figure > 0 for row in found.values() for figure in row)


def test_the_profile_names_the_fold_among_fifteen_functions():
    found = rows(bench(f"profile {SMALL} --events 2000"))
    assert 15 == len([row for row in found if row[1]])


def test_latency_has_a_row_for_each_rate_and_contender():
    found = rows(bench(f"latency {SMALL} --rounds 1 --seconds 1 --rates 50 100"))
    assert [["50", "bare"], ["50", "worker"], ["100", "bare"], ["100", "worker"]] == [
        row[:2] for row in found
    ]
    assert all(p50 <= p99 <= p999 for p50, p99, p999 in (figures(row[2:5]) for row in found))


def test_recovery_reads_all_state_cold_and_nothing_warm():
    found = {row[0]: figures(row[1:]) for row in rows(bench(f"recovery {SMALL}"))}
    _, _, cold, _, _ = found["cold"]
    _, _, warm, _, _ = found["warm"]
    assert cold > 20 * 5
    assert 0 == warm


def test_scale_has_a_row_for_one_worker_and_for_two():
    found = rows(bench(f"scale {SMALL} --events 20000 --rounds 1"))
    assert ["1", "2"] == [row[0] for row in found]
    assert all(figures(row[1:])[0] > 0 for row in found)


def test_disk_adds_the_topics_up():
    found = {row[0]: figures(row[1:])[0] for row in rows(bench(f"disk {SMALL} --events 500"))}
    total = found.pop("all")
    assert found.pop("creditfold.notices.v1") == 0
    assert {
        "creditfold.usage.v1",
        "creditfold.ledger.v1",
        "creditfold.revenue.v1",
        "disk.changelog",
    } == {name for name, size in found.items() if size > 0}
    assert abs(total - sum(found.values())) <= len(found)
