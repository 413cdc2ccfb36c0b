"""What every output is made of: a tolerant model, decimals, instants, digests."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from creditfold.contract.fields import DECIMAL_PATTERN
from creditfold.contract.instants import TIME_PATTERN

Decimal: TypeAlias = Annotated[str, StringConstraints(pattern=DECIMAL_PATTERN)]
Instant: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=TIME_PATTERN),
    Field(json_schema_extra={"format": "date-time"}),
]
Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Chain: TypeAlias = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
"""A SHA-256 in hex, or nothing before the first link."""


class Output(BaseModel):
    """A record that creditfold writes; fields that a reader does not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)
