"""The demo from the first step to the last: what is done, in which order, and what has to be true at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.text import Text
from tests.support.prometheus import Prometheus

from dev.demo import figures, install, objects, project_tests, render
from dev.demo.errors import DemoError
from dev.demo.kubectl import Kubectl
from dev.demo.screen import Screen
from dev.demo.seed import Git
from dev.demo.settings import Deadlines, Settings
from dev.demo.watching import Watch
from dev.gitserver.access import GitAccess, make_access

NO_FIGURES = (DemoError, RuntimeError, AssertionError, OSError)


class Demo:
    def __init__(self, settings: Settings, screen: Screen, kubectl: Kubectl) -> None:
        self.settings = settings
        self.screen = screen
        self.kubectl = kubectl
        self.deadlines = Deadlines()
        self.watch: Watch | None = None

    def run(self) -> None:
        """Returns when the pushed branch makes the failing test pass; raises DemoError in any other case."""
        access = self._prepare()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="mentu-demo-")))
            prometheus = self._prometheus(stack, folder)
            base = self._seed(folder / "seed", access)
            self._failing(access, base)
            watch = self._command(access)
            self._result(folder / "result", access, watch, base)
            if prometheus is not None:
                self._figures(prometheus)

    def _prepare(self) -> GitAccess:
        settings, deadlines = self.settings, self.deadlines
        model = "the replay server" if settings.replay else "the real API"
        self.screen.title(f"Preparing the cluster (the model is {model})")
        with self.screen.step("Install the operator with Helm", 40):
            install.operator(self.kubectl, settings, deadlines)
        with self.screen.step("Take away what an earlier run left", 15):
            install.clean(self.kubectl, settings, deadlines)
        access = make_access(settings.namespace)
        with self.screen.step("Start the git server" + (" and the replay server" if settings.replay else ""), 15):
            install.services(self.kubectl, settings, access, deadlines)
        return access

    def _prometheus(self, stack: ExitStack, folder: Path) -> Prometheus | None:
        """None where it cannot be had: whether the bug gets fixed does not hang on it."""
        system = Kubectl(self.settings.kubeconfig, self.settings.operator_namespace)
        try:
            with self.screen.step("Watch the operator with a Prometheus on this machine", 2):
                return stack.enter_context(figures.watched(system, self.settings, folder))
        except NO_FIGURES as error:
            self.screen.show(Text(f"  the dashboards' figures will not be shown: {error}", "yellow"))
            return None

    def _figures(self, prometheus: Prometheus) -> None:
        self.screen.title("What the dashboards show of it")
        try:
            self.screen.show(figures.table(prometheus))
        except NO_FIGURES as error:
            self.screen.show(Text(f"  nothing: {error}", "yellow"))

    def _seed(self, folder: Path, access: GitAccess) -> str:
        self.screen.title("A project with a bug")
        with self.screen.step("Push examples/project to the git server", 3), self._git(folder, access) as git:
            return git.seed()

    def _failing(self, access: GitAccess, base: str) -> None:
        with self.screen.step("Run its tests in a clean clone", 8):
            before = project_tests.run(self.kubectl, "tests-before", "main", self.settings, access)
        self.screen.show(render.indented(before.output, last=8))
        if before.commit != base:
            raise DemoError(f"the clone is at {before.commit}, not at {base} that was pushed")
        if not before.failed:
            raise DemoError("the project's tests were to fail, and did not", "see examples/project")

    def _command(self, access: GitAccess) -> Watch:
        settings = self.settings
        self.screen.title("A BugCommand")
        command = objects.command(settings)
        self.screen.show(render.indented(command["spec"]["prompt"]))
        self.kubectl.apply([*objects.agent(settings), objects.repository(settings, access)])
        applied = time.monotonic()
        self.kubectl.apply([command])
        self.watch = Watch(self.screen, command["metadata"]["name"], applied)
        with self.screen.step("The operator and its agent work on it", 600 if not settings.replay else 30):
            self.watch.follow(self.kubectl, settings, self.deadlines)
            if self.watch.seen.phase != "Succeeded":
                raise DemoError(f"the command ended as {self.watch.seen.phase}")
        self.screen.show(render.times(self.watch.seen.timeline.seconds()))
        return self.watch

    def _result(self, folder: Path, access: GitAccess, watch: Watch, base: str) -> None:
        status = watch.command["status"]
        branch, head = status["branch"], status["headCommit"]
        self.screen.title(f"The branch {branch}")
        with self._git(folder, access) as git:
            folder.joinpath("project").mkdir()
            git.run("init", "--quiet", "--initial-branch=main")
            git.run("fetch", "--quiet", "--", git.url, "main")
            if git.fetch(branch) != head:
                raise DemoError(f"the pushed branch is not at {head}, which the status names")
            self.screen.show(render.indented(git.log(base, head)))
            self.screen.show(render.diff(git.diff(base, head)))
        self._passing(access, branch, head)

    def _passing(self, access: GitAccess, branch: str, head: str) -> None:
        with self.screen.step("Run the tests on it in a clean clone", 8):
            after = project_tests.run(self.kubectl, "tests-after", branch, self.settings, access)
        self.screen.show(render.indented(after.output, last=4))
        if after.commit != head:
            raise DemoError(f"the clone is at {after.commit}, not at {head}, which the status names")
        if not after.passed:
            raise DemoError("the tests still fail on the pushed branch")

    @contextmanager
    def _git(self, folder: Path, access: GitAccess) -> Iterator[Git]:
        folder.mkdir(exist_ok=True)
        with self.kubectl.forward("service/git", 443, self.deadlines.call) as port:
            yield Git(folder, access, port, self.deadlines.push)
