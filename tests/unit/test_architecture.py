"""The house stands as it was drawn: rooms, sizes, and what may not be loaded where a pod waits for it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SOURCE = TOP / "operator"
PACKAGE = SOURCE / "bugcommand_operator"
FOLDERS = ("operator", "tests", "dev", "bench")
FILES = [path for folder in FOLDERS for path in sorted((TOP / folder).rglob("*.py"))]
HEAVY = ("kopf", "kubernetes", "pydantic", "sqlalchemy", "aiohttp", "starlette", "structlog", "prometheus_client")
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 600, 60


def python(code: str, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=TOP, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout


ENVIRONMENT = {"PYTHONPATH": str(SOURCE), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}


def test_the_source_root_is_no_package() -> None:
    assert not (SOURCE / "__init__.py").exists()
    assert (PACKAGE / "__init__.py").exists()


def test_the_standard_library_s_operator_stays_importable_beside_it() -> None:
    found = python("import operator; print(operator.__file__, operator.itemgetter(0)('ok'))")

    assert str(TOP) not in found.split()[0]
    assert found.split()[1] == "o"


@pytest.mark.parametrize("room", ["workspace", "runner"])
def test_what_a_pod_waits_for_loads_nothing_heavy(room: str) -> None:
    modules = sorted(
        "bugcommand_operator." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in (PACKAGE / room).rglob("*.py")
        if path.stem not in {"__init__", "__main__"}
    )
    assert modules
    code = f"import sys\nfor name in {modules!r}: __import__(name)\nprint([m for m in {HEAVY!r} if m in sys.modules])"

    assert python(code).strip() == "[]"


def test_the_core_loads_no_client_and_no_framework() -> None:
    code = f"import sys, bugcommand_operator.core.decide\nprint([m for m in {HEAVY!r} if m in sys.modules])"

    assert python(code).strip() == "['pydantic']"


def test_arrows_between_rooms_point_down_only() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [linter, "--no-cache"], capture_output=True, text=True, timeout=240, check=False, cwd=TOP, env=ENVIRONMENT
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(TOP)): len(path.read_text().splitlines()) for path in FILES}

    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    found = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    found[f"{path.relative_to(TOP)}:{node.name}"] = length

    assert found == {}


def test_every_module_of_the_operator_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(TOP))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.stem != "__main__" and path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == []


def test_nothing_is_left_for_later() -> None:
    words = (
        "TO" + "DO",
        "FIX" + "ME",
        "XX" + "X:",
        "NotImplemented" + "Error",
        "pytest." + "skip",
        "pytest.mark." + "xfail",
    )
    found = [f"{path.relative_to(TOP)}: {word}" for path in FILES for word in words if word in path.read_text()]

    assert found == []


def test_the_core_reads_no_clock() -> None:
    for path in (PACKAGE / "core").rglob("*.py"):
        text = path.read_text()
        assert "datetime.now" not in text, path
        assert "utcnow" not in text, path
