"""The simulator is the oracle of the tests: it shares no code with the product, and its modules stay in few layers."""

import ast
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "functions/simulator"
MODULES = {path.stem: path for path in FOLDER.glob("*.py")}


def imports(module: str) -> list[ast.Import | ast.ImportFrom]:
    tree = ast.walk(ast.parse(MODULES[module].read_text()))
    return [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]


@cache
def level(module: str) -> int:
    """1 for a module that imports no other one of the simulator. A cycle is a RecursionError."""
    relative = [node for node in imports(module) if isinstance(node, ast.ImportFrom) and node.level]
    others = {node.module or alias.name for node in relative for alias in node.names}
    return 1 + max(map(level, others), default=0)


def test_nothing_is_imported_from_the_product() -> None:
    for module in MODULES:
        for node in imports(module):
            absolute = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any(name.split(".")[0] in {"shared", "functions", "tests"} for name in absolute), module


def test_there_are_at_most_five_levels_of_imports() -> None:
    assert max(map(level, MODULES)) <= 5
