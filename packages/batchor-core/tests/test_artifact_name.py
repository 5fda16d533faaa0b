import pytest

from batchor_core.domain.artifact_name import (
    MAX_NAME_CHARACTERS,
    MAX_PART_CHARACTERS,
    check_artifact_name,
    is_artifact_name,
)
from batchor_core.errors import ArtifactError


@pytest.mark.parametrize("name", ["a", "0", "ab12cd34/requests-0000000000.jsonl", "a.b_c-d", "1/2/3", "a" * 200])
def test_a_name_of_the_rule_comes_back_as_it_is(name: str) -> None:
    assert check_artifact_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../x",
        "/x",
        "x/",
        "x//y",
        "x/./y",
        "x..y",
        ".x",
        "_x",
        "-x",
        "X",
        "x y",
        "x\n",
        "x\0",
        "é",
        "\uff11",
        "x\\y",
    ],
)
def test_any_other_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(ArtifactError, match="is not an artifact name: use parts of lower-case letters"):
        check_artifact_name(name)


def test_a_part_may_have_200_characters() -> None:
    assert is_artifact_name("x/" + "a" * MAX_PART_CHARACTERS)
    assert not is_artifact_name("x/" + "a" * (MAX_PART_CHARACTERS + 1))


def test_a_name_may_have_1000_characters() -> None:
    assert is_artifact_name("a/" * (MAX_NAME_CHARACTERS // 2 - 1) + "aa")
    assert not is_artifact_name("a/" * (MAX_NAME_CHARACTERS // 2) + "a")


@pytest.mark.parametrize("name", [None, 7, b"a", ["a"]])
def test_what_is_no_text_is_no_name(name: object) -> None:
    assert not is_artifact_name(name)


def test_a_long_name_is_shown_short() -> None:
    with pytest.raises(ArtifactError) as caught:
        check_artifact_name("A" * 1_000_000)
    assert len(str(caught.value)) < 500
