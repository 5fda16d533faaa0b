"""Where runs live, when several origins speak of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from batchor.setting_layers import Given, Layer
from batchor_core.errors import ConfigurationError
from batchor_core.plugins import is_first_party_storage, storage_of_url

STORAGE, URL, PATH = "storage", "storage_url", "db_path"


@dataclass(slots=True)
class StoragePlace:
    """A storage and its place, which fit each other."""

    chosen: dict[str, Given] = field(default_factory=dict)
    unused: list[tuple[str, Given]] = field(default_factory=list)
    """What lower layers said of another storage."""


def storage_place(layers: Sequence[Layer]) -> StoragePlace:
    """Name and place by *layers*, the highest first.

    `--db-path runs.sqlite3` is not undone by a URL of PostgreSQL in the environment, nor does it go with it: what a
    lower layer says is taken only where it fits the higher ones. Within one layer it must fit, or `ConfigurationError`.
    """
    place = StoragePlace()
    for layer in layers:
        _check_layer(layer)
        for setting in (STORAGE, URL, PATH):
            if setting in layer:
                _add(place, setting, layer[setting])
    if STORAGE not in place.chosen and (where := place.chosen.get(URL) or place.chosen.get(PATH)):
        place.chosen[STORAGE] = Given(_storage_of(where, is_url=URL in place.chosen), where.origin)
    return place


def _add(place: StoragePlace, setting: str, given: Given) -> None:
    if setting == STORAGE:
        taken = STORAGE in place.chosen
        fits = all(_fits(given, key, where) for key, where in place.chosen.items() if key != STORAGE)
    else:
        taken = URL in place.chosen or PATH in place.chosen
        named = place.chosen.get(STORAGE)
        fits = named is None or _fits(named, setting, given)
    if taken or not fits:
        place.unused.append((setting, given))
    else:
        place.chosen[setting] = given


def _check_layer(layer: Layer) -> None:
    named, url, path = (layer.get(setting) for setting in (STORAGE, URL, PATH))
    if url is not None and path is not None:
        raise ConfigurationError(f"{url.origin} and {path.origin} both say where the storage is; give one of them")
    for setting, where in ((URL, url), (PATH, path)):
        if named is not None and where is not None and not _fits(named, setting, where):
            implied = _storage_of(where, is_url=setting == URL)
            raise ConfigurationError(
                f"{where.origin} is for {implied}, and {named.origin} says {named.value}; leave one of them out"
            )


def _fits(named: Given, setting: str, where: Given) -> bool:
    name = str(named.value)
    if setting == PATH:
        return name == "sqlite"
    implied = _storage_of(where, is_url=True)
    # A third party's storage may take URLs of any scheme.
    return name == implied or not is_first_party_storage(name)


def _storage_of(where: Given, *, is_url: bool) -> str:
    if not is_url:
        return "sqlite"
    try:
        return storage_of_url(str(where.value))
    except ConfigurationError as error:
        raise ConfigurationError(f"{where.origin}: {error}") from None
