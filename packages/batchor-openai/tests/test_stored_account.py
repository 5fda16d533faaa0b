"""A stored run and the environment of another day: the account must be the one that the run was sent with."""

import pytest

from batchor_core.errors import ConfigurationError
from batchor_openai import OpenAIBatchProvider, OpenAIProviderConfig

VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_account_that_appeared_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    stored = OpenAIProviderConfig(model="m").to_stored()
    monkeypatch.setenv(variable, "another")
    with pytest.raises(ConfigurationError, match=f"{variable}.*'another'.*unset"):
        OpenAIBatchProvider.config_from_stored(stored)


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_stored_account_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    stored = OpenAIProviderConfig(model="m", organization="org-1", project="proj-1").to_stored()
    monkeypatch.setenv(variable, "another")
    config = OpenAIBatchProvider.config_from_stored(stored)
    assert (config.resolved_organization, config.resolved_project) == ("org-1", "proj-1")


def test_an_account_that_left_the_environment_is_still_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    stored = OpenAIProviderConfig(model="m").to_stored()
    monkeypatch.delenv("OPENAI_PROJECT_ID")
    assert OpenAIBatchProvider.config_from_stored(stored).resolved_project == "proj-1"


def test_no_account_is_taken_up_without_one() -> None:
    stored = OpenAIProviderConfig(model="m").to_stored()
    assert OpenAIBatchProvider.config_from_stored(stored).to_stored() == stored
