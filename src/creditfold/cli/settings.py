"""The settings of the command line, and where each comes from; one message names all errors."""

from __future__ import annotations

import os
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from creditfold.cli.errors import CommandError

PREFIX = "CREDITFOLD_"


class OutputFormat(StrEnum):
    """For people, or for programs."""

    TABLE = "table"
    JSON = "json"


class Settings(BaseSettings):
    """What can be set, by a flag or by an environment variable with the prefix CREDITFOLD_."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    data_dir: Path = Field(
        Path("creditfold-data"), description="The directory that holds the log and the state."
    )
    output: OutputFormat = Field(OutputFormat.TABLE, description="table for people, json else.")
    debug: bool = Field(False, description="Show the traceback of a defect.")

    @field_validator("data_dir", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise ValueError("name a directory, or leave it unset")
        return value


class Effective(NamedTuple):
    """A setting as it is in force: its value as text (secrets masked), and where it comes from."""

    name: str
    value: str
    source: str
    variable: str
    description: str


def load(**flags: object) -> Settings:
    """The settings in force: a flag wins over the environment. One message names all errors."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # flags carry the fields' own types
    except ValidationError as error:
        faults = "; ".join(_fault(fault["loc"], fault["msg"], given) for fault in error.errors())
        raise CommandError(f"the settings are wrong: {faults}") from None


def _fault(loc: tuple[int | str, ...], message: str, flags: dict[str, Any]) -> str:
    field = str(loc[0])
    name = f"--{field.replace('_', '-')}" if field in flags else variable(field)
    return f"{name}: {message.removeprefix('Value error, ')}"


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def effective(settings: BaseSettings, **flags: object) -> list[Effective]:
    """Every setting with its source."""
    environment = {name.upper() for name in os.environ}
    rows: list[Effective] = []
    for name, field in type(settings).model_fields.items():
        if flags.get(name) is not None:
            source = "flag"
        else:
            source = "env" if variable(name) in environment else "default"
        value = getattr(settings, name)
        text = "********" if isinstance(value, SecretStr) else str(value)
        rows.append(Effective(name, text, source, variable(name), field.description or ""))
    return rows


def unknown_variables() -> dict[str, str]:
    """Variables with our prefix that set nothing here, and the setting that each may mean."""
    from creditfold.worker.settings import WorkerSettings  # noqa: PLC0415  # start-up

    known = [variable(name) for name in (*Settings.model_fields, *WorkerSettings.model_fields)]
    return {
        name: (get_close_matches(name.upper(), known, 1) or [""])[0]
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    }
