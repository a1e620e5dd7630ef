"""`kubectl bug list`: commands as rows, however many, and as they change."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from bugcommand_operator.cli import output, printing
from bugcommand_operator.cli.errors import Expired, Usage
from bugcommand_operator.cli.filters import Filter
from bugcommand_operator.cli.kube.api import JSON, TABLE
from bugcommand_operator.cli.kube.cluster import BUGCOMMANDS, Cluster
from bugcommand_operator.cli.kube.table import Table
from bugcommand_operator.cli.kube.watching import Watching
from bugcommand_operator.cli.rows import Columns, Object, Row, rows_of
from bugcommand_operator.cli.safe_text import json_line


@dataclass(frozen=True)
class ListRequest:
    everywhere: bool = False
    selector: str = ""
    wanted: Filter = field(default_factory=Filter)
    form: str = ""
    sort_by: str = ""
    reverse: bool = False
    headers: bool = True
    watch: bool = False

    @property
    def query(self) -> dict[str, str]:
        return {"labelSelector": self.selector} if self.selector else {}


def show_list(cluster: Cluster, request: ListRequest) -> None:
    lister = _Lister(cluster, request)
    if request.form in ("json", "yaml", "name"):
        lister.objects()
    else:
        lister.table()


@dataclass
class _Lister:
    cluster: Cluster
    request: ListRequest
    version: str = ""

    @property
    def _path(self) -> str:
        return self.cluster.collection(BUGCOMMANDS, everywhere=self.request.everywhere)

    def table(self) -> None:
        request = self.request
        columns, rows = self._rows()
        rows = columns.ordered(rows, request.sort_by)
        if request.reverse:
            rows.reverse()
        table = Table(columns.headers(namespaced=request.everywhere), colour=output.is_coloured(sys.stdout))
        lines = table.lines([columns.shown_of(row, namespaced=request.everywhere) for row in rows])
        if rows or request.watch:
            _write(lines if request.headers else lines[1:])
        else:
            output.note(self._nothing())
        if request.watch:
            self._watch_table(columns, table)

    def objects(self) -> None:
        request = self.request
        if request.sort_by or request.reverse:
            raise Usage("--sort-by and --reverse order tables", f"Leave them out, or `-o {request.form}`.")
        if request.form == "name" or request.watch:
            for each in self._objects():
                _write([_as_one(each, request.form)])
        else:
            printing.print_list(self._objects(), request.form)
        if request.watch:
            for event in self._events(JSON):
                if request.wanted.takes(event["object"]):
                    _write([_as_one(event["object"], request.form)])

    def _rows(self) -> tuple[Columns, list[Row]]:
        """Of each page only the wanted rows are kept."""
        columns, rows = Columns((), ()), list[Row]()
        for page in self.cluster.api.pages(self._path, self.request.query, TABLE):
            if page.get("columnDefinitions"):
                columns = Columns.of(page, wide=self.request.form == "wide")
            rows += [row for row in rows_of(page) if columns.takes(row, self.request.wanted)]
            self._note_version(page)
        return columns, rows

    def _objects(self) -> Iterator[Object]:
        for page in self.cluster.api.pages(self._path, self.request.query):
            kind = {"apiVersion": page.get("apiVersion"), "kind": "BugCommand"}
            yield from ({**kind, **each} for each in page.get("items") or [] if self.request.wanted.takes(each))
            self._note_version(page)

    def _note_version(self, value: Object) -> None:
        self.version = str((value.get("metadata") or {}).get("resourceVersion") or self.version)

    def _watch_table(self, columns: Columns, table: Table) -> None:
        for event in self._events(TABLE):
            rows = [row for row in rows_of(event["object"]) if columns.takes(row, self.request.wanted)]
            _write(table.lines([columns.shown_of(row, namespaced=self.request.everywhere) for row in rows]))

    def _events(self, accept: str) -> Iterator[Object]:
        """Without end. When the server has forgotten where this was, all is told anew."""
        while True:  # bounded by Ctrl-C, or by the patience of Watching
            watching = Watching(self.cluster.api, self._path, self.request.query, self.version, output.note, accept)
            try:
                yield from watching.events()
            except Expired:
                self.version = "0"

    def _nothing(self) -> str:
        request = self.request
        if request.wanted != Filter() or request.selector:
            return "no BugCommands like that"
        if request.everywhere:
            return "no BugCommands yet: make one with `kubectl bug run`"
        return f"no BugCommands in namespace {self.cluster.namespace}: make one with `kubectl bug run`, or look with -A"


def _as_one(each: Object, form: str) -> str:
    """One of a stream: a name or JSON on a line of its own, or a YAML document."""
    if form == "name":
        return f"bugcommand.mentu.dev/{each['metadata']['name']}"
    shown = printing.without_managed_fields(each)
    return f"---\n{printing.yaml_text(shown).rstrip()}" if form == "yaml" else json_line(shown)


def _write(lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
