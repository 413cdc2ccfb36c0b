"""The bundled slice of the real trace gives the same records embedded and over Kafka."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import pytest
from kafka_fixtures import empty  # noqa: F401  # a fixture by name
from real_trace import compare

pytestmark = [pytest.mark.broker, pytest.mark.campaign]


def test_every_record_of_every_customer_is_the_same(empty, tmp_path):
    told = compare(empty, tmp_path)
    assert (1_500, 201) == (told["requests"], told["customers"])
    assert told["records"]["creditfold.ledger.v1"] > 3_000
    assert told["records"]["creditfold.revenue.v1"] > 1_000
