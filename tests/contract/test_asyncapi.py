"""The AsyncAPI document says what the topics, the examples and the broker's plan say."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from ruamel.yaml import YAML

from creditfold.broker.plan import plan
from creditfold.contract import asyncapi
from creditfold.contract.examples import examples
from creditfold.contract.partitions import PARTITIONS
from creditfold.contract.topics import CATALOG_TYPES, TOPICS, Direction

SCHEMAS = Path(__file__).parents[2] / "schemas"
COMMITTED = SCHEMAS / asyncapi.FILE
PARSER = "3.6.3"
"""Of @asyncapi/parser, the part of @asyncapi/cli that validates: 55 MB where the CLI is 450."""

DOCUMENT = asyncapi.document()
CHANNELS = {channel["address"]: channel for channel in DOCUMENT["channels"].values()}
EVENTS = [
    pytest.param(type_, event, id=f"{type_}/{name}")
    for type_, name, event in examples()
    if any(type_ in topic.types for topic in TOPICS)
]


def test_the_committed_document_is_current():
    advice = "run: python -m creditfold.contract.schemas schemas"
    assert asyncapi.generate() == COMMITTED.read_text("utf-8"), advice


def test_the_yaml_holds_the_document():
    assert YAML(typ="safe").load(asyncapi.generate()) == DOCUMENT


def test_every_topic_is_a_channel_with_its_types_and_an_operation():
    assert {topic.name for topic in TOPICS} == CHANNELS.keys()
    doers = {
        operation["channel"]["$ref"].rpartition("/")[2]: operation
        for operation in DOCUMENT["operations"].values()
    }
    for topic in TOPICS:
        noun = next(k for k, v in DOCUMENT["channels"].items() if v["address"] == topic.name)
        names = {
            DOCUMENT["components"]["messages"][m]["name"] for m in CHANNELS[topic.name]["messages"]
        }
        assert set(topic.types) == names
        action = "receive" if topic.direction is Direction.INPUT else "send"
        assert action == doers[noun]["action"]
        assert len(topic.types) == len(doers[noun]["messages"])


def test_the_bindings_are_what_is_created():
    settings = {each.name: each.settings for each in plan()}
    for name, channel in CHANNELS.items():
        binding = channel["bindings"]["kafka"]
        assert binding["partitions"] == PARTITIONS
        for setting, value in binding["topicConfiguration"].items():
            said = ",".join(value) if isinstance(value, list) else str(value)
            assert settings[name][setting] == said, (name, setting)


def _schema(pointer: str) -> Draft202012Validator:
    """Judges by what stands at the pointer, with all files below `schemas/` at hand."""
    base = "file:///asyncapi.yaml"
    files = {
        f"file:///{path.name}": json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")
    }
    # under their paths, as a reader of the document finds them, not under their own `$id`s
    resources = [
        (uri, Resource.from_contents({k: v for k, v in schema.items() if k != "$id"}))
        for uri, schema in files.items()
    ]
    whole = Resource.from_contents(
        DOCUMENT | {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    )
    registry = Registry().with_resources([*resources, (base, whole)])
    return Draft202012Validator({"$ref": base + pointer}, registry=registry)


@pytest.mark.parametrize(("type_", "event"), EVENTS)
def test_every_example_is_a_record_that_the_document_describes(type_, event):
    message = f"#/components/messages/{type_.removeprefix('creditfold.')}"
    headers = {
        f"ce_{name}": value
        for name, value in event.items()
        if name not in {"data", "datacontenttype"}
    } | {"content-type": "application/json"}
    _schema(f"{message}/headers").validate(headers)
    _schema(f"{message}/payload").validate(event.get("data", {}))
    _schema(f"{message}/bindings/kafka/key").validate(event.get("subject"))


def test_a_record_of_another_type_or_without_identity_is_not_described():
    headers = _schema("#/components/messages/usage.recorded.v1/headers")
    good = {
        "ce_specversion": "1.0",
        "ce_id": "u-1",
        "ce_source": "p",
        "ce_type": "creditfold.usage.recorded.v1",
        "ce_time": "2026-11-22T12:00:00Z",
    }
    assert headers.is_valid(good)
    assert not headers.is_valid(good | {"ce_type": "creditfold.invoice.paid.v1"})
    assert not headers.is_valid({name: value for name, value in good.items() if name != "ce_id"})
    assert not _schema("#/components/schemas/CustomerKey").is_valid(None)


def test_catalog_facts_have_no_key_and_no_subject():
    for type_ in CATALOG_TYPES:
        message = f"#/components/messages/{type_.removeprefix('creditfold.')}"
        assert _schema(f"{message}/bindings/kafka/key").is_valid(None)
        assert not _schema(f"{message}/bindings/kafka/key").is_valid("c-1")
        assert not _schema("#/components/schemas/CatalogHeaders/allOf/1").is_valid(
            {"ce_subject": "c"}
        )


def _unavailable(reason: str) -> None:
    message = f"NO ASYNCAPI PARSER, the document was not validated: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def parser():
    """The directory in which node finds AsyncAPI's own parser; fetched once a machine."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _unavailable("node and npm are not installed")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "creditfold"
    cache = base / f"asyncapi-parser-{PARSER}"
    if not cache.exists():
        base.mkdir(parents=True, exist_ok=True)
        fresh = tempfile.mkdtemp(dir=base, prefix="asyncapi-parser-")
        done = subprocess.run(
            # no scripts: one of the dependencies would report the installation
            ["npm", "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund",
             "--loglevel=error", f"@asyncapi/parser@{PARSER}"],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(fresh)
            _unavailable(f"npm: {done.stderr.strip()[-500:]}")
        try:
            Path(fresh).rename(cache)
        except OSError:  # another test process was faster
            shutil.rmtree(fresh)
    return cache


_VALIDATE = """
const { Parser, fromFile } = require('@asyncapi/parser');
fromFile(new Parser(), process.argv[1]).parse().then(({ document, diagnostics }) => console.log(
  JSON.stringify({ parsed: document !== undefined, channels: document?.channels().length,
    problems: diagnostics.filter((each) => each.severity < 2).map(
      (each) => `${each.code} ${each.path.join('/')}: ${each.message}`) })));
"""


def _parse(parser: Path, path: Path) -> dict:
    done = subprocess.run(
        ["node", "-e", _VALIDATE, str(path)],
        cwd=parser, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_asyncapis_own_parser_accepts_the_document_and_its_references(parser):
    """No errors and no warnings; it also reads every schema file that the document names."""
    found = _parse(parser, COMMITTED)
    assert {"parsed": True, "channels": len(TOPICS), "problems": []} == found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("./usage.recorded.v1.json", "./usage.misspelt.v1.json"),
        ('cleanup.policy: ["delete"]', 'cleanup.policy: ["forget"]'),
        ("#/components/messages/ledger.batch.v1", "#/components/messages/ledger.missing.v1"),
    ],
)
def test_the_parser_refuses_a_document_that_is_wrong(parser, tmp_path, old, new):
    schemas = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, schemas)
    text = asyncapi.generate()
    assert old in text
    (schemas / asyncapi.FILE).write_text(text.replace(old, new), "utf-8")
    assert _parse(parser, schemas / asyncapi.FILE)["problems"]
