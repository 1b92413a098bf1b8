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
        path, _, name = test.partition("::")
        source = (TESTS / path).read_text("utf-8")
        functions = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
        found = {each for each in functions if each.startswith("test_")}
        assert name in found if name else found, test
