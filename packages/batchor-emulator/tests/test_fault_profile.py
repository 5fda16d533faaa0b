from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batchor_emulator import PRESETS, EmulatorProcess, EmulatorStartError, FaultProfile, FaultProfileError
from batchor_emulator.faults.flags import FLAGS, profile_of_flag
from batchor_emulator.faults.profile import merged, read_profile, write_profile
from batchor_emulator.faults.row_fault import RowFaultKind

_README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize(
    ("profile", "complaint"),
    [
        ({"calls": [{"action": "drop", "status": 1}]}, r"unknown field `status` - at `\$.calls\[0\]`"),
        ({"calls": [{"action": "explode"}]}, r"'explode' - at `\$.calls\[0\].action`"),
        ({"calls": [{"action": "status", "status": 200}]}, r">= 400 - at `\$.calls\[0\].status`"),
        ({"calls": [{"action": "delay", "delay_s": -1}]}, r">= 0.0 - at `\$.calls\[0\].delay_s`"),
        ({"batches": [{"outcome": {"type": "fail", "at_share": 1}}]}, r"unknown field `at_share`"),
        ({"batches": [{"share": 1.5}]}, r"<= 1.0 - at `\$.batches\[0\].share`"),
        ({"rows": [{"kind": "odd"}]}, r"'odd' - at `\$.rows\[0\].kind`"),
        ({"rows": [{}]}, r"missing required field `kind`"),
        ({"seeds": 1}, r"unknown field `seeds`"),
    ],
)
def test_a_profile_with_a_fault_of_its_own_is_refused_with_its_place(profile: dict[str, Any], complaint: str) -> None:
    with pytest.raises(FaultProfileError, match=complaint):
        read_profile(profile, name="a.json")
    with pytest.raises(FaultProfileError, match=f"a.json is no fault profile.*{complaint}"):
        read_profile(json.dumps(profile), name="a.json")
    with pytest.raises(FaultProfileError, match=complaint):
        EmulatorProcess(faults=profile)


def test_bytes_that_are_no_json_are_refused() -> None:
    for data in (b"", b"{", b"\xff", b"[]"):
        with pytest.raises(FaultProfileError, match=r"a\.json is no fault profile"):
            read_profile(data, name="a.json")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_its_json(name: str) -> None:
    assert read_profile(write_profile(PRESETS[name]), name=name) == PRESETS[name]


def test_an_unknown_preset_is_refused_with_the_names() -> None:
    with pytest.raises(FaultProfileError, match=r"'calm'.*flaky-network"):
        EmulatorProcess(faults="calm")


_CALL_FLAGS = (
    "drop", "act-then-drop", "server-error", "act-then-500", "bad-gateway", "rate-limit", "long-rate-limit", "quota",
    "bad-key", "not-found", "delay", "act-then-delay", "truncate", "truncate-silently", "slow",
)  # fmt: skip
_BATCH_FLAGS = (
    "fail", "expire", "cancel", "stick", "vanish", "null-counts", "zero-counts", "wrong-counts", "no-output-file",
    "no-error-file", "empty-error-file", "blank-error-id", "no-finalizing", "unknown-statuses",
)  # fmt: skip


@pytest.mark.parametrize("name", _CALL_FLAGS)
def test_a_flag_of_calls_says_which_and_how_many(name: str) -> None:
    (once,) = profile_of_flag(name).calls
    (thrice,) = profile_of_flag(f"{name}=files.retrieve@3x").calls
    (some,) = profile_of_flag(f"{name}=@5%").calls
    assert (once.count, once.share) == (1, 1)
    assert (thrice.on, thrice.count) == ("files.retrieve", 3)
    assert (some.on, some.count, some.share) == (once.on, None, 0.05)


@pytest.mark.parametrize("name", _BATCH_FLAGS)
def test_a_flag_of_batches_says_how_many(name: str) -> None:
    at = "@" if name in ("expire", "cancel", "stick") else ""
    (twice,) = profile_of_flag(f"{name}={at}2x").batches
    (some,) = profile_of_flag(f"{name}={at}5%").batches
    assert (twice.count, twice.share) == (2, 1)
    assert (some.count, some.share) == (None, 0.05)


@pytest.mark.parametrize("name", _BATCH_FLAGS)
def test_a_flag_of_batches_without_a_value_strikes_one_when_it_harms_and_all_when_it_only_shows(name: str) -> None:
    (fault,) = profile_of_flag(name).batches
    assert fault.count == (1 if name in ("fail", "expire", "cancel", "stick", "vanish") else None)


@pytest.mark.parametrize("kind", RowFaultKind)
def test_a_flag_of_rows_says_their_share(kind: RowFaultKind) -> None:
    (fault,) = profile_of_flag(f"{kind}=2%").rows
    assert (fault.kind, fault.share) == (kind, 0.02)


def test_flags_of_the_server_have_plain_values() -> None:
    flags = ("list-lag=2.5", "file-lag=1", "foreign=7", "enqueued-tokens=100", "uuid-ids", "no-files-list")
    whole = merged(profile_of_flag(flag) for flag in flags)
    assert (whole.list_lag_s, whole.file_lag_s, whole.foreign_batches_per_create) == (2.5, 1, 7)
    assert (whole.enqueued_token_limit, whole.ids) == (100, "uuid")
    assert [fault.on for fault in whole.calls] == ["files.list"]


def test_every_flag_is_tested_here() -> None:
    server = {"list-lag", "file-lag", "foreign", "enqueued-tokens", "uuid-ids", "no-files-list"}
    assert FLAGS.keys() == {*_CALL_FLAGS, *_BATCH_FLAGS, *RowFaultKind, *server}


@pytest.mark.parametrize(
    "flag", ["nonsense", "lost", "lost=2", "lost=200%", "drop=*@x", "drop=*@0x", "list-lag=soon", "expire=half"]
)
def test_a_bad_flag_is_refused(flag: str) -> None:
    with pytest.raises(FaultProfileError, match=flag.partition("=")[0]):
        profile_of_flag(flag)


def test_profiles_are_joined() -> None:
    first = FaultProfile(seed=1, rows=profile_of_flag("lost=1%").rows, list_lag_s=1)
    second = FaultProfile(rows=profile_of_flag("garbage=1%").rows, list_lag_s=2)
    assert [fault.kind for fault in merged([first, second]).rows] == ["lost", "garbage"]
    assert (merged([first, second]).seed, merged([first, second]).list_lag_s) == (1, 2)
    assert merged([]) == FaultProfile()


def test_the_command_joins_files_presets_and_flags(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('{"seed": 3, "list_lag_s": 1}')
    arguments = ["--faults", str(file), "--fault-preset=busy-project", "--fault=file-lag=2", "--fault=lost=1%"]
    with EmulatorProcess(arguments=arguments) as process:
        assert _in_force(process) == {
            "seed": 3,
            "list_lag_s": 3.0,
            "file_lag_s": 2.0,
            "foreign_batches_per_create": 120,
            "rows": [{"kind": "lost", "share": 0.01}],
        }
    with EmulatorProcess(arguments=[*arguments, "--fault-seed=9"]) as process:
        assert _in_force(process)["seed"] == 9


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--faults=/nowhere/faults.json", "faults.json cannot be read: No such file"),
        ("--fault-preset=calm", "no fault preset 'calm'"),
        ("--fault=nonsense", "no fault 'nonsense'"),
    ],
)
def test_the_command_refuses_faults_that_it_can_not_read(argument: str, complaint: str) -> None:
    with pytest.raises(EmulatorStartError, match=rf"exit code 2\).*{complaint}"):
        EmulatorProcess(arguments=[argument]).start()


def test_the_help_names_presets_and_flags() -> None:
    command = [sys.executable, "-m", "batchor_emulator", "--help"]
    text = re.sub(r"\s", "", subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert all(name in text for name in [*PRESETS, *FLAGS])


def test_the_readme_names_every_flag_preset_and_field() -> None:
    readme = _README.read_text()
    for name in [*PRESETS, *FLAGS]:
        assert f"`{name}`" in readme or f"`{name}=" in readme, name
    for field in FaultProfile.__struct_fields__:
        assert f"`{field}`" in readme, field


def test_the_profiles_in_the_readme_can_be_read() -> None:
    blocks = re.findall(r"```json\n(.*?)```", _README.read_text(), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert read_profile(block, name="README.md") != FaultProfile()


def _in_force(process: EmulatorProcess) -> dict[str, Any]:
    import httpx2

    shown: dict[str, Any] = httpx2.get(f"{process.url}/emulator/faults").json()
    return shown
