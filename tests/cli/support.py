"""Running the real commands: in this process for speed, in another for codes and signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

import creditfold
from creditfold.cli.app import app

SOURCES = Path(creditfold.__file__).parents[1]
START = "2026-03-01T00:00:00Z"
NOON = "2026-03-02T12:00:00Z"

Event = dict[str, Any]


def invoke(*args: object, stdin: bytes | None = None) -> Result:
    """The command in this process."""
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


def run(
    *args: object, stdin: bytes = b"", cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    return subprocess.run(
        command(*args),
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(**env),
        timeout=120,
        check=False,
    )


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "creditfold", *map(str, args)]


def environment(**env: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CREDITFOLD_")}
    return {**clean, "PYTHONPATH": str(SOURCES), **env}


def documents(text: str) -> list[Any]:
    """JSON lines; anything else on standard output fails here."""
    return [json.loads(line) for line in text.splitlines()]


def event(
    id_: str, what: str, data: Event, subject: str | None = "ada", time: str = START, **rest: str
) -> Event:
    """A structured event whose record time is its time."""
    made: Event = {
        "specversion": "1.0",
        "id": id_,
        "source": "test",
        "type": f"creditfold.{what}.v1",
        "time": time,
        "recordedtime": time,
        "data": data,
        **rest,
    }
    return made if subject is None else made | {"subject": subject}


def usage(id_: str, quantity: object = "3", **rest: str) -> Event:
    data = {"meter": "calls", "quantity": quantity}
    return event(id_, "usage.recorded", data, **{"time": NOON, **rest})


def setup() -> list[Event]:
    """A held clock, a priced meter, a customer with 10 USD of paid credit."""
    rates = [{"meter": "calls", "unit": "USD", "per_unit": "0.50"}]
    card = {"rate_card": "list", "version": 1, "effective_from": START, "rates": rates}
    grant = {
        "block": "b1",
        "kind": "paid",
        "unit": "USD",
        "quantity": "10",
        "value": {"amount": "8.00", "currency": "USD"},
        "expires_at": "2026-03-10T00:00:00Z",
    }
    line = {"line": "1", "amount": "8.00", "tax": "1.60", "sells": [{"block": "b1"}]}
    invoice = {"invoice": "i1", "currency": "USD", "lines": [line]}
    meter = {"meter": "calls", "version": 1, "product": "api"}
    return [
        event("s1", "clock.held", {}, None),
        event("s2", "meter.declared", meter, None),
        event("s3", "rate_card.published", card, None),
        event("s4", "customer.created", {"currency": "USD"}),
        event("s5", "credit.granted", grant),
        event("s6", "invoice.issued", invoice),
        event("s7", "invoice.paid", {"invoice": "i1", "amount": "9.60"}),
    ]


def jsonl(events: list[Event]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def published(directory: Path, *events: Event) -> Path:
    """A data directory with the setup and these events."""
    result = invoke("publish", "--data-dir", directory, stdin=jsonl([*setup(), *events]))
    assert result.exit_code in (0, 1), result.output
    return directory
