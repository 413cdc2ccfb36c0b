"""The house is in order: small files, no banned builtins in the core, a reason for each ignore."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES_MAX = 400
LONGER: dict[str, str] = {}
"""Files of src that may be longer, and why."""

BANNED = {
    "float",
    "complex",
    "eval",
    "exec",
    "compile",
    "print",
    "open",
    "input",
    "hash",
    "id",
    "globals",
    "locals",
    "vars",
    "setattr",
    "delattr",
    "__import__",
    "breakpoint",
}
ALLOWED: dict[tuple[str, str], str] = {
    ("draft.py", "setattr"): "a place of a block is named by the entry that moves an amount of it",
}
"""(file of the core, builtin) that may be used, and why."""

IMPORTS_OF_CORE = {
    "__future__",
    "bisect",
    "collections",
    "copy",
    "creditfold",
    "datetime",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "itertools",
    "msgspec",
    "re",
    "typing",
}

# Written in two parts, so that this file does not find itself.
UNFINISHED = re.compile("|".join(f"{a}{b}" for a, b in (("TO", "DO"), ("FIX", "ME"))))
PLACES = re.compile(r"(?<![\w./-])/(" + "|".join(["wo" + "rk", "ro" + "ot", "ho" + "me"]) + r")/")
HOSTS = re.compile(
    "|".join(
        [
            "artifact" + "ory",
            r"index-" + "url",
            r"extra-" + "index",
            "127" + r"\.0\.0\.1:3",
            r"\bnex" + r"us\.",
            r"registry\.(npm|yarn)",
            r"pypi\.(?!org/project)\w+\.\w+/simple",
        ]
    )
)
IGNORE = re.compile(r"# (noqa|type: ignore)(:? ?[A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*|\[[a-z, -]+\])?")

SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
CORE = sorted((ROOT / "src/creditfold/core").glob("*.py"))


def tracked() -> list[Path]:
    """The text files that git knows, or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no checkout: git does not list its files")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return [f for f in files if f.is_file() and f.suffix not in {".png", ".ico", ".gz", ".woff2"}]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def places(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{name(path)}:{number}: {line.strip()[:80]}"
        for path in files
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_has_at_most_four_hundred_lines(path):
    lines = len(path.read_text().splitlines())
    assert lines <= LINES_MAX or name(path) in LONGER, f"{lines} lines"


def test_no_exception_outlives_its_reason():
    assert [] == [n for n in LONGER if len((ROOT / n).read_text().splitlines()) <= LINES_MAX]
    used = {(path.name, builtin) for path in CORE for builtin in builtins_of(path)}
    assert set() == set(ALLOWED) - used


def builtins_of(path: Path) -> set[str]:
    """The banned builtins that a file reads; a field or method of the same name is none."""
    names = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Load)} & BANNED


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_uses_no_builtin_that_is_banned(path):
    allowed = {builtin for file, builtin in ALLOWED if file == path.name}
    assert set() == builtins_of(path) - allowed


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_has_no_floats_and_divides_whole_numbers_only(path):
    tree = ast.parse(path.read_text())
    floats = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]
    divisions = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div)
    ]
    assert ([], []) == (floats, divisions)


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_imports_nothing_that_knows_time_files_or_chance(path):
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found.add(module.split(".")[0])
            assert not module.startswith("creditfold") or module.startswith("creditfold.core")
    assert set() == found - IMPORTS_OF_CORE


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name)
def test_every_ignore_names_its_rule_and_has_a_reason_on_its_line(path):
    bare = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        rest = line
        while (found := IGNORE.search(rest)) is not None:
            rest = rest[found.end() :]
            reason = rest.split("#")[1] if "#" in rest else ""
            reasonless = IGNORE.match(f"#{reason}") is not None or len(reason.strip()) < 8
            if found[2] is None or (reasonless and IGNORE.search(rest) is None):
                bare.append(f"{number}: {line.strip()}")
    assert [] == bare


def test_nothing_is_left_unfinished():
    code = [path for path in tracked() if path.suffix in {".py", ".toml", ".yaml", ".yml", ".sh"}]
    assert [] == places(UNFINISHED, code)


def test_no_file_knows_the_machine_that_it_was_written_on():
    own = [path for path in tracked() if path.name != "LICENSE"]
    assert [] == places(PLACES, own)
    assert [] == places(HOSTS, own)


def test_every_test_file_says_what_it_holds():
    silent = [
        name(path) for path in TESTS if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert [] == silent
