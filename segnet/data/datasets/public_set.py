"""Where a public set lies, where it comes from, and what to say where it is not there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segnet.data.download import Archive, fetch
from segnet.errors import UserError


@dataclass(frozen=True)
class PublicSet:
    """A public set.

    Attributes:
        name: of the set.
        page: where it is offered.
        needed: a file or folder that it has.
        inside: folders below the user's that are tried too, which archives unpack to.
        archives: what is downloaded, if it may be; empty where it may not.
        reason: why it is not downloaded.
        setting: that names the folder.
    """

    name: str
    page: str
    needed: str
    inside: Sequence[str] = ()
    archives: Sequence[Archive] = ()
    reason: str = ""
    setting: str = "data.root"

    def find(self, root: str | Path, download: bool = False) -> Path:
        """Return where the set lies: in ``root``, or in the folder that its archive unpacks to.

        Args:
            root: the folder that the user names.
            download: fetch what is not there.

        Raises:
            UserError: it is not there; or see :func:`segnet.data.download.fetch`.
        """
        root = Path(root)
        place = self._place(root)
        if place is None and download:
            self.fetch(root)
            place = self._place(root)
        if place is None:
            fetching = ", or fetch it with data.download=true" if self.archives else ""
            raise UserError(
                f"no {self.name} in {root.absolute()} ({self.needed} is missing): get it from {self.page}, unpack it, "
                f"set {self.setting}=FOLDER or name its parent in SEGNET_DATA{fetching}"
            )
        return place

    def fetch(self, root: Path) -> None:
        """Download the set into ``root``.

        Raises:
            UserError: it may not be downloaded; or see :func:`segnet.data.download.fetch`.
        """
        if not self.archives:
            raise UserError(
                f"{self.name} is not downloaded, because {self.reason}: get it from {self.page}, and unpack it into "
                f"{root.absolute()}"
            )
        fetch(self.name, self.archives, root, lambda: self._place(root) is not None)

    def _place(self, root: Path) -> Path | None:
        places = (root, *(root / folder for folder in self.inside))
        return next((place for place in places if (place / self.needed).exists()), None)
