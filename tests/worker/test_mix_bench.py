"""bench/mix.py runs to its last table; how fast is not asked here."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_mix_has_a_row_beside_usage_alone_of_this_and_another_checkout():
    small = ["--facts", "200", "--customers", "10", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "bench/mix.py", *small, "--before", str(ROOT)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    rows = ["usage alone, before", "usage alone", "as a business", "as the campaign"]
    assert rows == re.findall(rf"^│ ({'|'.join(rows)}) +│ \d", done.stdout, re.MULTILINE)
    assert re.search(r"^\S+ bytes a customer, and \d+ for each usage", done.stdout, re.MULTILINE)
