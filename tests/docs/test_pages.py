"""Every snippet of the documentation does what it shows."""

import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batchor_testkit.postgres_server import postgres_url  # noqa: F401  a fixture

_REPOSITORY = Path(__file__).parents[2]
_FENCE = re.compile(
    r"^```(?P<language>\w+)(?: \{(?P<attributes>[^}\n]*)\})?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_COMMANDS = ("batchor ", "python -m pytest ", "python examples/")


@dataclass(frozen=True)
class Snippet:
    """A fenced block.

    Its attributes may be `title="name.py"`: it is also saved under that name; `raises="SomeError"`: it must raise
    that; `not-run="why"`: it cannot be run here.
    """

    page: Path
    line: int
    language: str
    attributes: dict[str, str]
    code: str

    @property
    def is_command(self) -> bool:
        return self.language == "bash" and any(line.startswith(_COMMANDS) for line in self.code.splitlines())

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def _snippets_of(page: Path) -> Iterator[Snippet]:
    text = page.read_text()
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        attributes = dict(_ATTRIBUTE.findall(match["attributes"] or ""))
        yield Snippet(page, line, match["language"], attributes, match["code"])


def _run_page(page: Path, folder: Path) -> int:
    """Run the page's Python, which shares its names, and its commands, in *folder*; how many snippets were run."""
    names: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    for snippet in _snippets_of(page):
        if "not-run" in snippet.attributes:
            continue
        if snippet.language == "python":
            _run_python(snippet, names, folder)
        elif snippet.is_command:
            _run_command(snippet.code, folder, place=snippet.place)
        else:
            continue
        number += 1
    return number


def _run_command(command: str, folder: Path, *, place: str) -> str:
    """Run shell lines; what they write to stdout."""
    done = subprocess.run(
        ["bash", "-eu", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{place}: exit code {done.returncode}\n{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _run_python(snippet: Snippet, names: dict[str, Any], folder: Path) -> None:
    if "title" in snippet.attributes:
        (folder / snippet.attributes["title"]).write_text(snippet.code)
    # The empty lines let a traceback name the page's own line.
    code = compile("\n" * (snippet.line - 1) + snippet.code, str(snippet.page), "exec")
    expected = snippet.attributes.get("raises")
    try:
        exec(code, names)  # noqa: S102  the project's own pages
    except Exception as error:
        if type(error).__name__ != expected:
            raise
    else:
        assert expected is None, f"{snippet.place} did not raise {expected}"


_WRITTEN = ("README.md", "CONTRIBUTING.md", "examples/README.md", "examples/birdstrikes/README.md")
_PAGES = [_REPOSITORY / name for name in _WRITTEN] + sorted((_REPOSITORY / "docs").rglob("*.md"))
_PAGES_WITH_CODE = [
    page for page in _PAGES if any(snippet.language == "python" or snippet.is_command for snippet in _snippets_of(page))
]


@pytest.fixture
def page_folder(reader_folder: Path) -> Iterator[Path]:
    """The reader's folder; modules that a page writes into it are forgotten afterwards, for pages share names."""
    yield reader_folder
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(reader_folder):
            del sys.modules[name]


# A page ends without closing what a program would close by ending.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("page", _PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(_REPOSITORY)))
def test_what_a_page_shows_works_when_it_is_followed(
    page: Path, page_folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "PostgresStorage()" in page.read_text():
        # As the page tells its readers to.
        monkeypatch.setenv("BATCHOR_STORAGE_URL", request.getfixturevalue("postgres_url"))
        monkeypatch.setenv("BATCHOR_ARTIFACTS", str(page_folder / "shared" / "artifacts"))
    assert _run_page(page, page_folder) > 0
    gc.collect()


def test_a_snippet_that_is_not_run_says_why_and_is_rare() -> None:
    reasons = [
        snippet.attributes["not-run"]
        for page in _PAGES
        for snippet in _snippets_of(page)
        if "not-run" in snippet.attributes
    ]
    assert all(len(reason) > 10 for reason in reasons)
    assert len(reasons) <= 3
