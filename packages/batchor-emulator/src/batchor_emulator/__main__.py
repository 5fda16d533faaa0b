"""The command `batchor-emulator`."""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path

from batchor_emulator.faults.chosen import chosen_faults
from batchor_emulator.faults.flags import flags_described
from batchor_emulator.faults.presets import PRESETS
from batchor_emulator.faults.profile import FaultProfileError
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
    parser = argparse.ArgumentParser(
        prog="batchor-emulator",
        description=__doc__,
        epilog=f"faults for --fault:\n{flags_described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    group.add_argument("--fault", action="append", default=[], metavar="NAME[=VALUE]", help="one fault of those below")
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
        faults=chosen_faults(
            files=options.faults, presets=options.fault_preset, flags=options.fault, seed=options.fault_seed
        ),
    )


def _is_loopback(host: str) -> bool:
    if host == _LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
