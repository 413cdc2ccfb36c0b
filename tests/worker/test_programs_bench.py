"""bench/programs.py runs to its last check; how fast is not asked here."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_customer_is_granted_once_while_usage_flows():
    done = subprocess.run(
        [sys.executable, "bench/programs.py", "--customers", "40", "--seconds", "0.2"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "80 items due at midnight" in done.stdout
    assert "40 granted once each; all chains join; none goes back in time" in done.stdout
