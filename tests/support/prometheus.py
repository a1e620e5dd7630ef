"""A real Prometheus of one's own, on loopback, that scrapes what a test exposes; ended by its pid."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

SECONDS = 120.0


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not installed: make setup-system")
    return found


def promtool(*arguments: str, given: str = "", cwd: Path | None = None) -> str:
    """What it says; raises AssertionError when it finds a fault."""
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Prometheus:
    def __init__(
        self, folder: Path, targets: Mapping[str, int], rules: Sequence[Path] = (), *, every: str = "1s"
    ) -> None:
        """`targets`: a job's name, and its port on loopback, to be scraped so often."""
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            self._port: int = reserved.getsockname()[1]
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for job, port in targets.items()
            ],
        }
        self._folder = folder
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [
            program("prometheus"),
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=error",
        ]
        self._process = subprocess.Popen(command, cwd=self._folder)
        try:
            self.wait_for("up == 1")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The result, at this moment; raises HTTPError for an expression that Prometheus does not take."""
        answer = self._get("query", query=expr)["data"]
        result = answer["result"]
        return [{"metric": {}, "value": result}] if answer["resultType"] == "scalar" else list(result)

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["data"]["groups"] for rule in group["rules"]]

    def evaluated_rules(self) -> list[dict[str, Any]]:
        """Once each has been evaluated."""
        deadline = time.monotonic() + SECONDS
        while any(rule["health"] == "unknown" for rule in self.rules()):
            assert time.monotonic() < deadline, "rules are not evaluated"
            time.sleep(0.1)
        return self.rules()

    def wait_for(self, expr: str) -> None:
        """Until the expression has a result."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self._process is None or self._process.poll() is None, "Prometheus has ended"
            try:
                if self.query(expr):
                    return
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.1)
        raise AssertionError(f"nothing came of {expr}")

    def _get(self, what: str, **query: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            body: dict[str, Any] = json.load(answer)
        assert body["status"] == "success", body
        return body
