"""A Docker engine for these tests; where there is none they are skipped, and in CI they may fail.

CI fails where an engine could be had: one answers, or the kit that starts one stands beside the
checkout. Elsewhere it says aloud what was not tested.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KIT = ROOT.parent / "shared" / "tools" / "docker" / "standin-images.sh"


def pytest_configure(config):
    config.addinivalue_line("markers", "docker: needs a Docker engine with Compose")


def _fails(*command):
    """Why the command fails, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return f"{' '.join(command)} does not answer"
    said = done.stderr.strip().splitlines()
    return (said[-1] if said else f"{' '.join(command)} failed") if done.returncode else ""


@pytest.fixture(scope="session")
def docker():
    """Where an engine answers, the directory of the project to build; else no test."""
    if shutil.which("docker") is None:
        reason, engine = "docker is not installed", False
    else:
        reason = _fails("docker", "version")
        engine = not reason
        reason = reason or _fails("docker", "compose", "version")
    if not reason:
        return ROOT
    message = f"NO DOCKER, image, Compose file and broker container were not tested: {reason}"
    if os.environ.get("CI") and (engine or KIT.exists()):
        pytest.fail(f"{message}; run them by deploy/ci-docker.sh")
    pytest.skip(message)
