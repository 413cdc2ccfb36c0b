"""Members of Faust and aiokafka that are used though not public; a start-up check guards them.

Everything else of the host comes through public doors: the URL scheme of the entry-point group
`faust.transports`, the class attribute `Transport.Fetcher`, the setting `TableManager`, signals,
and aiokafka's public consumer and producer.
"""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType
from typing import Any

import faust
from aiokafka import conn
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.producer import sender
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer

from creditfold.engine.errors import RefusedToStart

#: module, constant, what it becomes, and what that is needed for
CONSTANTS: tuple[tuple[ModuleType, str, float, str], ...] = (
    # A connection stops reading while twice its limit waits, until its reader has had a turn. By
    # default that is 32 times in a full fetch, and each turn of the consumer's thread waits for
    # the fold to give way.
    (conn, "READER_LIMIT", 1 << 20, "to read in large pieces"),
    # A broker answers the end of a transaction before its markers are written, and the next one
    # is told to come back. By default that is after 20 ms, longer than a whole transaction takes.
    (sender, "BACKOFF_OVERRIDE", 0.003, "to begin a transaction soon after the last"),
)

#: owner, member, its parameters, and what it is needed for
MEMBERS: tuple[tuple[type, str, tuple[str, ...], str], ...] = (
    (Consumer, "_new_consumer_thread", ("self",), "to use a consumer thread of our own"),
    (
        AIOKafkaConsumerThread,
        "_create_worker_consumer",
        ("self", "transport"),
        "to read committed records only, without Faust's own transactions",
    ),
    (faust.App, "_fetcher", ("self",), "to start the feeder that Faust stops"),
    (
        PartitionRecords,
        "_consumer_record",
        ("self", "tp", "record"),
        "to make one object of each record that is read, not two",
    ),
)


def check() -> None:
    """Refuse to run where a private member is missing or takes other arguments."""
    for module, name, value, purpose in CONSTANTS:
        if type(getattr(module, name, None)) is not type(value):
            raise RefusedToStart(
                f"{_library(module.__name__)}: {module.__name__}.{name} is not there; it is needed "
                f"{purpose}. Install the pinned version."
            )
    for owner, name, parameters, purpose in MEMBERS:
        member: Any = inspect.getattr_static(owner, name, None)
        # mode keeps the function of its cached property under a mangled name
        function = getattr(member, "_cached_property__get", member)
        found = tuple(inspect.signature(function).parameters) if callable(function) else None
        if found != parameters:
            raise RefusedToStart(
                f"{_library(owner.__module__)}: {owner.__name__}.{name} is {found}, not "
                f"{parameters}; it is needed {purpose}. Install the pinned version."
            )


def _library(module: str) -> str:
    name = "aiokafka" if module.startswith("aiokafka") else "faust-streaming"
    return f"{name} {version(name)}"


def adapt(make: Callable[[PartitionRecords, Any, Any], Any]) -> None:
    """Have aiokafka's clients hand out what `make` returns for a raw record; set `CONSTANTS`."""
    PartitionRecords._consumer_record = make
    for module, name, value, _ in CONSTANTS:
        setattr(module, name, value)


def feeder(app: faust.App) -> Any:
    """Return the app's fetcher service, made by Faust from `Transport.Fetcher`."""
    return app._fetcher
