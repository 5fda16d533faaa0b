"""What happens when the server ends connections, restarts, stands still, or refuses."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from batchor_core.errors import StorageError, StorageUnavailableError
from batchor_postgres import PostgresStorage
from batchor_testkit.postgres_server import PostgresServer
from batchor_testkit.state_examples import RUN_ID
from batchor_testkit.state_steps import ingest, start_run

type MakeStorage = Callable[..., PostgresStorage]

_TIMEOUT_S = 1.0
_BOUND_S = 10.0
"""Far above the timeouts together, far below a hang."""


class Proxy:
    """Forwards connections to a server, until it stands still: then it takes everything and gives nothing back."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._stands_still = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stand_still(self) -> None:
        self._stands_still.set()

    def go_on(self) -> None:
        self._stands_still.clear()

    def close(self) -> None:
        for each in [self._listener, *self._sockets]:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target_port))
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not self._stands_still.is_set():
                    target.sendall(data)
            target.close()


@pytest.fixture
def proxy(own_server: PostgresServer) -> Iterator[Proxy]:
    proxy = Proxy(own_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def far_storage(own_server: PostgresServer, proxy: Proxy, make_storage: MakeStorage) -> PostgresStorage:
    """A storage behind the proxy, with a run of five items."""
    storage = make_storage(own_server.url(port=proxy.port), timeout_s=_TIMEOUT_S)
    start_run(storage, items=5)
    return storage


def _items(storage: PostgresStorage) -> int:
    with storage.reading() as unit:
        return unit.runs.get(RUN_ID).ingest.next_index


def _ingest(storage: PostgresStorage) -> None:
    with storage.transaction() as unit:
        ingest(unit, 1)


def _ingest_around(storage: PostgresStorage, fault: Callable[[], object], *, before_commit_only: bool = False) -> None:
    """Ingest twice in one transaction, with a fault between; or once, with the fault before the commit."""
    with storage.transaction() as unit:
        ingest(unit, 1)
        fault()
        if not before_commit_only:
            ingest(unit, 1)


def _end_all_connections(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'batchor'")


def test_connections_that_the_server_ended_are_replaced(storage: PostgresStorage, url: str) -> None:
    start_run(storage, items=5)
    _end_all_connections(url)
    _ingest(storage)
    assert _items(storage) == 6


def test_a_transaction_whose_connection_is_ended_is_undone_and_can_be_repeated(
    storage: PostgresStorage, url: str
) -> None:
    start_run(storage, items=5)
    with pytest.raises(StorageUnavailableError, match="this step was undone"):
        _ingest_around(storage, lambda: _end_all_connections(url))
    _ingest(storage)
    assert _items(storage) == 6


def test_a_commit_without_an_answer_is_in_doubt(far_storage: PostgresStorage, proxy: Proxy) -> None:
    with pytest.raises(StorageUnavailableError, match="not known whether"):
        _ingest_around(far_storage, proxy.stand_still, before_commit_only=True)
    proxy.go_on()
    assert _items(far_storage) in {5, 6}


def test_a_server_that_stands_still_is_given_up_in_time(far_storage: PostgresStorage, proxy: Proxy) -> None:
    began_s = time.monotonic()
    with pytest.raises(StorageUnavailableError, match="has not answered for 1 s"):
        _ingest_around(far_storage, proxy.stand_still)
    assert time.monotonic() - began_s < _BOUND_S


def test_a_network_that_is_cut_between_transactions_is_noticed_in_time(
    far_storage: PostgresStorage, proxy: Proxy
) -> None:
    proxy.stand_still()
    began_s = time.monotonic()
    with pytest.raises(StorageUnavailableError, match="cannot be reached"):
        _ingest(far_storage)
    assert time.monotonic() - began_s < _BOUND_S
    proxy.go_on()
    _ingest(far_storage)
    assert _items(far_storage) == 6


def test_a_storage_goes_on_after_a_restart(own_server: PostgresServer, storage: PostgresStorage) -> None:
    start_run(storage, items=5)
    own_server.restart()
    _ingest(storage)
    assert _items(storage) == 6


def test_a_server_that_is_down_is_unavailable_until_it_is_back(
    own_server: PostgresServer, storage: PostgresStorage
) -> None:
    start_run(storage, items=5)
    own_server.stop()
    try:
        with pytest.raises(StorageUnavailableError, match="cannot be reached"):
            _items(storage)
    finally:
        own_server.start()
    assert _items(storage) == 5


def test_what_was_committed_survives_a_crash_of_the_server(
    own_server: PostgresServer, storage: PostgresStorage
) -> None:
    start_run(storage, items=5)
    own_server.stop(immediately=True)
    own_server.start()
    assert _items(storage) == 5


def test_a_wrong_password_is_not_worth_another_try(own_server: PostgresServer) -> None:
    wrong = own_server.url().replace(own_server.password, "wrong")
    with pytest.raises(StorageError, match="does not let this user in") as caught:
        PostgresStorage(wrong).transaction()
    assert not isinstance(caught.value, StorageUnavailableError)


def test_a_database_that_does_not_exist_is_not_worth_another_try(own_server: PostgresServer) -> None:
    with pytest.raises(StorageError, match=r"no such database.*create it") as caught:
        PostgresStorage(own_server.url("nowhere")).transaction()
    assert not isinstance(caught.value, StorageUnavailableError)


def test_a_full_server_is_unavailable(own_server: PostgresServer) -> None:
    with psycopg.connect(own_server.url()) as connection:
        connection.execute("DROP ROLE IF EXISTS lone")
        connection.execute("CREATE ROLE lone LOGIN PASSWORD 'lone' CONNECTION LIMIT 0")
    url = f"postgresql://lone:lone@127.0.0.1:{own_server.port}/batchor"
    with pytest.raises(StorageUnavailableError, match="no free connection"):
        PostgresStorage(url).transaction()


def test_a_server_that_only_reads_says_so_and_can_be_read(
    storage: PostgresStorage, make_storage: MakeStorage, url: str
) -> None:
    start_run(storage, items=5)
    reader = make_storage(f"{url}?options=-c%20default_transaction_read_only%3Don")
    assert _items(reader) == 5
    with pytest.raises(StorageError, match="is read-only"):
        _ingest(reader)


def test_a_transaction_that_stands_still_is_ended_by_the_server(make_storage: MakeStorage) -> None:
    start_run(make_storage(), items=5)
    storage = make_storage(timeout_s=0.2)
    with pytest.raises(StorageUnavailableError):
        _ingest_around(storage, lambda: time.sleep(1.2))
    assert _items(storage) == 5


def test_the_error_of_a_block_arrives_though_the_connection_is_lost(storage: PostgresStorage, url: str) -> None:
    start_run(storage, items=5)

    def end_all_and_fail() -> None:
        _end_all_connections(url)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _ingest_around(storage, end_all_and_fail)
    assert _items(storage) == 5


def test_the_time_of_leases_is_the_servers(storage: PostgresStorage, url: str) -> None:
    wrong = datetime(2001, 1, 1, tzinfo=UTC)
    with psycopg.connect(url) as connection:
        (servers,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
    assert servers is not None
    assert abs(storage.now(wrong) - servers) < timedelta(seconds=_BOUND_S)


_NOTE_DURABILITY = """
    CREATE FUNCTION {0}.note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.sha256 := current_setting('synchronous_commit'); RETURN NEW; END $$;
    CREATE TRIGGER note BEFORE INSERT ON {0}.artifact FOR EACH ROW EXECUTE FUNCTION {0}.note()
"""


def test_a_commit_is_durable_though_the_role_says_otherwise(own_server: PostgresServer, new_schema: str) -> None:
    with psycopg.connect(own_server.url()) as connection:
        connection.execute("DROP ROLE IF EXISTS hasty")
        connection.execute("CREATE ROLE hasty LOGIN PASSWORD 'hasty'")
        connection.execute("ALTER ROLE hasty SET synchronous_commit = off")
        connection.execute(f"CREATE SCHEMA {new_schema} AUTHORIZATION hasty".encode())
    storage = PostgresStorage(f"postgresql://hasty:hasty@127.0.0.1:{own_server.port}/batchor", schema=new_schema)
    start_run(storage, items=1, run_id="before")
    with psycopg.connect(own_server.url()) as connection:
        connection.execute(_NOTE_DURABILITY.format(new_schema).encode())
    start_run(storage, items=1)
    with storage.reading() as unit:
        assert [artifact.sha256 for artifact in unit.artifacts.of_run(RUN_ID)] == ["on"]
    storage.close()
