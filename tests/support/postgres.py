"""A Postgres of one's own for tests: a temporary cluster that listens on loopback only, ended by its pid.

`PostgresServer` is for whoever wants to stop, kill and start it; `postgres_server` is one for the whole session,
and `postgres_url` a migrated database in it for each test.
"""

import asyncio
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import psycopg
import pytest

from bugcommand_operator.store.migrate import upgrade

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum_naptime": "10s",
}


def binaries() -> Path:
    """The folder of the newest Postgres that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        raise RuntimeError("Postgres is not installed: make setup-system")
    return found[-1]


def _as_postgres() -> list[str]:
    """Postgres refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


class PostgresServer:
    """A cluster in a temporary folder; `settings` are those of postgresql.conf. The port stays over restarts."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mentu-postgres-"))
        self._settings = {**_SETTINGS, **settings}
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            self.port: int = reserved.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._migrated: str | None = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self._run("initdb", "-D", str(self.data), "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres", driver: str = "postgresql+psycopg") -> str:
        return f"{driver}://{self.user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        options += ["-p", str(self.port), "-c", f"unix_socket_directories={self.folder}"]
        program = [*_as_postgres(), str(binaries() / "postgres"), "-D", str(self.data), *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(program, stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            try:
                psycopg.connect(self.url(driver="postgresql"), connect_timeout=2).close()
                return self
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise AssertionError("Postgres did not start")

    def end(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is Postgres' fast shutdown; SIGQUIT ends it as a crash would."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(60)

    def remove(self) -> None:
        self.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database, "postgresql"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, *, template: str = "template1") -> str:
        name = f"mentu_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def migrated(self) -> str:
        """The name of a migrated database, to make others from: migrating each takes ten times as long."""
        if self._migrated is None:
            name = self.new_database()
            # In a thread: the caller may be in an event loop.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lambda: asyncio.run(upgrade(self.url(name)))).result()
            self._migrated = name
        return self._migrated

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_postgres(), str(binaries() / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database that is migrated and holds nothing."""
    name = postgres_server.new_database(template=postgres_server.migrated())
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that holds nothing yet, once of each kind; SQLite's is not migrated."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'logs.db'}"
    return str(request.getfixturevalue("postgres_url"))
