"""Every sentence of the framework's design text has its module and its test, and these are there."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "coprocsim"
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (PACKAGE / "DESIGN.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| the design says")
]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_is_read():
    # The text has 33 sentences and items that are neither navigation nor Xen's release plan; some say several things.
    assert len(ROWS) >= 40
    assert all(len(row) == 3 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:60] for row in ROWS])
def test_a_sentence_has_its_module_and_its_test(row: list[str]):
    _, modules, tests = row
    assert named(modules)
    assert named(tests)
    for module in named(modules):
        assert (PACKAGE / module).exists(), module
    for test in named(tests):
        assert is_there(test), test


def is_there(test: str) -> bool:
    """Return whether `file.py::test_name`, or `file.py::test_name[transcript]`, names a test."""
    path, _, name = test.partition("::")
    name, _, transcript = name.removesuffix("]").partition("[")
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return (
        name.startswith("test_")
        and name in functions
        and (not transcript or (TESTS / "cli" / f"{transcript}.console").exists())
    )


@pytest.mark.parametrize(
    "test",
    [
        "test_design.py",
        "test_design.py::is_there",
        "test_design.py::test_of_nothing",
        "cli/test_transcripts.py::test_commands_print_what_their_transcript_says[no-such]",
    ],
)
def test_a_whole_file_or_what_is_no_test_does_not_do(test: str):
    assert not is_there(test)
