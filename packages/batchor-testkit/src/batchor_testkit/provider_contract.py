"""What every provider must do: contract tests for `RequestCodec` and `BatchClient`.

Inherit, and give the fixtures:

```python
class TestAcmeCodec(RequestCodecContract):
    @pytest.fixture
    def codec(self) -> RequestCodec:
        return AcmeCodec(model="small")


class TestAcmeClient(BatchClientContract):
    @pytest.fixture
    def client(self, server: AcmeServer) -> BatchClient: ...

    @pytest.fixture
    def codec(self) -> RequestCodec: ...

    @pytest.fixture
    def count_creations(self, server: AcmeServer) -> Callable[[], int]: ...
```
"""

import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchor_core.domain.batch import RemoteBatch
from batchor_core.domain.item import PromptParts
from batchor_core.domain.output_line import LineOutcome, OutputLine, usual_in_full
from batchor_core.errors import ProviderError, ProviderRefusedError, RefusalConsequence, RequestEncodingError
from batchor_core.ports.provider import BatchClient, RequestCodec

CUSTOM_IDS = ("ab12cd34-0", "ab12cd34-17", "00000000-9999999")
HALF_A_SURROGATE_PAIR = "\ud83d"
NASTY_TEXTS = (
    "",
    'quotes " and \\ back\\slashes, {braces}, {0.__class__}, %s',
    '"}}\n{"custom_id": "another"}',
    "line\nfeed, carriage\rreturn, tab\t, NUL \x00, DEL \x7f, NEL \x85, U+2028 \u2028, U+2029 \u2029",
    "ä, 漢字, 😀, \U0010ffff",
)

# Fixtures of a codec hold no state, and inherited tests run in several classes.
_properties = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
_encodable_text = st.text(st.characters(exclude_categories=["Cs"]))


class RequestCodecContract:
    """The codec: pure, one line per request, and never failing on what comes back."""

    @pytest.fixture
    def codec(self) -> RequestCodec:
        raise NotImplementedError

    @pytest.mark.parametrize("text", NASTY_TEXTS)
    @pytest.mark.parametrize("custom_id", CUSTOM_IDS)
    def test_a_request_is_one_json_line_that_carries_its_id(
        self, codec: RequestCodec, custom_id: str, text: str
    ) -> None:
        line = codec.encode(custom_id, PromptParts(prompt=text, system_prompt=text))
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert json.loads(line)["custom_id"] == custom_id

    @_properties
    @given(text=_encodable_text, system_prompt=st.none() | _encodable_text)
    def test_every_text_that_utf_8_can_hold_arrives_unchanged(
        self, codec: RequestCodec, text: str, system_prompt: str | None
    ) -> None:
        request = json.loads(codec.encode("ab12cd34-1", PromptParts(prompt=text, system_prompt=system_prompt)))
        found = list(_strings(request))
        assert text in found
        assert system_prompt is None or system_prompt in found

    def test_equal_prompts_give_equal_lines(self, codec: RequestCodec) -> None:
        prompt = PromptParts(prompt="Name a river.", system_prompt="Be brief.")
        assert codec.encode("ab12cd34-1", prompt) == codec.encode("ab12cd34-1", prompt)

    def test_an_empty_system_prompt_is_not_the_same_as_none(self, codec: RequestCodec) -> None:
        assert codec.encode("ab12cd34-1", PromptParts("a", "")) != codec.encode("ab12cd34-1", PromptParts("a"))

    @pytest.mark.parametrize(
        "prompt",
        [PromptParts(HALF_A_SURROGATE_PAIR), PromptParts("text", HALF_A_SURROGATE_PAIR)],
        ids=["user", "system"],
    )
    def test_half_of_a_surrogate_pair_is_refused_by_name(self, codec: RequestCodec, prompt: PromptParts) -> None:
        with pytest.raises(RequestEncodingError, match="ab12cd34-1"):
            codec.encode("ab12cd34-1", prompt)

    @_properties
    @given(texts=st.lists(_encodable_text), system_prompt=st.none() | _encodable_text)
    def test_requests_encoded_together_are_those_encoded_alone(
        self, codec: RequestCodec, texts: list[str], system_prompt: str | None
    ) -> None:
        prompts = [PromptParts(text, system_prompt if n % 2 else None) for n, text in enumerate(texts)]
        alone = [codec.encode(f"ab12cd34-{n}", prompt) for n, prompt in enumerate(prompts, 9)]
        assert list(codec.encode_many("ab12cd34-", 9, prompts)) == alone

    def test_half_of_a_surrogate_pair_is_refused_among_others_too(self, codec: RequestCodec) -> None:
        prompts = [PromptParts("text"), PromptParts(HALF_A_SURROGATE_PAIR), PromptParts("text")]
        with pytest.raises(RequestEncodingError, match="ab12cd34-10"):
            codec.encode_many("ab12cd34-", 9, prompts)

    @_properties
    @given(line=st.binary(max_size=200))
    def test_bytes_of_any_kind_are_decoded_without_an_error(self, codec: RequestCodec, line: bytes) -> None:
        _check_is_storable(codec.decode(line))
        _check_both_ways_agree(codec, line)

    @_properties
    @given(
        value=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
            max_leaves=10,
        )
    )
    def test_json_of_any_shape_is_decoded_without_an_error(self, codec: RequestCodec, value: object) -> None:
        line = json.dumps({"custom_id": "ab12cd34-1", "response": value, "error": value}).encode()
        _check_is_storable(codec.decode(line))
        _check_both_ways_agree(codec, line)

    @pytest.mark.parametrize(
        "line",
        [b"", b"\n", b"null", b"[]", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 200_000, b'{"a":' * 100_000],
        ids=["empty", "blank", "null", "list", "cut", "not utf-8", "NaN", "deep list", "deep object"],
    )
    def test_what_is_no_output_line_is_unreadable_and_says_why(self, codec: RequestCodec, line: bytes) -> None:
        decoded = codec.decode(line)
        assert decoded.outcome is LineOutcome.UNREADABLE
        assert decoded.message
        assert codec.decode_usual(line) is None


class BatchClientContract:
    """The client against a live server, which must answer requests of `codec` within seconds."""

    @pytest.fixture
    def client(self) -> BatchClient:
        raise NotImplementedError

    @pytest.fixture
    def codec(self) -> RequestCodec:
        raise NotImplementedError

    @pytest.fixture
    def count_creations(self) -> Callable[[], int]:
        """How many requests to create a batch the server has received."""
        raise NotImplementedError

    def test_a_batch_goes_from_upload_to_answers(self, client: BatchClient, codec: RequestCodec) -> None:
        batch = _ended(client, _created(client, codec))
        assert batch.output_file_id is not None
        sink = MemorySink()
        client.download(batch.output_file_id, sink, max_bytes=1_000_000)
        raw_lines = sink.content.splitlines(keepends=True)
        lines = [codec.decode(line) for line in raw_lines]
        for raw_line in raw_lines:
            _check_both_ways_agree(codec, raw_line)
        assert {line.custom_id for line in lines} == set(CUSTOM_IDS)
        assert {line.outcome for line in lines} == {LineOutcome.ANSWERED}

    def test_creating_sends_exactly_one_request(
        self, client: BatchClient, codec: RequestCodec, count_creations: Callable[[], int]
    ) -> None:
        before = count_creations()
        _created(client, codec)
        assert count_creations() == before + 1

    def test_a_refused_creation_was_asked_for_exactly_once(
        self, client: BatchClient, count_creations: Callable[[], int]
    ) -> None:
        before = count_creations()
        with pytest.raises(ProviderError):
            client.create(input_file_id="file-unknown", metadata={})
        assert count_creations() == before + 1

    def test_a_batch_shows_its_input_file_and_metadata(self, client: BatchClient, codec: RequestCodec) -> None:
        file_id = _uploaded(client, codec)
        created = client.create(input_file_id=file_id, metadata={"key": "value"})
        shown = client.get(created.provider_batch_id)
        assert (shown.provider_batch_id, shown.input_file_id) == (created.provider_batch_id, file_id)
        assert shown.metadata["key"] == "value"

    def test_a_new_batch_is_found_by_listing(self, client: BatchClient, codec: RequestCodec) -> None:
        before = datetime.now(UTC) - timedelta(minutes=1)
        created = _created(client, codec)
        assert created.provider_batch_id in {batch.provider_batch_id for batch in client.find(since=before)}

    def test_the_listing_ends_with_the_given_time(self, client: BatchClient, codec: RequestCodec) -> None:
        _created(client, codec)
        assert list(client.find(since=datetime.now(UTC) + timedelta(hours=1))) == []

    def test_a_cancelled_batch_ends(self, client: BatchClient, codec: RequestCodec) -> None:
        created = _created(client, codec)
        assert client.cancel(created.provider_batch_id).provider_batch_id == created.provider_batch_id
        assert _ended(client, created).ended

    def test_a_download_is_as_long_as_it_says(self, client: BatchClient, codec: RequestCodec) -> None:
        sink = MemorySink()
        length = client.download(_uploaded(client, codec), sink, max_bytes=1_000_000)
        assert sink.content == _input_file(codec)
        assert length == len(sink.content)

    def test_a_download_stops_at_its_limit(self, client: BatchClient, codec: RequestCodec) -> None:
        with pytest.raises(ProviderRefusedError, match="10 bytes"):
            client.download(_uploaded(client, codec), MemorySink(), max_bytes=10)

    def test_a_deleted_file_is_gone(self, client: BatchClient, codec: RequestCodec) -> None:
        file_id = _uploaded(client, codec)
        assert client.delete(file_id)
        with pytest.raises(ProviderRefusedError) as refusal:
            client.download(file_id, MemorySink(), max_bytes=1_000_000)
        assert refusal.value.consequence is RefusalConsequence.NOT_FOUND

    @pytest.mark.parametrize("file_id", ["file-unknown", "..", ""])
    def test_deleting_an_unknown_file_does_nothing_and_says_so(self, client: BatchClient, file_id: str) -> None:
        assert not client.delete(file_id)

    def test_a_file_is_deleted_once(self, client: BatchClient, codec: RequestCodec) -> None:
        file_id = _uploaded(client, codec)
        assert [client.delete(file_id), client.delete(file_id)] == [True, False]

    @pytest.mark.parametrize("unknown", ["batch_unknown", "../files", "..", ""])
    def test_an_unknown_id_is_refused_as_not_found(self, client: BatchClient, unknown: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: client.get(unknown),
            lambda: client.cancel(unknown),
            lambda: client.download(unknown, MemorySink(), max_bytes=10),
        ]
        for call in calls:
            with pytest.raises(ProviderRefusedError) as refusal:
                call()
            assert refusal.value.consequence is RefusalConsequence.NOT_FOUND


class MemorySink:
    """An `ArtifactWriter` that keeps what it is given."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes, /) -> int:
        self.content += data
        return len(data)

    def sync(self) -> int:
        return len(self.content)


def _strings(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for inner in value for text in _strings(inner)]
        case dict():
            return [text for inner in value.values() for text in _strings(inner)]
        case _:
            return []


def _check_is_storable(line: OutputLine) -> None:
    for text in (line.custom_id, line.text, line.message, line.code, line.finish_reason):
        assert text is None or b"\x00" not in text.encode("utf-8")
    assert line.outcome is LineOutcome.ANSWERED or line.message
    assert line.outcome is not LineOutcome.ANSWERED or line.text


def _check_both_ways_agree(codec: RequestCodec, line: bytes) -> None:
    usual = codec.decode_usual(line)
    assert usual is None or usual_in_full(usual) == codec.decode(line)


def _input_file(codec: RequestCodec) -> bytes:
    return b"".join(codec.encode(custom_id, PromptParts(prompt="Name a river.")) for custom_id in CUSTOM_IDS)


def _uploaded(client: BatchClient, codec: RequestCodec) -> str:
    return client.upload(io.BytesIO(_input_file(codec)), name="ab12cd34-0123456789abcdef.jsonl")


def _created(client: BatchClient, codec: RequestCodec) -> RemoteBatch:
    return client.create(input_file_id=_uploaded(client, codec), metadata={})


def _ended(client: BatchClient, batch: RemoteBatch, *, timeout_s: float = 30.0) -> RemoteBatch:
    deadline = time.monotonic() + timeout_s
    while not batch.ended:
        assert time.monotonic() < deadline, f"batch {batch.provider_batch_id} is still {batch.provider_status}"
        time.sleep(0.05)
        batch = client.get(batch.provider_batch_id)
    return batch
