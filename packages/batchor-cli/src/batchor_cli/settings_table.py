"""The settings for people: each with its value and who decided it."""

from collections.abc import Mapping
from typing import Any

from batchor_cli.terminal import printable


def settings_table(document: Mapping[str, Any]) -> str:
    """The lines of *document*, as `settings_document` makes it; nothing in them can command a terminal."""
    settings = {name: (_text(each["value"]), _origin(each)) for name, each in document["settings"].items()}
    provider = {name: (_text(value), "") for name, value in document["provider"].items()}
    rows = {"setting": ("value", "from"), **settings, "": ("", ""), **provider}
    first, second = (max(map(len, column)) for column in (rows, [value for value, _ in rows.values()]))
    lines = [f"{name:<{first}}  {value:<{second}}  {origin}" for name, (value, origin) in rows.items()]
    lines += [f"not used: {each['setting']} from {_origin(each)}" for each in document["unused"]]
    return "\n".join(printable(line).rstrip() for line in lines)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "unset" if value is None else str(value).replace("\n", "\\n")


def _origin(each: Mapping[str, str | None]) -> str:
    parts = [each["origin"], each["name"], each["path"] and f"in {each['path']}"]
    return " ".join(part.replace("\n", "\\n") for part in parts if part)
