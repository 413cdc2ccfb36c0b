"""Every line, whoever writes it, is one JSON object, and none holds a secret."""

import io
import json
import logging

import pytest
import structlog

from creditfold.worker.logs import configure, masked
from creditfold.worker.settings import LogFormat, LogLevel


@pytest.fixture
def lines():
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level


def test_our_lines_have_a_constant_event_and_fields(lines):
    structlog.get_logger("creditfold.x").info("batch_committed", partition=3, ids=["a", "b"])
    (line,) = lines()
    assert ("batch_committed", 3, ["a", "b"]) == (line["event"], line["partition"], line["ids"])
    assert ("info", "creditfold.x") == (line["level"], line["logger"])
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("library", ["aiokafka.consumer", "faust.app", "mode.worker", "asyncio"])
def test_libraries_come_out_in_the_same_form_from_warning_on(lines, library):
    logging.getLogger(library).info("chatter")
    logging.getLogger(library).warning("node %s is gone", 1)
    (line,) = lines()
    assert ("node 1 is gone", "warning", library) == (line["event"], line["level"], line["logger"])


def test_a_traceback_stays_on_its_line(lines):
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("faust").exception("crashed")
        structlog.get_logger("creditfold").exception("crashed_too")
    theirs, ours = lines()
    assert "ValueError: invalid literal" in theirs["exception"].splitlines()[-1]
    assert "Traceback" in ours["exception"]


def test_the_start_and_stop_of_each_service_is_left_out(lines):
    logging.getLogger("creditfold.engine.app").info("[^-EngineApp]: Starting...")
    logging.getLogger("creditfold.engine.app").warning("[^-EngineApp]: Crashed")
    assert ["[^-EngineApp]: Crashed"] == [line["event"] for line in lines()]


def test_a_flood_of_a_library_is_held_back(lines):
    for number in range(1_000):
        logging.getLogger("aiokafka").error("broker %s is gone", number)
    assert len(lines()) < 10


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("sasl_plain_password=hunter2 x", "sasl_plain_password=*** x"),
        ("{'password': 'hunter2', 'a': 1}", "{'password': '***', 'a': 1}"),
        ("kafka://bob:hunter2@host:9092", "kafka://bob:***@host:9092"),
        ("no secret here: a=b", "no secret here: a=b"),
    ],
)
def test_what_looks_like_a_secret_is_masked(lines, text, safe):
    assert safe == masked(text)
    logging.getLogger("faust").error(text)
    assert safe == lines()[0]["event"]
