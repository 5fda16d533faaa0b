"""Object stores that refuse, fail, stay silent, or are not installed."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from traceback import format_exception

import pytest

from batchor_artifacts import ObjectArtifactStore
from batchor_core.errors import ArtifactError, ArtifactNotFoundError, ConfigurationError
from batchor_testkit.artifact_contract import create

CANARIES = ("AKIACANARYKEY", "secret-canary", "canary-in-url", "canary-signature")
EMPTY_LISTING = (
    "<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
)
DONE = (200, "")
SLOW_DOWN = (503, "<Error><Code>SlowDown</Code></Error>")


@dataclass
class Script:
    """Answers to requests, in order; the last one again and again."""

    answers: list[tuple[int, str]]
    asked: list[str] = field(default_factory=list)
    silent: Event | None = None

    def next_answer(self, method: str) -> tuple[int, str]:
        self.asked.append(method)
        if self.silent is not None:
            self.silent.wait(10)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def answering(
    monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, str], silent: Event | None = None
) -> Generator[Script]:
    """A server on loopback that answers by a script, set as the endpoint."""
    script = Script(list(answers), silent=silent)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = script.next_answer(self.command)
            self.send_response(status)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # whoever was kept waiting has left
                self.wfile.write(body.encode())

        do_PUT = do_GET  # noqa: N815  the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        yield script
    finally:
        if silent is not None:
            silent.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARYKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")


def fault_of(store: ObjectArtifactStore) -> str:
    """What the error of a listing says; no credential stands anywhere in it."""
    with pytest.raises(ArtifactError) as caught:
        store.size("run/a")
    assert not isinstance(caught.value, ArtifactNotFoundError)
    printed = "".join(format_exception(caught.value))
    assert [canary for canary in CANARIES if canary in printed] == []
    return str(caught.value)


def impatient(url: str = "s3://b/x", *, max_retries: int = 0, request_timeout_s: float = 5) -> ObjectArtifactStore:
    return ObjectArtifactStore(url, max_retries=max_retries, request_timeout_s=request_timeout_s)


# Faults


@pytest.mark.parametrize("answer", [SLOW_DOWN, (500, ""), (429, "")])
def test_a_busy_store_is_asked_again(monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str]) -> None:
    with answering(monkeypatch, answer, answer, (200, EMPTY_LISTING)) as script:
        assert list(impatient(max_retries=3).names("")) == []
        assert len(script.asked) == 3


def test_a_store_that_stays_busy_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, SLOW_DOWN):
        assert fault_of(impatient(max_retries=1)) == (
            "cannot list 'run/a/_' in s3://b/x: SlowDown, 503; it was asked several times; wait a while, "
            "then start the run again: it goes on from what is stored"
        )


def test_a_wrong_key_is_told_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    body = (
        "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIACANARYKEY</AWSAccessKeyId>"
        "<SignatureProvided>canary-signature</SignatureProvided></Error>"
    )
    with answering(monkeypatch, (403, body)):
        fault = fault_of(impatient())
    assert "InvalidAccessKeyId, 403; check the credentials in the environment" in fault


def test_a_bucket_of_another_region_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, (301, "<Error><Code>PermanentRedirect</Code></Error>")):
        assert "set AWS_REGION to the region of the bucket" in fault_of(impatient())


def test_a_missing_bucket_is_told_with_the_remedy(s3: str) -> None:
    assert "NoSuchBucket, 404; create the bucket, or correct its name" in fault_of(impatient("s3://missing/x"))
    with pytest.raises(ArtifactError, match="NoSuchBucket"):
        create(impatient("s3://missing/x"), "run/a", b"x")


def test_an_endpoint_that_nobody_listens_at_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "no connection, Connection refused; check the network and the store's endpoint" in fault_of(impatient())


def test_a_silent_endpoint_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, DONE, silent=Event()):
        assert "no answer in time; check the network" in fault_of(impatient(request_timeout_s=0.2))


def test_http_without_tls_needs_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, DONE) as script:
        monkeypatch.delenv("AWS_ALLOW_HTTP")
        assert "http without TLS; give an https:// endpoint" in fault_of(impatient())
        assert script.asked == []


def test_missing_credentials_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    assert "no credentials were found: set them in the environment" in fault_of(impatient())


def test_a_part_that_may_still_arrive_is_never_written_with_other_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_on_behind_a_fault(store: ObjectArtifactStore) -> None:
        with store.append("run/a", at=0) as writer:
            writer.write(b"one")
            for _ in range(2):
                with pytest.raises(ArtifactError, match="500"):
                    writer.sync()
                writer.write(b", two")

    answers = [(200, EMPTY_LISTING), DONE, (500, ""), DONE]
    with answering(monkeypatch, *answers) as script:
        with pytest.raises(ArtifactError, match="500"):
            write_on_behind_a_fault(impatient())
        assert script.asked == ["GET", "PUT", "PUT"]


# Credentials and URLs


@pytest.mark.parametrize(
    "url",
    [
        "s3://canary-in-url@bucket/x",
        "s3://user:canary-in-url@bucket/x",
        "s3://b/x?sig=canary-in-url",
        "gs://b/x#canary-in-url",
    ],
)
def test_a_url_with_a_user_or_a_query_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="put credentials into the environment") as caught:
        ObjectArtifactStore(url)
    assert "canary-in-url" not in str(caught.value)


def test_no_credential_is_in_repr() -> None:
    assert repr(ObjectArtifactStore("s3://bucket/prefix/")) == "ObjectArtifactStore('s3://bucket/prefix')"


# The extra


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_does_not_import_the_library() -> None:
    child = run("import sys, batchor_artifacts; print('obstore' in sys.modules)")
    assert child.stdout == "False\n"


def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    child = run(
        "import sys; sys.modules['obstore'] = None\n"
        "from batchor_core.errors import MissingPackageError\n"
        "from batchor_artifacts import artifact_store_at\n"
        "try:\n    artifact_store_at('s3://bucket/x')\nexcept MissingPackageError as error:\n    print(error)\n"
    )
    assert child.stdout.endswith("install it with: pip install 'batchor-artifacts[object-store]'\n"), child.stderr
