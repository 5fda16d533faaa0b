"""What users may say, what is stored of it, and where the key comes from."""

import json
from dataclasses import replace
from typing import Any

import pytest

from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.item import PromptParts
from batchor_core.domain.job import ProviderConfig
from batchor_core.errors import ConfigurationError, MissingCredentialsError
from batchor_openai import OpenAIBatchProvider, OpenAIEndpoint, OpenAIEnqueueLimitConfig, OpenAIProviderConfig

CANARY = "sk-canary-0123456789"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def full_config() -> OpenAIProviderConfig:
    return OpenAIProviderConfig(
        model="gpt-4.1",
        api_key=CANARY,
        base_url="https://eu.api.openai.com/v1",
        organization="org-1",
        project="proj-1",
        endpoint=OpenAIEndpoint.CHAT_COMPLETIONS,
        reasoning_effort="low",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=100,
        seed=7,
        enqueue_limits=OpenAIEnqueueLimitConfig(enqueued_token_limit=2_000_000, target_ratio=0.7, headroom=50_000),
        extra_body={"store": False, "metadata": {"a": "b"}},
    )


def test_a_config_is_a_provider_config_of_the_core() -> None:
    config: ProviderConfig = OpenAIProviderConfig(model="gpt-4.1")
    assert (config.provider, config.enqueue_limits, config.poll_interval_s) == ("openai", None, 30.0)


def test_enqueue_limits_are_those_of_the_core() -> None:
    limits = OpenAIEnqueueLimitConfig(enqueued_token_limit=1_000, target_ratio=0.5, headroom=100)
    assert isinstance(limits, EnqueueLimits)
    assert limits.budget == 400


def test_the_key_is_neither_shown_nor_stored_nor_compared() -> None:
    config = full_config()
    assert CANARY not in repr(config)
    assert CANARY not in json.dumps(config.to_stored())
    assert config == replace(config, api_key="sk-other")


def test_what_is_stored_comes_back_but_for_the_key() -> None:
    config = full_config()
    stored = json.loads(json.dumps(config.to_stored()))
    restored = OpenAIBatchProvider.config_from_stored(stored)
    assert restored == config
    assert restored.to_stored() == stored
    assert restored.api_key is None


def test_what_is_unset_is_not_stored() -> None:
    assert OpenAIProviderConfig(model="gpt-4.1").to_stored() == {
        "model": "gpt-4.1",
        "base_url": "https://api.openai.com/v1",
        "endpoint": "/v1/responses",
        "completion_window": "24h",
        "operation": {"poll_interval_s": 30.0, "request_timeout_s": 120.0},
    }


def test_a_stored_config_of_a_newer_version_is_refused_by_the_name_of_its_field() -> None:
    stored = {**OpenAIProviderConfig(model="gpt-4.1").to_stored(), "verbosity": "low"}
    with pytest.raises(ConfigurationError, match="verbosity"):
        OpenAIBatchProvider.config_from_stored(stored)


def test_two_ports_of_this_machine_are_the_same_configuration() -> None:
    urls = ["http://127.0.0.1:1111/v1", "http://localhost:2222/v1", "http://[::1]:3333/v1"]
    stored = [OpenAIProviderConfig(model="m", base_url=url).to_stored() for url in urls]
    assert stored[0] == stored[1] == stored[2]
    assert stored[0] != OpenAIProviderConfig(model="m").to_stored()


def test_a_run_on_this_machine_is_taken_up_at_the_address_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = OpenAIProviderConfig(model="m", base_url="http://127.0.0.1:1111/v1").to_stored()
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:2222/v1/")
    assert OpenAIBatchProvider.config_from_stored(stored).base_url == "http://127.0.0.1:2222/v1"


@pytest.mark.parametrize("url", [None, "https://api.openai.com/v1"])
def test_a_run_on_this_machine_is_not_sent_elsewhere(monkeypatch: pytest.MonkeyPatch, url: str | None) -> None:
    stored = OpenAIProviderConfig(model="m", base_url="http://127.0.0.1:1111/v1").to_stored()
    if url is not None:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigurationError, match=r"provider_config= .*OPENAI_BASE_URL"):
        OpenAIBatchProvider.config_from_stored(stored)


def test_an_explicit_base_url_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://environment.example/v1")
    assert OpenAIProviderConfig(model="m").resolved_base_url == "https://environment.example/v1"
    explicit = OpenAIProviderConfig(model="m", base_url="https://Explicit.example/v1/")
    assert explicit.resolved_base_url == "https://explicit.example/v1"


def test_the_account_of_the_environment_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    stored = OpenAIProviderConfig(model="m").to_stored()
    assert (stored["organization"], stored["project"]) == ("org-1", "proj-1")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://api.openai.com/v1", "not an https URL"),
        ("http://127.0.0.1.example/v1", "not an https URL"),
        ("ftp://api.openai.com/v1", "not an https URL"),
        ("https://user:hunter2@api.openai.com/v1", "user name or password"),
        ("https://api.openai.com/v1?key=1", "query"),
        ("https://", "no host"),
        ("api.openai.com", "no host"),
        ("https://api.openai.com:99999/v1", "not a URL"),
        ("https://api.openai.com/v1\nX-Header: 1", "control"),
    ],
)
def test_a_base_url_that_a_key_must_not_go_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refusal:
        OpenAIProviderConfig(model="m", base_url=url)
    assert "hunter2" not in str(refusal.value)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL"):
        _ = OpenAIProviderConfig(model="m").resolved_base_url


@pytest.mark.parametrize(
    "values",
    [
        {"model": ""},
        {"model": None},
        {"endpoint": "/v1/embeddings"},
        {"completion_window": ""},
        {"request_timeout_s": 0},
        {"poll_interval_s": float("inf")},
        {"temperature": 3},
        {"temperature": float("nan")},
        {"top_p": -0.1},
        {"max_output_tokens": 0},
        {"max_output_tokens": True},
        {"seed": 1.5, "endpoint": "/v1/chat/completions"},
        {"seed": 1},
        {"reasoning_effort": ""},
        {"enqueue_limits": {"enqueued_token_limit": 1}},
        {"extra_body": {"model": "other"}},
        {"extra_body": {"input": "x"}},
        {"extra_body": {"stream": True}},
        {"extra_body": {"text": {"format": {"type": "text"}}}},
        {"extra_body": {"reasoning": "low"}},
        {"extra_body": {"a": 1j}},
        {"extra_body": {"a": "\ud800"}},
    ],
    ids=str,
)
def test_a_value_that_cannot_work_is_refused_by_its_name(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        config_of(values)


def test_later_changes_to_a_given_mapping_do_not_reach_the_config() -> None:
    extra: dict[str, Any] = {"metadata": {"a": "b"}}
    config = OpenAIProviderConfig(model="m", extra_body=extra)
    extra["metadata"]["a"] = "changed"
    assert config.extra_body == {"metadata": {"a": "b"}}


def test_an_explicit_key_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment\n")
    assert OpenAIProviderConfig(model="m").resolve_key() == "sk-environment"
    assert OpenAIProviderConfig(model="m", api_key="sk-explicit").resolve_key() == "sk-explicit"
    assert OpenAIProviderConfig(model="m", api_key=lambda: "sk-called").resolve_key() == "sk-called"


def test_a_missing_key_is_noticed_at_the_first_use_of_the_client_only() -> None:
    provider = OpenAIBatchProvider(OpenAIProviderConfig(model="m"))
    assert provider.codec(None).encode("a-1", PromptParts("Name a river."))
    with pytest.raises(MissingCredentialsError, match="OPENAI_API_KEY"):
        _ = provider.client


def test_a_key_that_is_no_key_is_refused_without_being_shown() -> None:
    config = OpenAIProviderConfig(model="m", api_key=f"{CANARY} {CANARY}")
    with pytest.raises(MissingCredentialsError) as refusal:
        config.resolve_key()
    assert CANARY not in str(refusal.value)


def test_the_configuration_of_another_provider_is_refused() -> None:
    class OtherConfig:
        provider = "other"
        enqueue_limits = None
        quota_scope = "other"
        poll_interval_s = 1.0
        completion_window_s = 60.0

        def to_stored(self) -> dict[str, str]:
            return {}

    with pytest.raises(ConfigurationError, match="OtherConfig"):
        OpenAIBatchProvider.connect(OtherConfig())


@pytest.mark.parametrize("seconds", [0, 3_599, 2_592_001, 7_200.5, True])
def test_an_expiry_that_openai_does_not_take_is_refused(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="files_expire_after_s"):
        config_of({"files_expire_after_s": seconds})


def config_of(values: dict[str, Any]) -> OpenAIProviderConfig:
    arguments: dict[str, Any] = {"model": "gpt-4.1", **values}
    return OpenAIProviderConfig(**arguments)
