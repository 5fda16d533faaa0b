"""What users install: wheels in a clean environment, without the workspace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MEMORY_EXAMPLE = """
import sys
from batchor_core import BatchItem, BatchJob, BatchRunner, PromptParts
from batchor_openai import OpenAIProviderConfig

run = BatchRunner(storage="memory").run_and_wait(
    BatchJob(
        items=[BatchItem(item_id="a", payload="Name the capital of Peru.")],
        build_prompt=lambda item: PromptParts(prompt=item.payload),
        provider_config=OpenAIProviderConfig(model="gpt-4.1", api_key="test", poll_interval_s=0.1),
    )
)
assert run.results()[0].output_text
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"sqlalchemy", "batchor", "batchor_sqlite", "batchor_emulator", "typer"}, loaded
"""

NO_SQLITE = """
from batchor_core import BatchRunner
from batchor_core.errors import MissingPackageError

try:
    BatchRunner()
except MissingPackageError as error:
    assert "pip install batchor-sqlite" in str(error), error
else:
    raise AssertionError("a storage was found")
"""


def uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    uv("build", "--all-packages", "--wheel", "--out-dir", str(folder))
    return folder


@pytest.fixture(scope="module")
def python(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with `pip install batchor-core batchor-openai`, and nothing else."""
    environment = tmp_path_factory.mktemp("clean") / "venv"
    uv("venv", "--python", sys.executable, str(environment))
    interpreter = environment / "bin" / "python"
    install = ("pip", "install", "--python", str(interpreter), "--find-links", str(wheels))
    uv(*install, "batchor-core", "batchor-openai")
    return interpreter


def run(python: Path, script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON", "VIRTUAL"))}
    return subprocess.run(
        [str(python), "-c", script],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_two_packages_run_the_memory_example(python: Path, tmp_path: Path) -> None:
    from batchor_emulator import EmulatorProcess

    with EmulatorProcess() as emulator:
        finished = run(python, MEMORY_EXAMPLE, tmp_path, OPENAI_BASE_URL=emulator.base_url)
    assert finished.returncode == 0, finished.stderr


def test_a_durable_run_names_the_package_that_it_needs(python: Path, tmp_path: Path) -> None:
    finished = run(python, NO_SQLITE, tmp_path)
    assert finished.returncode == 0, finished.stderr


def test_every_wheel_carries_the_licence_and_its_types(wheels: Path) -> None:
    from zipfile import ZipFile

    built = sorted(wheels.glob("*.whl"))
    assert len(built) == len(list((ROOT / "packages").iterdir()))
    for wheel in built:
        names = ZipFile(wheel).namelist()
        assert any(name.endswith("LICENSE") for name in names), wheel.name
        assert any(name.endswith("py.typed") for name in names), wheel.name
