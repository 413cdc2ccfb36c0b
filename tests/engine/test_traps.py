"""Each trap that a real Kafka has shown stays shut by a test, and the engine's README names it."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
README = TESTS.parent / "src/creditfold/engine/README.md"


def test_every_test_that_the_table_of_traps_names_is_there():
    written = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    files = {path.stem for path in TESTS.rglob("test_*.py")}
    rows = re.findall(r"^\| (?!trap|--)[^|]+ \| ([^|]+) \|$", _traps(), re.MULTILINE)
    assert rows
    for row in rows:
        named = re.findall(r"`([a-z_]+)`", row)
        assert named, row
        for name in named:
            assert name in files or f"def test_{name}(" in written, name


def _traps() -> str:
    return README.read_text().partition("## Traps")[2].partition("\n## ")[0]
