"""The manifests of docs/kubernetes.md, and a namespace in which they are applied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from cutover_shim.configmap_channel import ConfigMapChannel

from tests.kubernetes.control_plane import ControlPlane, Object
from tests.receiver import Heard

DOC = Path(__file__).parents[2] / "docs" / "kubernetes.md"


def manifests() -> list[str]:
    """Return the YAML blocks of the documentation, in order."""
    return re.findall(r"^```yaml\n(.*?)^```", DOC.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


class Shop:
    """The documented objects in a namespace of their own, and the folders that kubelet mounts for service accounts."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.namespace = plane.namespace()
        self.created: list[Object] = []
        for text in manifests():
            self.created += plane.apply(re.sub(r"\bnamespace: shop\b", f"namespace: {self.namespace}", text))
        self.path = f"/api/v1/namespaces/{self.namespace}/configmaps/cutover"

    def mount(self, account: str, token: str | None = None) -> Path:
        """Write token and authority as kubelet mounts them for a service account, and return the folder."""
        folder = self.folder / account
        folder.mkdir(exist_ok=True)
        (folder / "ca.crt").write_bytes(self.plane.ca.read_bytes())
        (folder / "token").write_text(token or self.plane.token(self.namespace, account))
        return folder

    def write(self, text: str) -> None:
        """Change the document as an administrator."""
        self.plane.call("PATCH", self.path, {"data": {"cutover.toml": text}})

    def channel(self, name: str = "cutover", account: str = "orders") -> ConfigMapChannel:
        return ConfigMapChannel(self.namespace, name, account=self.mount(account), env=self.plane.environment())

    @contextmanager
    def watching(self, name: str = "cutover", account: str = "orders") -> Iterator[Heard]:
        """Watch a ConfigMap as an application does; what is heard never contains the token."""
        heard = Heard()
        channel = self.channel(name, account)
        channel.start(heard)
        try:
            yield heard
        finally:
            channel.stop()
            assert (self.folder / account / "token").read_text() not in repr(heard.calls)


def kubeconfig(shop: Shop, account: str, token: str | None = None) -> Path:
    """Return a kubeconfig whose second context, not the current one, is a service account's."""
    file = shop.folder / f"{account}.kubeconfig"
    token = token or shop.plane.token(shop.namespace, account)
    server = {"server": f"https://127.0.0.1:{shop.plane.port}", "certificate-authority": str(shop.plane.ca)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "nobody",
        "clusters": [{"name": "here", "cluster": server}],
        "users": [{"name": "nobody", "user": {"token": "none"}}, {"name": account, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "here", "user": name}} for name in ("nobody", account)],
    }
    file.write_text(yaml.safe_dump(content))
    return file
