"""JSON Schema 2020-12, golden examples and AsyncAPI, generated from the models and committed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from creditfold.contract import asyncapi
from creditfold.contract.decode import INPUTS
from creditfold.contract.envelope import JSON, NAME_BYTES_MAX, SPEC_VERSION
from creditfold.contract.examples import examples
from creditfold.contract.fields import NAME_PATTERN
from creditfold.contract.instants import TIME_PATTERN
from creditfold.contract.outputs import OUTPUTS
from creditfold.contract.topics import PREFIX

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID = "urn:creditfold:schema:"


def generate() -> dict[str, str]:
    """Every file below `schemas/` that the models determine, by its path there."""
    files = {"envelope.v1.json": _text(_envelope())}
    for type_, model in (*INPUTS.items(), *OUTPUTS.items()):
        name = short(type_)
        files[f"{name}.json"] = _text(_schema(name, model, written=type_ in OUTPUTS))
    for type_, name, event in examples():
        files[f"examples/{short(type_)}/{name}.json"] = _text(event)
    files[asyncapi.FILE] = asyncapi.generate()
    return files


def write(root: Path) -> None:
    """Bring the files below `root` up to date; one that is no longer generated is removed."""
    files = generate()
    for old in root.rglob("*.json"):
        if old.relative_to(root).as_posix() not in files:
            old.unlink()
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")


def short(type_: str) -> str:
    """`<noun>.<verb>.v1`: the type without our prefix, as files are named."""
    return type_.removeprefix(PREFIX)


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _schema(name: str, model: type[BaseModel], *, written: bool) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, mode="validation")
    for part in (schema, *schema.get("$defs", {}).values()):
        _tidy(part, written=written)
    head = {"$schema": DIALECT, "$id": _ID + name, "title": name}
    return head | {key: value for key, value in schema.items() if key != "title"}


def _tidy(schema: dict[str, Any], *, written: bool) -> None:
    """Leave out what says nothing: titles of fields, and defaults of null.

    What we write leaves absent fields out, so there the alternative of null goes too.
    """
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
        if field.get("default", ...) is None:
            del field["default"]
        if written and "anyOf" in field:
            rest = [part for part in field["anyOf"] if part != {"type": "null"}]
            if len(rest) == 1:
                del field["anyOf"]
                field |= {**rest[0], **field}


def _attribute(description: str, **rest: object) -> dict[str, Any]:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": NAME_BYTES_MAX,
        "pattern": NAME_PATTERN,
        "description": description,
    } | rest


def _envelope() -> dict[str, Any]:
    types = sorted((*INPUTS, *OUTPUTS))
    time = {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}
    return {
        "$schema": DIALECT,
        "$id": f"{_ID}envelope.v1",
        "title": "envelope.v1",
        "description": "A CloudEvents 1.0 event in structured mode. In binary mode the attributes "
        "are Kafka headers with the prefix ce_, and the value is the data.",
        "type": "object",
        "properties": {
            "specversion": {"const": SPEC_VERSION, "description": "Of CloudEvents."},
            "id": _attribute("With source: the event's identity. A repeat is a duplicate."),
            "source": _attribute("Who sent it; ids are unique for each source."),
            "type": {"enum": types, "description": "What happened: the schema of data."},
            "subject": _attribute(
                "The customer id, equal to the Kafka key; NFC, at most 255 bytes. "
                "Absent where it is about no customer."
            ),
            "time": time | {"description": "When it happened; digits below a microsecond are cut."},
            "recordedtime": time
            | {"description": "When the log learned of it, in files; in Kafka the record says so."},
            "datacontenttype": {
                "type": "string",
                "pattern": "^[aA]pplication/[jJ][sS][oO][nN]",
                "default": JSON,
                "description": "The data's media type.",
            },
            "data": {"type": "object", "description": "What its type says: see that schema."},
        },
        "required": ["specversion", "id", "source", "type", "time"],
    }


if __name__ == "__main__":
    write(Path(sys.argv[1]))
