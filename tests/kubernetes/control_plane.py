"""A real API server on its etcd, both on 127.0.0.1: RBAC, service accounts, no kubelet and no controllers."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cutover_harness import processes
from cutover_harness.testbed.ports import Ports

from tests.kubernetes import apiserver
from tests.waiting import wait_until

Object = dict[str, Any]
READY_S = 120.0
MERGE = "application/merge-patch+json"


class ControlPlane:
    """`folder` has logs, keys and data. Processes end with this one, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "certificates" / "apiserver.crt"
        self.admin_token = secrets.token_hex(16)
        self._ports = Ports()
        self.port, self._etcd_port = self._ports.take(), self._ports.take()
        self._etcd: processes.Process | None = None
        self._api: processes.Process | None = None
        self._client: httpx.Client | None = None

    def start(self) -> None:
        self._write_credentials()
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._ports.take()}"
        self._etcd = processes.spawn(
            [
                *("etcd", "--data-dir", str(self.folder / "etcd"), "--log-level", "warn"),
                *("--listen-client-urls", client, "--advertise-client-urls", client),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                *("--initial-cluster", f"default={peer}"),
            ],
            stdout=self.folder / "etcd.log",
        )
        self.start_api()

    def start_api(self) -> None:
        key = str(self.folder / "service-accounts.pem")
        self._api = processes.spawn(
            [
                str(apiserver.binary()),
                f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--cert-dir={self.folder / 'certificates'}",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--service-account-issuer=https://localhost",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--authorization-mode=RBAC",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--disable-admission-plugins=ServiceAccount",
            ],
            stdout=self.folder / "apiserver.log",
        )
        wait_until(self._ready, READY_S, state=lambda: processes.tail(self.folder / "apiserver.log"))

    def kill_api(self) -> None:
        """End the API server as a crash does; etcd, and with it every object, stays."""
        assert self._api is not None
        self._api.kill()

    def freeze_api(self) -> None:
        """Let it accept connections and answer none, until `thaw_api`."""
        assert self._api is not None
        self._api.freeze()

    def thaw_api(self) -> None:
        assert self._api is not None
        self._api.thaw()

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
        for process in (self._api, self._etcd):
            if process is not None:
                process.kill()  # nothing of theirs is needed any more
        self._ports.release()

    def call(self, method: str, path: str, body: Object | None = None, *, patch: str = MERGE) -> Object:
        """Call the API as an administrator, and return the object. Raises httpx.HTTPStatusError."""
        headers = {"Content-Type": patch if method == "PATCH" else "application/json"}
        answer = self._administrator().request(method, path, json=body, headers=headers)
        return dict(answer.raise_for_status().json())

    def text(self, path: str) -> str:
        """Return the text of an answer to an administrator."""
        return self._administrator().get(path).raise_for_status().text

    def apply(self, manifests: str) -> list[Object]:
        """Create the objects of a YAML text, checking every field, and return them."""
        created = []
        for manifest in yaml.safe_load_all(manifests):
            group, kind = manifest["apiVersion"], f"{manifest['kind'].lower()}s"
            root = f"/apis/{group}" if "/" in group else f"/api/{group}"
            path = f"{root}/namespaces/{manifest['metadata']['namespace']}/{kind}?fieldValidation=Strict"
            created.append(self.call("POST", path, manifest))
        self.await_rights(created)
        return created

    def await_rights(self, created: list[Object]) -> None:
        """Return when the roles among these objects have taken effect: the API server hears of them a moment later."""
        roles = {each["metadata"]["name"]: each for each in created if each.get("kind") == "Role"}
        for binding in [each for each in created if each.get("kind") == "RoleBinding"]:
            role = roles.get(binding["roleRef"]["name"])
            if role is not None:
                for subject in binding["subjects"]:
                    wait_until(lambda s=subject, r=role: all(self._reviews(s, r)), 30)  # type: ignore[misc]

    def _reviews(self, subject: Object, role: Object) -> Iterator[bool]:
        """Return for each right of a role whether the service account `subject` has it."""
        namespace = role["metadata"]["namespace"]
        user = f"system:serviceaccount:{subject.get('namespace', namespace)}:{subject['name']}"
        for rule in role["rules"]:
            for verb, resource in itertools.product(rule["verbs"], rule["resources"]):
                wanted = {"namespace": namespace, "verb": verb, "resource": resource, "group": rule["apiGroups"][0]}
                name = {"name": rule["resourceNames"][0]} if rule.get("resourceNames") else {}
                spec = {"user": user, "resourceAttributes": wanted | name}
                review = self.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
                yield bool(review["status"]["allowed"])

    def namespace(self) -> str:
        """Create a namespace, and return its name."""
        made = self.call("POST", "/api/v1/namespaces", {"metadata": {"generateName": "shop-"}})
        return str(made["metadata"]["name"])

    def account(self, namespace: str, name: str) -> Object:
        return self.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})

    def token(self, namespace: str, account: str, *, bound_to: Object | None = None) -> str:
        """Return a token of a service account, as kubelet gets it; with a secret, it is valid while that exists."""
        spec: Object = {"expirationSeconds": 3600}
        if bound_to is not None:
            names = {key: bound_to["metadata"][key] for key in ("name", "uid")}
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Secret", **names}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.call("POST", path, {"spec": spec})["status"]["token"])

    def environment(self) -> dict[str, str]:
        """Return the variables that kubelet sets in every container."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}

    def log(self) -> str:
        return (self.folder / "apiserver.log").read_text(errors="replace")

    def _administrator(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                base_url=f"https://127.0.0.1:{self.port}",
                headers={"Authorization": f"Bearer {self.admin_token}"},
                verify=_trusting(self.ca),
                timeout=30,
            )
        return self._client

    def _ready(self) -> bool:
        assert self._api is not None
        assert self._api.running, processes.tail(self.folder / "apiserver.log")
        try:
            return self.ca.exists() and self._administrator().get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _write_credentials(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        for name, content in (
            ("service-accounts.pem", key),
            ("tokens.csv", f"{self.admin_token},admin,admin,system:masters\n".encode()),
        ):
            with os.fdopen(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(content)


def _trusting(ca: Path) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(ca))
