"""Members of Faust and aiokafka that are used though not public; a start-up check guards them.

Everything else of the host comes through public doors: the URL scheme of the entry-point group
`faust.transports`, the class attribute `Transport.Fetcher`, the setting `TableManager`, signals,
and aiokafka's public consumer and producer.
"""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import faust
from aiokafka import conn
from aiokafka.consumer.fetcher import PartitionRecords
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer

from creditfold.engine.errors import RefusedToStart

_READER_LIMIT = 1 << 20

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
    if not isinstance(getattr(conn, "READER_LIMIT", None), int):
        raise RefusedToStart(
            f"{_library(PartitionRecords)}: conn.READER_LIMIT is not there; it is needed to read "
            "in large pieces. Install the pinned version."
        )
    for owner, name, parameters, purpose in MEMBERS:
        member: Any = inspect.getattr_static(owner, name, None)
        # mode keeps the function of its cached property under a mangled name
        function = getattr(member, "_cached_property__get", member)
        found = tuple(inspect.signature(function).parameters) if callable(function) else None
        if found != parameters:
            raise RefusedToStart(
                f"{_library(owner)}: {owner.__name__}.{name} is {found}, not {parameters}; it is "
                f"needed {purpose}. Install the pinned version."
            )


def _library(owner: type) -> str:
    name = "aiokafka" if owner.__module__.startswith("aiokafka") else "faust-streaming"
    return f"{name} {version(name)}"


def adapt(make: Callable[[PartitionRecords, Any, Any], Any]) -> None:
    """Have aiokafka's clients hand out what `make` returns for a raw record, and read large pieces.

    A connection stops reading while twice its limit waits, until its reader has had a turn. By
    default that is 32 times in a full fetch, and each turn of the consumer's thread waits for the
    fold to give way.
    """
    PartitionRecords._consumer_record = make
    conn.READER_LIMIT = _READER_LIMIT


def feeder(app: faust.App) -> Any:
    """Return the app's fetcher service, made by Faust from `Transport.Fetcher`."""
    return app._fetcher
