"""The manifests of packaging/kubernetes.yaml are accepted by the API server, fit together, and contain a valid plan."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
import yaml
from cutover_harness.planning.read import read_plan

from tests.kubernetes.control_plane import ControlPlane, Object

FILE = Path(__file__).parents[2] / "packaging" / "kubernetes.yaml"
OBJECTS: list[Object] = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))


def of_kind(kind: str) -> Object:
    (found,) = [each for each in OBJECTS if each["kind"] == kind]
    return found


def pod() -> Object:
    return dict(of_kind("Job")["spec"]["template"]["spec"])


def in_namespace(text: str, namespace: str) -> str:
    return re.sub(r"\bnamespace: shop\b", f"namespace: {namespace}", text)


def test_every_manifest_is_accepted_with_every_field(control_plane: ControlPlane) -> None:
    namespace = control_plane.namespace()
    created = control_plane.apply(in_namespace(FILE.read_text(encoding="utf-8"), namespace))
    assert [each["kind"] for each in created] == [each["kind"] for each in OBJECTS]
    assert {each["metadata"]["namespace"] for each in OBJECTS} == {"shop"}


def test_a_misspelled_field_is_refused(control_plane: ControlPlane) -> None:
    job = yaml.safe_dump(of_kind("Job")).replace("backoffLimit", "backOffLimit")
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        control_plane.apply(in_namespace(job, control_plane.namespace()))


def test_the_plan_is_valid_and_names_the_configmap_that_the_role_allows(tmp_path: Path) -> None:
    for name, text in of_kind("ConfigMap")["data"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    plan = read_plan(tmp_path / "plan.yaml").plan
    (rule,) = of_kind("Role")["rules"]
    assert [f"shop/{name}" for name in rule["resourceNames"]] == [reached.configmap for reached in plan.reach]
    assert [batch.name for batch in plan.batches] == ["orders"]
    args = pod()["containers"][0]["args"]
    assert args == ["run", "/run/plan/plan.yaml", "--batch", plan.batches[0].name]


def test_the_job_mounts_what_it_uses() -> None:
    volumes = {volume["name"] for volume in pod()["volumes"]}
    for container in (*pod()["initContainers"], *pod()["containers"]):
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) <= volumes
        assert mounts["run"] == "/run/plan"
    assert pod()["serviceAccountName"] == of_kind("ServiceAccount")["metadata"]["name"]
    claims = [
        volume["persistentVolumeClaim"]["claimName"] for volume in pod()["volumes"] if "persistentVolumeClaim" in volume
    ]
    assert claims == [of_kind("PersistentVolumeClaim")["metadata"]["name"]]
    secrets = {mount["mountPath"] for mount in pod()["containers"][0]["volumeMounts"]}
    for text in of_kind("ConfigMap")["data"].values():
        assert all(Path(path).parent.as_posix() in secrets for path in re.findall(r"\$\{file:([^}]+)\}", text))
