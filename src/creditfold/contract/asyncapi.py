"""The topic contract as an AsyncAPI 3.0 document, generated from the table of topics."""

from __future__ import annotations

import json
import re
from typing import Any

from creditfold.contract.decode import INPUTS
from creditfold.contract.envelope import JSON
from creditfold.contract.outputs import OUTPUTS
from creditfold.contract.partitions import PARTITIONS
from creditfold.contract.topics import (
    CATALOG_TYPES,
    DEAD_LETTERS,
    LEDGER,
    PREFIX,
    TOPICS,
    VERSION,
    Direction,
    Topic,
    event_type,
)

FILE = "asyncapi.yaml"
"""Where it is committed, beside the schemas that it refers to."""

REPLICAS = 3
"""What a cluster should have; a single node has one."""

_ASYNCAPI = "3.0.0"
_BINDING = "0.5.0"
_KEYLESS = CATALOG_TYPES | {event_type("ledger.batch")}
_PERHAPS_KEYED = frozenset({event_type("ledger.outcome"), event_type("dead_letter.recorded")})
_ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject", "recordedtime")

_WHAT = {
    "usage": "What customers used.",
    "invoices": "What customers were billed and paid.",
    "commands": "What people and programs decide about customers, and the catalog.",
    "transfers": "What one partition tells another. Read from the first version on; empty as yet.",
    "ledger": "What became of every input, with its entries; batch headers prove that none is "
    "missing.",
    "revenue": "Two-sided postings, one a record.",
    "notices": "What somebody may want to act on.",
    "dead-letters": "Inputs that are no events, kept as they were.",
}

_ABOUT = """\
creditfold receives facts and sends what became of them. Every record is a CloudEvents 1.0 event in
Kafka's binary mode: attributes in headers, plain JSON in the value. Inputs in structured mode
(content-type application/cloudevents+json) are read as well.

Producers set partitioner=murmur2_random (Java's default), so that a customer lives in the same
partition number of every topic; a record on another one is a dead letter. Consumers read with
isolation.level=read_committed: records of aborted transactions are no outcomes.

The payload schemas are JSON Schema 2020-12. They stand here without a schemaFormat, because tools
know AsyncAPI's own dialect best; both read them alike but for prefixItems, which theirs ignores.
"""


def generate() -> str:
    """The document as YAML; it depends on the models and the table of topics alone."""
    return _yaml(document())


def document() -> dict[str, Any]:
    """The AsyncAPI document with `$ref`s to the schema files beside it."""
    topics = sorted(TOPICS, key=lambda topic: topic.name)
    types = sorted({type_ for topic in topics for type_ in topic.types})
    return {
        "asyncapi": _ASYNCAPI,
        "id": "urn:creditfold",
        "info": {
            "title": "creditfold",
            "version": VERSION.removeprefix(".v"),  # the wire's, not the release's
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "servers": {"kafka": _server()},
        "channels": {_noun(topic): _channel(topic) for topic in topics},
        "operations": dict(sorted(_operation(topic) for topic in topics)),
        "components": {
            "messages": {_short(type_): _message(type_) for type_ in types},
            "schemas": _schemas(),
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "An Apache Kafka cluster with transactions; tested on 4.1.",
        "variables": {
            "bootstrap": {
                "default": "localhost:9092",
                "description": "Host and port of a broker; CREDITFOLD_KAFKA names yours.",
            }
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "title": _noun(topic),
        "description": _WHAT[_noun(topic)],
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {
            _short(type_): {"$ref": f"#/components/messages/{_short(type_)}"}
            for type_ in sorted(topic.types)
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": PARTITIONS,
                "replicas": REPLICAS,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup_policy],
                    "retention.ms": topic.retention_ms,
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(topic: Topic) -> tuple[str, dict[str, Any]]:
    """Its name and what it does: creditfold receives what others send, and the other way round."""
    action = "receive" if topic.direction is Direction.INPUT else "send"
    name = action + "".join(part.capitalize() for part in _noun(topic).split("-"))
    channel = f"#/channels/{_noun(topic)}"
    return name, {
        "action": action,
        "title": f"{action} {_noun(topic)}",
        "channel": {"$ref": channel},
        "messages": [
            {"$ref": f"{channel}/messages/{_short(type_)}"} for type_ in sorted(topic.types)
        ],
    }


def _message(type_: str) -> dict[str, Any]:
    model = INPUTS.get(type_) or OUTPUTS[type_]
    return {
        "name": type_,
        "title": _short(type_),
        "summary": (model.__doc__ or "").partition("\n")[0],
        "contentType": JSON,
        "headers": {
            "type": "object",
            "allOf": [{"$ref": f"#/components/schemas/{_headers(type_)}"}],
            "properties": {"ce_type": {"type": "string", "const": type_}},
        },
        "payload": {"$ref": f"./{_short(type_)}.json"},
        "bindings": {"kafka": {"key": _key(type_), "bindingVersion": _BINDING}},
    }


def _headers(type_: str) -> str:
    return "CatalogHeaders" if type_ in CATALOG_TYPES else "Headers"


def _key(type_: str) -> dict[str, Any]:
    if type_ in _KEYLESS:
        return {"$ref": "#/components/schemas/NoKey"}
    if type_ in _PERHAPS_KEYED:
        return {"$ref": "#/components/schemas/PerhapsKey"}
    return {"$ref": "#/components/schemas/CustomerKey"}


def _schemas() -> dict[str, Any]:
    attributes = {f"ce_{name}": _attribute(name) for name in _ATTRIBUTES}
    headers = {
        "description": "The attributes of CloudEvents as Kafka headers, in UTF-8; names have no "
        "case, and none stands twice.",
        "type": "object",
        "properties": attributes | {"content-type": _attribute("datacontenttype")},
        "required": ["ce_id", "ce_source", "ce_specversion", "ce_time", "ce_type"],
    }
    no_subject = {"not": {"required": ["ce_subject"]}}
    return {
        "CatalogHeaders": {
            "description": "A catalog fact is for all customers and has no subject.",
            "allOf": [{"$ref": "#/components/schemas/Headers"}, no_subject],
        },
        "CustomerKey": {
            "description": "The customer id as raw UTF-8 bytes, equal to the subject.",
            "allOf": [_attribute("subject")],
        },
        "Headers": headers,
        "NoKey": {"description": "The record has no key.", "type": "null"},
        "PerhapsKey": {
            "description": f"In {LEDGER.name} the customer id, absent in outcomes about no "
            f"customer; in {DEAD_LETTERS.name} the original's key, absent above 255 bytes.",
            "type": ["string", "null"],
        },
    }


def _attribute(name: str) -> dict[str, Any]:
    return {"$ref": f"./envelope.v1.json#/properties/{name}"}


def _noun(topic: Topic) -> str:
    return topic.name.removeprefix(PREFIX).removesuffix(VERSION)


def _short(type_: str) -> str:
    return type_.removeprefix(PREFIX)


_plain = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*").fullmatch
_STEP = "  "


def _yaml(value: dict[str, Any]) -> str:
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: dict[str, Any], indent: str) -> list[str]:
    """Block mappings and sequences; every other value is JSON, which YAML reads as it is."""
    lines = []
    for key, inner in value.items():
        name = key if _plain(key) else json.dumps(key)
        if isinstance(inner, dict) and inner:
            lines += [f"{indent}{name}:", *_mapping(inner, indent + _STEP)]
        elif isinstance(inner, list) and any(isinstance(item, dict) for item in inner):
            lines.append(f"{indent}{name}:")
            for item in inner:
                first, *rest = _mapping(item, indent + _STEP * 2)
                lines += [f"{indent}{_STEP}- {first.lstrip()}", *rest]
        elif isinstance(inner, str) and inner.endswith("\n"):
            text = (f"{indent}{_STEP}{line}".rstrip() for line in inner.splitlines())
            lines += [f"{indent}{name}: |", *text]
        else:
            lines.append(f"{indent}{name}: {json.dumps(inner, ensure_ascii=False)}")
    return lines
