"""Lines of a file or of standard input, each in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple

from creditfold.cli.errors import CommandError

PIECE = 1 << 16
BOM = b"\xef\xbb\xbf"

STDIN = "-"


class Line(NamedTuple):
    """A line without its end. Of one that is not `whole`, the text is only the head."""

    number: int
    text: bytes
    size: int
    whole: bool


def source(name: str) -> AbstractContextManager[BinaryIO]:
    """The bytes of a file, or of standard input for `-`."""
    if name == STDIN:
        if sys.stdin.isatty():
            sys.stderr.write("reading facts from the terminal: one a line, Ctrl-D ends\n")
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise CommandError(
            f"{name} cannot be read ({error.strerror}): name a file of JSON lines, or - for "
            "standard input"
        ) from error


def lines(
    stream: BinaryIO, limit: int, long: Callable[[bytes], object] = lambda _: None
) -> Iterator[Line]:
    """The lines that are not blank. One of more than `limit` bytes goes to `long` in pieces.

    Ends may be LF or CRLF, and the last line needs none. A byte order mark is passed over.
    """
    number = 0
    most = limit + len(b"\r\n")
    while text := stream.readline(most):
        number += 1
        size = len(text)
        whole = size < most or text.endswith(b"\n")
        if not whole:
            long(text)
            while piece := stream.readline(PIECE):
                size += len(piece)
                long(piece.rstrip(b"\r\n"))
                if piece.endswith(b"\n"):
                    break
        if number == 1:
            text = text.removeprefix(BOM)
        text = text.rstrip(b"\r\n")
        if text.strip():
            yield Line(number, text, size, whole)
