"""The manifests of docs/kubernetes.md are accepted by the API server, and fit together."""

from __future__ import annotations

import httpx
import pytest
import yaml
from cutover_shim.configmap_channel import ConfigMapChannel
from cutover_shim.cutover_file import parse

from tests.kubernetes.control_plane import Object
from tests.kubernetes.shop import Shop, manifests


def documented() -> list[Object]:
    return [found for text in manifests() for found in yaml.safe_load_all(text)]


def of_kind(kind: str, name: str) -> Object:
    return next(o for o in documented() if (o["kind"], o["metadata"]["name"]) == (kind, name))


def test_every_manifest_is_accepted_with_every_field(shop: Shop) -> None:
    assert len(shop.created) == len(documented()) >= 10
    assert {found["metadata"]["namespace"] for found in documented()} == {"shop"}


def test_a_misspelled_field_is_refused(shop: Shop) -> None:
    wrong = of_kind("Role", "cutover-reader")
    wrong["metadata"] = {"name": "wrong", "namespace": shop.namespace}
    wrong["rules"][0]["resourceName"] = ["cutover"]
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        shop.plane.apply(yaml.safe_dump(wrong))


def test_the_document_can_be_used(tmp_path: object) -> None:
    text = of_kind("ConfigMap", "cutover")["data"]["cutover.toml"]
    file = parse(text.replace("${file:/etc/automq/password}", "${PASSWORD}"), env={"PASSWORD": "x"})
    assert file.generation == 1


def test_the_deployment_names_what_the_other_manifests_have() -> None:
    pod = of_kind("Deployment", "orders")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert ConfigMapChannel.named(env["CUTOVER_CHANNEL"]).name == "configmap:shop/cutover/cutover.toml"
    account = pod["serviceAccountName"]
    assert account in [subject["name"] for subject in of_kind("RoleBinding", "cutover-reader")["subjects"]]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert env["CUTOVER_FILE"].startswith(f"{mounts['cutover']['mountPath']}/")
    assert not any("subPath" in mount for mount in mounts.values())
    assert "${file:" + mounts["automq"]["mountPath"] in of_kind("ConfigMap", "cutover")["data"]["cutover.toml"]
