"""The committed schemas are current, describe every field, and hold for every golden example."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel

from contract.events import EXAMPLES, line
from creditfold.contract import (
    catalog_inputs,
    inputs,
    invoice_inputs,
    outputs,
    policy_inputs,
    predicates,
)
from creditfold.contract.decode import INPUTS, decode
from creditfold.contract.envelope import read_line
from creditfold.contract.outputs import OUTPUTS
from creditfold.contract.schemas import generate, short, write
from creditfold.core import entries
from creditfold.core.facts import Malformed

ROOT = Path(__file__).parents[2] / "schemas"
GOLDEN = sorted(ROOT.glob("examples/*/*.json"))
MODELS = [
    model
    for module in (inputs, invoice_inputs, catalog_inputs, policy_inputs, predicates, outputs)
    for model in vars(module).values()
    if isinstance(model, type)
    and issubclass(model, BaseModel)
    and model.__module__ == module.__name__
]


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_committed_files_are_what_the_models_generate():
    found = {
        path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*.*") if path.is_file()
    }
    expected = generate()
    advice = "run: python -m creditfold.contract.schemas schemas"
    assert expected.keys() == found.keys(), advice
    for name, text in expected.items():
        assert text == found[name].read_text("utf-8"), f"{name} is not current; {advice}"


def test_writing_removes_what_is_no_longer_generated(tmp_path):
    (tmp_path / "old.v1.json").write_text("{}")
    write(tmp_path)
    assert generate().keys() == {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.is_file()
    }


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_payload_is_read_and_validates(path):
    text = path.read_bytes()
    event = json.loads(text)
    validator("envelope.v1").validate(event)
    validator(path.parent.name).validate(event.get("data", {}))
    if event["type"] in INPUTS:
        assert not isinstance(decode(read_line(text), 0).body, Malformed)
    else:
        OUTPUTS[event["type"]].model_validate(event["data"])


def test_every_type_has_a_full_and_a_minimal_example():
    names = {
        type_: {name for kind, name, _ in EXAMPLES if kind == type_} for type_, _, _ in EXAMPLES
    }
    assert INPUTS.keys() | OUTPUTS.keys() == names.keys()
    assert all({"full", "minimal"} <= found for found in names.values())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_described(model):
    assert model.__doc__
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name}"


@pytest.mark.parametrize("type_", [*INPUTS, *OUTPUTS])
def test_full_examples_leave_no_field_out(type_):
    model = INPUTS.get(type_) or OUTPUTS[type_]
    # A refusal has the fields that an applied outcome lacks; two examples together have all.
    used = {key for kind, _, event in EXAMPLES if kind == type_ for key in event.get("data", {})}
    assert {field.alias or name for name, field in model.model_fields.items()} == used


@pytest.mark.parametrize(
    "name",
    ["Owed", "Entry", "Overage", "Cause", "Emitted", "Outcome", "Posting", "Notice"],
)
def test_output_models_mirror_the_core(name):
    struct, model = getattr(entries, name), getattr(outputs, name)
    assert list(struct.__struct_encode_fields__) == [
        field.alias or name for name, field in model.model_fields.items()
    ]
    required = [field.is_required() for field in model.model_fields.values()]
    defaults = len(struct.__struct_defaults__)
    assert [False] * defaults == required[len(required) - defaults :]
    assert all(required[: len(required) - defaults])


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("usage.recorded", {"meter": "m"}),
        ("usage.recorded", {"meter": "m", "quantity": 1.5}),
        ("usage.recorded", {"meter": "m", "quantity": "1e3"}),
        ("usage.recorded", {"meter": "m", "quantity": 1, "metre": "m"}),
        ("usage.recorded", {"meter": "a\nb", "quantity": 1}),
        ("invoice.paid", {"invoice": "i", "amount": "-1"}),
        ("invoice.paid", {"invoice": "i", "amount": -1}),
        ("customer.created", {"currency": "USD", "attributes": {"a": None}}),
        ("unit.declared", {"unit": "u", "version": 0}),
    ],
)
def test_the_schema_refuses_what_the_decoder_refuses(type_, data):
    assert not validator(f"{type_}.v1").is_valid(data)
    text = line(f"creditfold.{type_}.v1", json.dumps(data))
    assert isinstance(decode(read_line(text), 0).body, Malformed)


def test_readers_of_outputs_are_tolerant():
    for type_, name, event in EXAMPLES:
        if type_ in OUTPUTS and name == "full":
            data = {**event["data"], "field_of_a_later_release": 1}
            OUTPUTS[type_].model_validate(data)
            validator(short(type_)).validate(data)
