"""What all tests share: where their modules are found, and how long hypothesis may look."""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

sys.path.insert(0, str(Path(__file__).parent))

# A run in the background of a script has Ctrl-C ignored, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

# `ci` always looks at the same cases, so that a red build is red again when it is looked into.
settings.register_profile(
    "ci",
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=_SLOW_IS_FINE,
)
settings.register_profile(
    "long",
    max_examples=2_000,
    stateful_step_count=100,
    deadline=timedelta(seconds=60),
    print_blob=True,
    suppress_health_check=_SLOW_IS_FINE,
)
_profile = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(_profile)
if _profile == "ci":
    # Hypothesis draws constants from the modules that happen to be loaded, which would make the
    # cases another set for each choice of tests. It has no setting for that.
    providers.is_local_module_file = lambda _: False
