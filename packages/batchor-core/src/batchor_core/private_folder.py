"""Folders for their owner alone."""

from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """Make *folder* and what is missing above it, each with mode 0700. `OSError` when one can't be made."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)  # one by one: mkdir's parents would get the mode of the umask
    folder.mkdir(mode=0o700, exist_ok=True)
