"""`batchor.toml`: where it is looked for, what it may say, and what is answered to all else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from batchor.config_file import ConfigFile, find_config_file, read_config_file
from batchor_core.errors import ConfigurationError

HARMLESS = """
storage = "sqlite"
db_path = "runs/state.sqlite3"
artifacts = "runs/files"
lease_ttl_s = 5
db_must_exist = true
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the home of a user."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    return folder


def found(folder: Path, text: str) -> ConfigFile:
    (folder / "batchor.toml").write_text(text)
    return ConfigFile(folder / "batchor.toml", is_chosen=False)


def chosen(folder: Path, text: str) -> ConfigFile:
    return ConfigFile(found(folder, text).path, is_chosen=True)


def values(file: ConfigFile) -> dict[str, object]:
    return {name: given.value for name, given in read_config_file(file).items()}


class TestFinding:
    def test_the_nearest_file_is_found(self, project: Path) -> None:
        (project / "batchor.toml").touch()
        deep = project / "a" / "b"
        deep.mkdir(parents=True)
        assert find_config_file(deep) == ConfigFile(project / "batchor.toml", is_chosen=False)
        (deep.parent / "batchor.toml").touch()
        assert find_config_file(deep) == ConfigFile(deep.parent / "batchor.toml", is_chosen=False)

    def test_the_root_of_a_repository_is_the_last_place(self, project: Path) -> None:
        (project.parent / "batchor.toml").touch()
        (project / "src").mkdir()
        (project / ".git").mkdir()
        assert find_config_file(project / "src") is None
        (project / "batchor.toml").touch()
        assert find_config_file(project / "src") is not None

    def test_the_home_folder_is_the_last_place_elsewhere(self, project: Path) -> None:
        (project.parents[1] / "batchor.toml").touch()
        assert find_config_file(project) is None
        (project.parent / "batchor.toml").touch()
        assert find_config_file(project) == ConfigFile(project.parent / "batchor.toml", is_chosen=False)

    def test_nothing_is_looked_for_above_a_folder_of_nobody(self, project: Path) -> None:
        outside = project.parents[1] / "shared" / "a"
        outside.mkdir(parents=True)
        (outside.parent / "batchor.toml").touch()
        assert find_config_file(outside) is None
        assert find_config_file(outside.parent) is not None

    def test_a_repository_outside_of_the_home_folder_is_looked_through(self, project: Path) -> None:
        clone = project.parents[1] / "clone"
        (clone / "src").mkdir(parents=True)
        (clone / ".git").touch()  # a file, in a worktree
        (clone / "batchor.toml").touch()
        assert find_config_file(clone / "src") is not None


class TestReading:
    def test_paths_are_relative_to_the_file(self, project: Path) -> None:
        assert values(found(project, HARMLESS)) == {
            "storage": "sqlite",
            "db_path": str(project / "runs" / "state.sqlite3"),
            "artifacts": str(project / "runs" / "files"),
            "lease_ttl_s": 5,
            "db_must_exist": True,
        }

    def test_the_path_in_a_url_is_relative_to_the_file_too(self, project: Path) -> None:
        folder = project / "50% off?"
        folder.mkdir()
        (url,) = values(found(folder, 'storage_url = "sqlite:///a.db"')).values()
        assert url == f"sqlite:///{project}/50%25%20off%3F/a.db"

    def test_each_value_knows_its_file_and_key(self, project: Path) -> None:
        (given,) = read_config_file(found(project, "concurrency = 2")).values()
        assert str(given.origin) == f"{project / 'batchor.toml'}: concurrency"

    def test_a_chosen_file_may_name_other_machines_and_folders(self, project: Path) -> None:
        text = 'storage_url = "postgresql://me@host/db"\nartifacts = "s3://bucket/runs"\n'
        assert values(chosen(project, text)) == {
            "storage_url": "postgresql://me@host/db",
            "artifacts": "s3://bucket/runs",
        }
        assert values(chosen(project, 'db_path = "../a.db"')) == {"db_path": str(project / ".." / "a.db")}


REFUSED_WHERE_FOUND = [
    ('storage_url = "postgresql://host/db"', "names no other machine"),
    ('storage_url = "postgresql:///db?host=elsewhere"', "names no other machine"),
    ('storage_url = "acme:///x"', "names no other machine"),
    ('artifacts = "s3://bucket/runs"', "names no other machine"),
    ('db_path = "/etc/runs.db"', "leads out of"),
    ('db_path = "../runs.db"', "leads out of"),
    ('artifacts = "link/files"', "leads out of"),
    ('storage_url = "sqlite:////etc/runs.db"', "leads out of"),
]


@pytest.mark.parametrize(("line", "says"), REFUSED_WHERE_FOUND)
def test_a_found_file_stays_in_its_folder(project: Path, line: str, says: str) -> None:
    (project / "link").symlink_to(project.parent)
    with pytest.raises(
        ConfigurationError, match=rf"batchor\.toml, line 2: '\w+': .*{says}.*; set BATCHOR_\w+, or name"
    ):
        read_config_file(found(project, f"concurrency = 2\n{line}\n"))


@pytest.mark.parametrize("kind", [found, chosen])
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('api_key = "canary"', "'api_key': secrets do not belong into a file; set OPENAI_API_KEY"),
        ('OPENAI_API_KEY = "canary"', "secrets do not belong into a file"),
        ('storage_url = "postgresql://me:canary@host/db"', "'storage_url': the URL holds a password.*BATCHOR_STORAGE_URL"),
        ('artifacts = "s3://bucket?secret=canary"', "'artifacts': the URL holds a secret"),
        ("storage_url = 7", r"'storage_url': Input should be a valid string, not \*\*\*"),
        ("concurency = 8", "'concurency': no such setting; did you mean concurrency?"),
        ("BATCHOR_CONCURRENCY = 8", "did you mean concurrency?"),
        ('prompt = "x"', "no such setting; there are: storage, storage_url, "),
        ('[tool]\nmodule = "os:system"', "'tool': no such setting"),
        ('concurrency = "8"', "'concurrency': Input should be a valid integer, not '8'"),
        ("concurrency = 0", "'concurrency': Input should be greater than or equal to 1, not 0"),
        ("lease_ttl_s = nan", "'lease_ttl_s': Input should be a finite number"),
        ("db_must_exist = 1", "'db_must_exist': Input should be a valid boolean"),
        ("db_path = 2026-04-03", "'db_path':.*not datetime.date"),
        ("storage = ['sqlite']", "'storage': Input should be a valid string"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_line(
    project: Path, kind: Callable[[Path, str], ConfigFile], line: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"batchor\.toml, line 3: .*{says}") as caught:
        read_config_file(kind(project, f"# settings\n\n{line}\n"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"storage = \n", r"is no TOML: .*line 1, column 11"),
        (b"storage = 'a'\nstorage = 'b'\n", "is no TOML: .*line 2"),
        (b"a = " + b"[" * 20_000, "is no TOML"),
        (b"storage = '\xff'\n", "byte 11 is no UTF-8"),
        (b"#" * 70_000, "65,536 bytes are enough"),
    ],
)
def test_what_is_no_file_of_settings_is_refused(project: Path, content: bytes, says: str) -> None:
    path = project / "batchor.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=says):
        read_config_file(ConfigFile(path, is_chosen=False))


def test_a_file_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: the settings cannot be read \(No such file"):
        read_config_file(ConfigFile(project / "nowhere.toml", is_chosen=True))


def test_an_empty_file_sets_nothing() -> None:
    assert values(ConfigFile(Path("/dev/null"), is_chosen=True)) == {}
