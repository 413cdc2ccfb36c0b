"""What a customer's state keeps of its statements."""

from __future__ import annotations

from msgspec import Struct


class Statement(Struct, frozen=True):
    """The customer's last statement: it tells [begin, end), and is open until then.

    `shortfalls` are (id, minor units) of what is owed more, or less, of commitments since.
    """

    number: int
    begin: int
    end: int
    open: bool = True
    shortfalls: tuple[tuple[str, int], ...] = ()


class Tally(Struct, frozen=True):
    """What a statement tells of a meter: per cell its steps and their price, as text.

    It is text because the sums of a period may outgrow int64, which no single one may.
    """

    cells: dict[tuple[str, ...], tuple[str, str]]


STATEMENT = "statement"
TALLY = "tally"
