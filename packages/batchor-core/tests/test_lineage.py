import pytest

from batchor_core.domain.lineage import Lineage, in_namespace, metadata_fault, with_lineage
from batchor_core.json_types import JsonObject

LINEAGE = Lineage("a.csv", 3, "key")


def test_lineage_stands_beside_the_users_own_metadata() -> None:
    assert with_lineage({"mine": 1}, LINEAGE) == {
        "mine": 1,
        "batchor_lineage": {
            "source_ref": "a.csv",
            "source_item_index": 3,
            "source_primary_key": "key",
            "source_namespace": None,
            "partition_id": None,
        },
    }


def test_the_users_metadata_is_not_changed() -> None:
    mine: JsonObject = {"mine": 1}
    with_lineage(mine, LINEAGE)
    assert mine == {"mine": 1}


def test_a_namespace_is_put_into_the_lineage() -> None:
    assert in_namespace(with_lineage({"mine": 1}, LINEAGE), "s0") == with_lineage(
        {"mine": 1}, LINEAGE._replace(source_namespace="s0")
    )


def test_an_outer_namespace_is_put_before_an_inner_one() -> None:
    inner = with_lineage({}, LINEAGE._replace(source_namespace="in"))
    assert in_namespace(inner, "out") == with_lineage({}, LINEAGE._replace(source_namespace="out:in"))


@pytest.mark.parametrize("metadata", [{}, {"batchor_lineage": None}, {"batchor_lineage": {"source_ref": "a"}}, None, 7])
def test_metadata_without_lineage_takes_no_namespace(metadata: object) -> None:
    assert in_namespace(metadata, "s0") is None


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [(None, "is a NoneType, not an object"), ([], "is a list"), ({"batchor_lineage": 1}, "rename")],
)
def test_metadata_that_has_no_room_for_lineage_is_told(metadata: object, problem: str) -> None:
    assert problem in (metadata_fault(metadata) or "")


def test_other_metadata_has_room_for_lineage() -> None:
    assert metadata_fault({"lineage": 1}) is None
