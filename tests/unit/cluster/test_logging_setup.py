"""Every logger of the process writes the same shape."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import kopf
import pytest
import structlog

from bugcommand_operator.cluster.logging_setup import LogFormat, set_up_logging


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_those_of_libraries_have_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    structlog.get_logger("ours").info("stored", lines=3)
    logging.getLogger("uvicorn.error").warning("bad %s", "thing")

    ours, theirs = logged(capsys)
    assert {"event": "stored", "lines": 3, "level": "info", "logger": "ours"}.items() <= ours.items()
    assert {"event": "bad thing", "level": "warning", "logger": "uvicorn.error"}.items() <= theirs.items()
    assert ours["ts"].endswith("Z")
    assert theirs["ts"] >= ours["ts"]


def test_kopfs_lines_name_their_object_and_leave_out_what_hangs_on_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging()
    reference = {"kind": "BugCommand", "namespace": "team-a", "name": "bug", "uid": "1"}
    settings = kopf.OperatorSettings()  # as kopf's own handler reads them, where kopf is loaded
    settings.posting.enabled = False
    extra = {"k8s_ref": reference, "settings": settings}
    logging.getLogger("kopf.objects").warning("odd", extra=extra)

    (line,) = logged(capsys)
    assert line["object"] == "BugCommand/team-a/bug"
    assert "settings" not in line


def test_an_exception_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("library").exception("failed")
        structlog.get_logger("ours").exception("failed")

    assert ["ValueError: odd" in line["exception"] for line in logged(capsys)] == [True, True]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_levels_are_kept_and_a_second_setup_does_not_double_lines(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    set_up_logging(log_format, "warning")
    set_up_logging(log_format, "warning")
    structlog.get_logger("ours").info("quiet")
    structlog.get_logger("ours").warning("loud")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "loud" in lines[0]
