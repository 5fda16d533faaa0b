"""Who may read and write the folders and files of a store."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batchor_core.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class Access:
    """The modes of what is made, and whether a folder of a group will do as the root."""

    folder_mode: int
    file_mode: int
    shared_with_group: bool

    def check_root(self, root: Path, status: os.stat_result) -> None:
        """`ArtifactError` when somebody could write there who shouldn't."""
        others = stat.S_IWOTH if self.shared_with_group else stat.S_IWGRP | stat.S_IWOTH
        if self._is_ours(status) and not status.st_mode & others:
            return
        if self.shared_with_group:
            raise ArtifactError(
                f"the artifact folder {root} is neither your own nor that of one of your groups, or everybody can write "
                f"there; give it to the group that shares it (chgrp GROUP, chmod {self.folder_mode:o}), "
                "or give another folder"
            )
        raise ArtifactError(
            f"the artifact folder {root} can be written by other users; make it your own with mode 0700 (chown, "
            "chmod 700), or give another folder; a group that is to share it needs shared_with_group=True"
        )

    def check_file(self, root: Path, name: str, status: os.stat_result) -> None:
        """`ArtifactError` when its owner could change it behind our back."""
        if self.shared_with_group or status.st_uid == os.geteuid():
            return
        raise ArtifactError(
            f"the file of artifact {name!r} in {root} belongs to another user; "
            "give it to the user that runs batchor (chown), or start a new run"
        )

    def give_folder(self, descriptor: int) -> None:
        """Let the group into a folder of ours: the umask kept it out when it was made, by us or by a killed process."""
        if not self.shared_with_group:
            return
        status = os.fstat(descriptor)
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != self.folder_mode:
            os.fchmod(descriptor, self.folder_mode)

    def give_file(self, descriptor: int) -> None:
        if self.shared_with_group:
            os.fchmod(descriptor, self.file_mode)

    def _is_ours(self, status: os.stat_result) -> bool:
        return status.st_uid == os.geteuid() or (self.shared_with_group and status.st_gid in _groups())


OWNER_ONLY = Access(folder_mode=0o700, file_mode=0o600, shared_with_group=False)
# Set-group-id: what is made within belongs to the folder's group, whoever makes it.
GROUP = Access(folder_mode=0o2770, file_mode=0o660, shared_with_group=True)


def _groups() -> Sequence[int]:
    return [os.getegid(), *os.getgroups()]
