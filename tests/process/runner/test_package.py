"""The runner is copied alone into other people's images: no other room, nothing to install, an old Python."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bugcommand_operator
import bugcommand_operator.runner

RUNNER = Path(bugcommand_operator.runner.__file__).parent
MODULES = sorted(RUNNER.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_each_module_is_python_3_9_and_standard_library_only(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {name.name.partition(".")[0] for name in node.names} <= sys.stdlib_module_names
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or (node.module or "").partition(".")[0] in sys.stdlib_module_names


def test_it_runs_from_a_copy_that_holds_nothing_else(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "bugcommand_operator"
    shutil.copytree(RUNNER, package / "runner", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(bugcommand_operator.__file__, package / "__init__.py")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "bugcommand_operator.runner"],
        env={"PYTHONPATH": str(tmp_path / "lib"), "MENTU_TERMINATION_LOG": str(tmp_path / "log")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 125
    assert "MENTU_RUN must be a JSON object" in (tmp_path / "log").read_text()


def test_starting_it_imports_nothing_heavy() -> None:
    code = "import sys, bugcommand_operator.runner.main; print(' '.join(sys.modules))"
    env = {"PYTHONPATH": str(RUNNER.parents[1])}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {"asyncio", "pydantic", "yaml", "multiprocessing", "unittest", "kubernetes", "kopf"} & loaded
