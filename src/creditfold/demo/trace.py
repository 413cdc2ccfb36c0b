"""The usage trace: real requests, one a row, read from a CSV file."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from creditfold.contract.instants import BadTimeError, parse_instant

SLICE = "azure-llm-conv-2023-slice.csv"
COLUMNS = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
CUSTOMERS = 200


class TraceError(Exception):
    """The file is no trace; the message says what to do."""


class Request(NamedTuple):
    """One request: when it was served (microseconds), and its tokens."""

    time: int
    input_tokens: int
    output_tokens: int


def bundled(rows: int | None = None) -> list[Request]:
    """The slice that comes with creditfold: its first `rows` requests, or all."""
    text = (files("creditfold.demo") / SLICE).read_text("utf-8")
    return _requests(text.splitlines(), rows, SLICE)


def read(path: Path, rows: int | None = None) -> list[Request]:
    """The requests of a CSV file of the same columns."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return _requests(file, rows, path.name)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not CSV in UTF-8"
        raise TraceError(f"{path} cannot be read ({reason}): name the trace's CSV file") from error


def customer(row: int) -> str:
    """Whose request row `row` is, counted from 0: the trace itself names no customers."""
    return f"c-{zlib.crc32(str(row).encode()) % CUSTOMERS:03d}"


def _requests(lines: Iterable[str], rows: int | None, name: str) -> list[Request]:
    reader = csv.reader(lines)
    if next(reader, None) != COLUMNS:
        raise TraceError(f"{name} has other columns: its first line has to be {','.join(COLUMNS)}")
    requests: list[Request] = []
    for row in islice(reader, rows):
        try:
            time, input_tokens, output_tokens = row
            instant = parse_instant(f"{time.replace(' ', 'T')}Z")
            requests.append(Request(instant, int(input_tokens), int(output_tokens)))
        except (ValueError, BadTimeError) as error:
            raise TraceError(
                f"{name}, line {reader.line_num}: {error}; write a time and two whole numbers"
            ) from error
    if not requests:
        raise TraceError(f"{name} holds no requests: name a trace that has some")
    return requests
