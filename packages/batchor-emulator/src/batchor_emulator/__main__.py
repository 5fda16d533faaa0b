"""The command `batchor-emulator`."""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from batchor_emulator.faults.flags import FLAGS, profile_of_flag
from batchor_emulator.faults.presets import PRESETS, preset
from batchor_emulator.faults.profile import FaultProfile, FaultProfileError, merged, read_profile
from batchor_emulator.settings import Limits, Settings, Timing

_LOOPBACK_NAME = "localhost"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments and serve; the exit code is 2 when the server can't start."""
    options = _parser().parse_args(argv)
    if not options.allow_remote and not _is_loopback(options.host):
        return _refuse(
            f"{options.host} can be reached from other machines, and any key is accepted; "
            "use 127.0.0.1, or add --allow-remote"
        )
    return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    from batchor_emulator.server import serve, stop_when_stdin_ends
    from batchor_emulator.state.private_files import StateDirError

    if options.exit_with_stdin:
        stop_when_stdin_ends()
    try:
        serve(_settings(options), host=options.host, port=options.port, ready_file=options.ready_file)
    except (StateDirError, FaultProfileError, OSError) as error:
        return _refuse(str(error))
    return 0


def _refuse(reason: str) -> int:
    sys.stderr.write(f"batchor-emulator: {reason}\n")
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="batchor-emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--state-dir", type=Path, required=True, help="where everything is kept; made when missing")
    parser.add_argument("--ready-file", type=Path, help="gets {url, pid} as JSON once the server listens")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input is closed")
    parser.add_argument("--allow-remote", action="store_true", help="permit a host that is not loopback")
    parser.add_argument("--workers", type=int, default=Settings(Path()).worker_count, help="threads for requests")
    _add_fields(parser.add_argument_group("timing, in seconds"), Timing)
    _add_fields(parser.add_argument_group("limits"), Limits)
    _add_faults(parser.add_argument_group("faults; all that are given are joined"))
    return parser


def _add_faults(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--faults", type=Path, action="append", default=[], metavar="FILE", help="a profile as JSON")
    group.add_argument(
        "--fault-preset", action="append", default=[], metavar="NAME", help=f"a named profile: {', '.join(PRESETS)}"
    )
    group.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help=f"one fault: {', '.join(FLAGS)}"
    )
    group.add_argument("--fault-seed", type=int, help="the seed of all chances (default: the profile's)")


def _add_fields(group: argparse._ArgumentGroup, options: type[Timing | Limits]) -> None:
    for field in dataclasses.fields(options):
        group.add_argument(
            _flag(field.name), type=type(field.default), default=field.default, help="(default: %(default)s)"
        )


def _flag(field_name: str) -> str:
    return f"--{field_name.replace('_', '-')}"


def _settings(options: argparse.Namespace) -> Settings:
    given = vars(options)
    return Settings(
        state_dir=options.state_dir,
        timing=Timing(**{field.name: given[field.name] for field in dataclasses.fields(Timing)}),
        limits=Limits(**{field.name: given[field.name] for field in dataclasses.fields(Limits)}),
        worker_count=options.workers,
        faults=_faults(options),
    )


def _faults(options: argparse.Namespace) -> FaultProfile:
    """The profiles of all flags at once. Raises `FaultProfileError`, and `OSError` for a file."""
    profile = merged(
        [
            *(read_profile(path.read_bytes(), name=str(path)) for path in options.faults),
            *(preset(name) for name in options.fault_preset),
            *(profile_of_flag(text) for text in options.fault),
        ]
    )
    return profile if options.fault_seed is None else structs.replace(profile, seed=options.fault_seed)


def _is_loopback(host: str) -> bool:
    if host == _LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
