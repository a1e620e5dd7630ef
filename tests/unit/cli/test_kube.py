"""The command line's own view of Kubernetes: pages, watches, refusals, tables and ages."""

import http.client
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bugcommand_operator.api.conditions import Phase as PhaseOfTheApi
from bugcommand_operator.cli.errors import (
    CliError,
    Conflict,
    Expired,
    KindUnknown,
    NotAllowed,
    NotFound,
    Unreachable,
    Usage,
)
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.ages import age, duration, parsed
from bugcommand_operator.cli.kube.api import Api
from bugcommand_operator.cli.kube.patience import GIVE_UP_SECONDS, Patience
from bugcommand_operator.cli.kube.refusals import refusal
from bugcommand_operator.cli.kube.table import Table, cell, coloured
from bugcommand_operator.cli.kube.watching import Watching
from bugcommand_operator.cli.list_options import Phase

Answer = tuple[int, Any]


class Answers:
    """Connections that give one answer after the other."""

    def __init__(self, *answers: Answer | OSError) -> None:
        self.answers = iter(answers)
        self.asked: list[tuple[str, str]] = []
        self.opened = 0

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        self.opened += 1
        return _Connection(self)

    def close(self) -> None:
        pass


class _Connection(http.client.HTTPConnection):
    def __init__(self, answers: Answers) -> None:
        super().__init__("localhost")
        self._answers = answers

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **_: Any) -> None:
        self._answers.asked.append((method, url))

    def getresponse(self) -> Any:
        answer = next(self._answers.answers)
        if isinstance(answer, OSError):
            raise answer
        return _Response(*answer)


class _Response:
    def __init__(self, status: int, value: Any) -> None:
        self.status = status
        lines = value if isinstance(value, list) else [value]
        self._lines: Iterator[bytes] = iter([json.dumps(each).encode() + b"\n" for each in lines])

    def read(self, *_: int) -> bytes:
        return next(self._lines, b"")

    def readline(self) -> bytes:
        return next(self._lines, b"")


def page(*names: str, goes_on: str = "") -> Answer:
    more = {"continue": goes_on} if goes_on else {}
    return 200, {
        "metadata": {"resourceVersion": "7", **more},
        "items": [{"metadata": {"name": name}} for name in names],
    }


def listed(answers: Answers) -> list[str]:
    return [facts.name(each) for found in Api(answers).pages("/x", size=2) for each in found["items"]]


def test_pages_are_asked_for_until_there_are_no_more_over_one_connection() -> None:
    answers = Answers(page("a", "b", goes_on="t 1"), page("c"))
    assert listed(answers) == ["a", "b", "c"]
    assert [path for _, path in answers.asked] == ["/x?limit=2", "/x?limit=2&continue=t+1"]
    assert answers.opened == 1


def test_a_list_that_grew_too_old_goes_on_with_what_the_server_offers() -> None:
    expired = (410, {"message": "too old", "metadata": {"continue": "newer"}})
    answers = Answers(page("a", goes_on="1"), expired, page("b"))
    assert listed(answers) == ["a", "b"]
    assert answers.asked[-1][1].endswith("continue=newer")
    with pytest.raises(Expired):
        listed(Answers(page("a", goes_on="1"), (410, {"message": "too old"})))


def test_after_an_error_the_next_call_has_a_connection_of_its_own() -> None:
    answers = Answers((403, {"message": "no"}), ConnectionResetError("reset"), page("a"))
    api = Api(answers)
    for error in (NotAllowed, Unreachable):
        with pytest.raises(error):
            api.get("/x")
    assert api.get("/x")["items"]
    assert answers.opened == 3


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (400, {"message": "unknown field"}, Usage), (401, {}, NotAllowed), (403, {}, NotAllowed), (409, {}, Conflict),
        (404, {"details": {"name": "fix"}}, NotFound), (404, {"message": "404 page not found"}, KindUnknown),
        (410, {}, Expired), (422, {}, Usage), (429, {}, Unreachable), (500, {}, Unreachable), (502, {}, Unreachable),
        (418, {}, CliError),
    ],
)  # fmt: skip
def test_a_refusal_has_the_class_that_decides_the_exit_code(code: int, status: Any, kind: type[CliError]) -> None:
    assert type(refusal(code, status)) is kind
    assert "\x1b" not in str(refusal(code, {"message": "\x1b[31m"}))


def event(kind: str, version: str) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": "fix", "resourceVersion": version}}}


def watching(answers: Answers) -> Iterator[str]:
    for found in Watching(Api(answers), "/x", {}, "1", lambda text: None).events():
        yield f"{found['type']} {found['object']['metadata']['resourceVersion']}"


def test_a_watch_goes_on_from_what_was_seen_last_bookmarks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    gone = (200, [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}])
    answers = Answers(
        (200, [event("ADDED", "2"), event("BOOKMARK", "5")]),
        ConnectionResetError(),
        (200, [event("MODIFIED", "6")]),
        gone,
    )
    found = watching(answers)

    assert [next(found), next(found)] == ["ADDED 2", "MODIFIED 6"]
    with pytest.raises(Expired):
        next(found)
    versions = [path.partition("resourceVersion=")[2].partition("&")[0] for _, path in answers.asked]
    assert versions == ["1", "5", "5", "6"]


def test_a_cluster_that_stays_away_is_given_up_and_one_that_answers_is_forgiven() -> None:
    now = itertools.count(step=100.0)
    pauses: list[float] = []
    said: list[str] = []
    patience = Patience(said.append, pauses.append, lambda: next(now))
    with pytest.raises(Unreachable):
        for _ in range(100):
            patience.wait(Unreachable("away"))
    assert sum(pauses) < GIVE_UP_SECONDS
    assert (pauses[0], max(pauses), len(said)) == (0.2, pauses[-1], 1)
    patience.forget()
    patience.wait(Unreachable("away"))
    assert pauses[-1] == 0.2


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (312, "5m12s"), (599, "9m59s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (12000, "3h20m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
        (180000, "2d2h"), (691200, "8d"), (63071999, "729d"), (63072000, "2y"), (70000000, "2y80d"),
        (9 * 31536000, "9y"),
    ],
)  # fmt: skip
def test_ages_are_those_of_kubectl(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_time_that_is_none_has_no_age() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert [age(each, now) for each in (None, "", "soon")] == ["<unknown>"] * 3
    assert age("2025-12-31T23:59:00Z", now) == "60s"
    assert parsed("2026-01-01T00:00:00") == now


def test_columns_stay_where_they_were_for_rows_that_come_later() -> None:
    table = Table(["Name", "Phase"])
    assert table.lines([["a-long-name", None]]) == ["NAME          PHASE", "a-long-name"]
    assert table.lines([["b", "Running"]]) == ["b             Running"]


def test_a_phase_has_a_colour_and_a_cell_is_one_harmless_line() -> None:
    assert coloured("Failed   ") == "\x1b[31mFailed   \x1b[0m"
    assert coloured("Fail") == "Fail"
    assert [cell(each) for each in ("a\nb", "\x1b[0m", True, 0, None)] == ["a b", "␛[0m", "true", "0", ""]


def test_the_phases_are_those_of_the_api() -> None:
    assert {each.value for each in Phase} == {each.value for each in PhaseOfTheApi}
