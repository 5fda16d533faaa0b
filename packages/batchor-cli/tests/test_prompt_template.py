import pytest

from batchor_cli.prompt_template import PromptTemplate
from batchor_core.errors import ConfigurationError, SourceError

ROW = {"species": "gull", "cost_usd": 12, "night": False, "size": None, "tags": ["a", "ü"], "time of day": "dusk"}


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("", ""),
        ("no field", "no field"),
        ("{species}", "gull"),
        ("A {species} at {time of day}.", "A gull at dusk."),
        ("{cost_usd} {night} {size} {tags}", '12 false null ["a", "ü"]'),
        ("{{species}} {{{species}}}", "{species} {gull}"),
    ],
)
def test_fields_are_put_in_as_text_or_json(template: str, prompt: str) -> None:
    assert PromptTemplate.parse(template).fill(ROW) == prompt


def test_braces_in_a_value_are_left_alone() -> None:
    assert PromptTemplate.parse("{species}").fill({"species": "{cost_usd} {{x}}"}) == "{cost_usd} {{x}}"


@pytest.mark.parametrize(
    "template",
    ["{", "}", "{species", "{}", "{ }", "{species.__class__}", "{tags[0]}", "{species!r}", "{cost_usd:>9}", "{a{b}}"],
)
def test_anything_but_a_plain_field_is_refused(template: str) -> None:
    with pytest.raises(ConfigurationError, match="the prompt template"):
        PromptTemplate.parse(template)


def test_an_unknown_field_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(SourceError, match=r"no field 'colour'; it has 'species', 'cost_usd'"):
        PromptTemplate.parse("{colour}").fill(ROW)
