"""A real Apache Kafka for the session; without one these tests are skipped, in CI they fail."""

import itertools
import os
import re

import pytest
from rig import Rig

from creditfold.broker.jars import BrokerUnavailable
from creditfold.broker.provide import broker

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    only = os.environ.get("CREDITFOLD_BROKER_SOURCE")
    data = tmp_path_factory.mktemp("kafka")
    try:
        with broker(data, only) as found:
            yield found
    except BrokerUnavailable as reason:
        message = f"NO KAFKA BROKER, nothing about money was tested here: {reason}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture
def node(kafka):
    """The session's broker where a test may stop, kill and freeze it: only one from its jars."""
    if kafka.node is None:
        pytest.skip(f"not ours to stop: {kafka.source}")
    return kafka.node


@pytest.fixture
def rig(kafka, tmp_path, request):
    name = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
    made = Rig(kafka.bootstrap, tmp_path, f"t{next(_numbers)}-{os.getpid()}-{name}").create()
    if kafka.node is not None:
        made.arguments["session_seconds"] = 2.0  # our own broker allows it
    yield made
    made.close()


def pytest_collection_modifyitems(config, items):
    """Leave the long form of a campaign out unless `-m` names it."""
    if "long" in (config.option.markexpr or ""):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
