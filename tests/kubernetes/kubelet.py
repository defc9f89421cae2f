"""What a kubelet does with mounted ConfigMaps: a folder that changes late, by a link, and a file that never does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.kubernetes.control_plane import Object
from tests.kubernetes.shop import Shop


@dataclass
class Mount:
    """The volume of one pod. `folder` is mounted as a whole, `sub_path` is a single file of it."""

    folder: Path
    sub_path: Path
    annotations: Object = field(default_factory=dict)
    swaps: int = 0


class Kubelet:
    """Mounts the ConfigMap of a shop. Nothing is refreshed until the test says that its time has come."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._mounts: dict[str, Mount] = {}

    def start(self, pod: str) -> Mount:
        """Mount the present content for a pod that starts."""
        root = self._shop.folder / pod
        mount = Mount(root / "volume", root / "cutover.toml")
        mount.folder.mkdir(parents=True)
        self._swap(mount)
        (mount.folder / "cutover.toml").symlink_to("..data/cutover.toml")
        mount.sub_path.write_bytes((mount.folder / "cutover.toml").read_bytes())  # a bind mount of what was there
        mount.annotations = self._annotations(pod)
        self._mounts[pod] = mount
        return mount

    def sync(self) -> None:
        """Refresh every folder: the sync period is over."""
        for mount in self._mounts.values():
            self._swap(mount)

    def sync_changed_pods(self) -> list[str]:
        """Refresh the folders of the pods that have changed since they were looked at, and return their names."""
        changed = [pod for pod, mount in self._mounts.items() if self._annotations(pod) != mount.annotations]
        for pod in changed:
            self._mounts[pod].annotations = self._annotations(pod)
            self._swap(self._mounts[pod])
        return changed

    def _annotations(self, pod: str) -> Object:
        path = f"/api/v1/namespaces/{self._shop.namespace}/pods?fieldSelector=metadata.name%3D{pod}"
        found = self._shop.plane.call("GET", path)["items"]
        return dict(found[0]["metadata"].get("annotations") or {}) if found else {}

    def _swap(self, mount: Mount) -> None:
        """As kubelet's atomic writer: a new folder, a new link, and a rename of the link over the old one."""
        mount.swaps += 1
        version = mount.folder / f"..{mount.swaps}"
        version.mkdir()
        for name, text in self._shop.plane.call("GET", self._shop.path)["data"].items():
            (version / name).write_text(text, encoding="utf-8")
        link = mount.folder / "..data_tmp"
        link.symlink_to(version.name)
        old = (mount.folder / "..data").readlink() if mount.swaps > 1 else None
        link.rename(mount.folder / "..data")
        if old is not None:
            for file in (mount.folder / old).iterdir():
                file.unlink()
            (mount.folder / old).rmdir()
