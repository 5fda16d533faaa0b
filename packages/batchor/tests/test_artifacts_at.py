from pathlib import Path

from batchor_core.plugins import artifacts_at


def test_artifacts_lie_in_the_folder_that_is_named(tmp_path: Path) -> None:
    with artifacts_at(str(tmp_path / "files")).create("run/a") as file:
        file.write(b"1")
    assert (tmp_path / "files" / "run" / "a").read_bytes() == b"1"
