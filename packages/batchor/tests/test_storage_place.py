"""Which storage is meant, when several origins speak of it."""

import pytest

from batchor.setting_layers import Given, Layer, Origin, OriginKind
from batchor.storage_place import storage_place
from batchor_core.errors import ConfigurationError

POSTGRES, SQLITE = "postgresql://host/db", "sqlite:///a.db"


def layer(**values: str) -> Layer:
    return {name: Given(value, Origin(OriginKind.FLAG, f"--{name}")) for name, value in values.items()}


@pytest.mark.parametrize(
    ("layers", "chosen"),
    [
        ([], {}),
        ([layer(storage_url=POSTGRES)], {"storage": "postgres", "storage_url": POSTGRES}),
        ([layer(storage_url=SQLITE)], {"storage": "sqlite", "storage_url": SQLITE}),
        ([layer(storage_url="acme:///x")], {"storage": "acme", "storage_url": "acme:///x"}),
        ([layer(db_path="a.db")], {"storage": "sqlite", "db_path": "a.db"}),
        ([layer(storage="acme", storage_url=POSTGRES)], {"storage": "acme", "storage_url": POSTGRES}),
        # What fits goes together.
        ([layer(storage="postgres"), layer(storage_url=POSTGRES)], {"storage": "postgres", "storage_url": POSTGRES}),
        ([layer(storage_url=POSTGRES), layer(storage="postgres")], {"storage": "postgres", "storage_url": POSTGRES}),
        ([layer(storage="sqlite"), layer(), layer(db_path="a")], {"storage": "sqlite", "db_path": "a"}),
        # What does not is left out.
        ([layer(db_path="a"), layer(storage_url=POSTGRES)], {"storage": "sqlite", "db_path": "a"}),
        ([layer(db_path="a"), layer(storage="postgres")], {"storage": "sqlite", "db_path": "a"}),
        ([layer(storage="sqlite"), layer(storage_url=POSTGRES)], {"storage": "sqlite"}),
        ([layer(storage="memory"), layer(db_path="a")], {"storage": "memory"}),
        ([layer(storage="acme"), layer(db_path="a")], {"storage": "acme"}),
        ([layer(storage_url=SQLITE), layer(db_path="b")], {"storage": "sqlite", "storage_url": SQLITE}),
        (
            [layer(storage="postgres"), layer(db_path="a"), layer(storage_url=POSTGRES)],
            {"storage": "postgres", "storage_url": POSTGRES},
        ),
    ],
)
def test_what_lower_layers_say_is_taken_where_it_fits(layers: list[Layer], chosen: dict[str, str]) -> None:
    assert {name: given.value for name, given in storage_place(layers).chosen.items()} == chosen


def test_what_is_left_out_is_told() -> None:
    place = storage_place([layer(db_path="a"), layer(storage="postgres", storage_url=POSTGRES)])
    assert [(name, given.value) for name, given in place.unused] == [("storage", "postgres"), ("storage_url", POSTGRES)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (layer(storage="sqlite", storage_url=POSTGRES), "--storage_url is for postgres, and --storage says sqlite"),
        (layer(storage="sqlite", storage_url="acme:///x"), "--storage_url is for acme, and --storage says sqlite"),
        (layer(storage="memory", db_path="a"), "--db_path is for sqlite, and --storage says memory"),
        (layer(storage="acme", db_path="a"), "--db_path is for sqlite, and --storage says acme"),
        (layer(storage_url=SQLITE, db_path="a"), "--storage_url and --db_path both say where the storage is"),
        (layer(storage_url="a.db"), "--storage_url: the URL of a storage begins with its scheme"),
    ],
)
def test_a_contradiction_within_one_layer_is_an_error(given: Layer, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        storage_place([given])
