"""Log lines of creditfold and of every library under it: one JSON object a line, on stderr.

`event` is a constant text and the fields carry ids, so lines can be counted and found. Libraries
write sentences: theirs are the `event` as they come. Text after the names of secrets and inside
`user:password@` is masked, which no pattern can do for every spelling.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from creditfold.engine.quiet import RateLimit
from creditfold.worker.settings import LogFormat, LogLevel

_LIBRARIES = ("aiokafka", "faust", "mode", "asyncio", "uvicorn", "kafka", "aiohttp", "py")
_TEXT_CHARS_MAX = 4_000
_secret = re.compile(
    r"(?i)((?:password|passwd|secret|token|sasl[._]?plain[._]?\w*)[\"']?\s*[=:]\s*[\"']?)[^\s,;\"']+"
)
_userinfo = re.compile(r"(//[^/\s:@]+:)[^@\s/]+@")


def configure(form: LogFormat, level: LogLevel, stream: TextIO | None = None) -> None:
    """Send every line of this process to `stream` (stderr), in one form."""
    out = sys.stderr if stream is None else stream
    people = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if people:
        last += [_guarded, structlog.dev.ConsoleRenderer(colors=out.isatty())]
    else:
        last += [
            structlog.processors.format_exc_info,
            _guarded,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    handler = logging.StreamHandler(out)
    handler.addFilter(_worth_reading)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.value.upper())
    logging.captureWarnings(capture=True)
    _tame()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # a logger that was used before keeps asking for what is configured now
        cache_logger_on_first_use=False,
    )


def _tame() -> None:
    """Libraries speak from warning on, all through the root, and never a flood."""
    for name in (*logging.root.manager.loggerDict, *_LIBRARIES):
        if name.split(".")[0] in _LIBRARIES:
            library = logging.getLogger(name)
            library.handlers, library.propagate = [], True
            library.setLevel(logging.NOTSET if "." in name else logging.WARNING)
    RateLimit.install("aiokafka", "faust", "mode")


def _worth_reading(record: logging.LogRecord) -> bool:
    """Leave out what mode says of the start and stop of each of its services, ours included."""
    return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


def _guarded(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask what looks like a secret, and cut what would be a page."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = masked(value)[:_TEXT_CHARS_MAX]
    return event


def masked(text: str) -> str:
    """The text with `***` where it names a secret."""
    return _userinfo.sub(r"\1***@", _secret.sub(r"\1***", text))
