"""Nothing that comes from a file, a database or a provider is run: kept by lint, and by the shape of the code."""

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchor_openai.errors import Refusal, refusal_error, scrub
from batchor_openai.response_codec import decode_line

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for path in ROOT.glob("packages/*/src/**/*.py"))
PRODUCT = [path for path in SOURCES if not {"batchor_emulator", "batchor_testkit"} & set(path.parts)]
UNSAFE_MODULES = frozenset({"pickle", "cPickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle", "jsonpickle"})

SNIPPETS = {
    "S301": "import pickle\n\npickle.loads(b'')\n",
    "S302": "import marshal\n\nmarshal.loads(b'')\n",
    "S307": "eval('1')\n",
    "S102": "exec('1')\n",
    "S306": "import tempfile\n\ntempfile.mktemp()\n",
    "S506": "import yaml\n\nyaml.load('', Loader=yaml.Loader)\n",
    "S602": "import subprocess\n\nsubprocess.run('ls $HOME', shell=True)\n",
    "S608": "def query(name: str) -> str:\n    return f'SELECT * FROM {name} WHERE id = 1'\n",
}


def findings(snippet: str, *, beside: Path) -> set[str]:
    """What the project's lint finds in *snippet*, if it stood in *beside*."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=json", "--stdin-filename", str(beside), "-"],
        cwd=ROOT,
        input=snippet,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return {finding["code"] for finding in json.loads(done.stdout)}


@pytest.mark.parametrize("package", ["batchor-core", "batchor-sql", "batchor-sqlite", "batchor-cli", "batchor-openai"])
def test_lint_refuses_what_runs_or_unpickles_data(package: str) -> None:
    place = ROOT / "packages" / package / "src" / package.replace("-", "_") / "new_module.py"
    snippet = "".join(SNIPPETS.values())
    assert set(SNIPPETS) <= findings(snippet, beside=place)


def test_no_module_imports_what_unpickles() -> None:
    imported = {
        f"{path.name}: {name}"
        for path in SOURCES
        for name in _imports(path)
        if name.partition(".")[0] in UNSAFE_MODULES
    }
    assert imported == set()


def test_no_exception_from_these_rules_is_granted() -> None:
    codes = re.compile(r"noqa:[^#]*\b(S301|S302|S307|S102|S306|S506|S602|S403)\b")
    assert not [str(path) for path in SOURCES if codes.search(path.read_text())]


def test_every_regular_expression_is_a_constant_of_the_code() -> None:
    foreign = [f"{path.name}:{call.lineno}" for path in PRODUCT for call in _patterns_of_others(path)]
    assert foreign == []


def test_a_pattern_that_is_no_constant_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import re\nA = 'a'\nre.compile(A)\nre.search(rf'{A}+', 'x')\n"
        "def f(x):\n    re.match(re.escape(x), 'y')\n    return re.match(x + 'a', 'y'), re.match(x.pattern, 'y')\n"
    )
    assert [call.lineno for call in _patterns_of_others(module)] == [7, 7]


def test_jsonschema_and_other_runners_of_user_patterns_are_not_used() -> None:
    runners = {"jsonschema", "fastjsonschema", "regex", "jsonschema_rs"}
    assert not {name for path in PRODUCT for name in _imports(path) if name.partition(".")[0] in runners}


_MEGABYTES = 8 << 20
HOSTILE_LINES = {
    "an id that never ends": b'"custom_id":"' + b"a" * _MEGABYTES,
    "the beginning of an id again and again": b'"custom_id":"' * (_MEGABYTES // 13),
    "blanks before the colon": (b'"custom_id"' + b" " * 1000) * (_MEGABYTES // 1011),
    "brackets": b"[" * _MEGABYTES,
    "backslashes": b'{"custom_id": "' + b"\\" * _MEGABYTES,
}


@pytest.mark.parametrize("line", HOSTILE_LINES.values(), ids=HOSTILE_LINES)
def test_the_time_for_a_hostile_line_is_bounded(line: bytes) -> None:
    before = time.process_time()
    assert decode_line(line).outcome == "unreadable"
    assert time.process_time() - before < 1.5


@pytest.mark.parametrize("piece", ["a", "*", "a***", "sk-", "bearer ", "could not find ", "\x1b[2J", "(the (the "])
def test_the_time_for_a_hostile_message_is_bounded(piece: str) -> None:
    message = piece * (20_000 // len(piece))
    before = time.process_time()
    error = refusal_error("call", Refusal(400, piece, piece, message, {}), key="sk-canary")
    assert len(str(error)) < 2_000
    assert time.process_time() - before < 1.5


def test_a_message_of_the_provider_commands_no_terminal_and_makes_no_line_of_its_own() -> None:
    shown = scrub("a\x1b[2Jb\nc\rd\x9be\u202ef\u2028g", None)
    assert shown.isprintable()
    assert [part for part in shown if part.isalpha()] == list("aJbcdefg")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def _patterns_of_others(path: Path) -> Iterator[ast.Call]:
    """Calls of `re` whose pattern is neither written there nor made of the module's own constants."""
    tree = ast.parse(path.read_text())
    constants = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name), args=[pattern, *_]) if (
                name != "escape"
            ):
                if not set(_names_in(pattern)) <= constants:
                    yield node


def _names_in(pattern: ast.expr) -> Iterator[str]:
    """The names that a pattern is made of, apart from what is escaped and so stands for itself."""
    if isinstance(pattern, ast.Call) and ast.unparse(pattern.func) == "re.escape":
        return
    if isinstance(pattern, ast.Name):
        yield pattern.id
    for part in ast.iter_child_nodes(pattern):
        if isinstance(part, ast.expr):
            yield from _names_in(part)
