"""The conductor's writer of a ConfigMap on a real API server, with the documented rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cutover_harness.channels import kubernetes_api
from cutover_harness.channels.base import ChannelError, OvertakenError
from cutover_harness.channels.configmap import ANNOTATION, ConfigMapWriter
from cutover_harness.errors import UsageError

from tests.kubernetes.control_plane import ControlPlane, Object
from tests.kubernetes.kubelet import Kubelet
from tests.kubernetes.shop import Shop, kubeconfig

Rules = list[Object]


@pytest.fixture
def writer(shop: Shop) -> Iterator[ConfigMapWriter]:
    found = open_writer(shop, "conductor")
    yield found
    found.close()


def open_writer(shop: Shop, account: str, name: str = "cutover", **options: Any) -> ConfigMapWriter:
    file = kubeconfig(shop, account)
    return ConfigMapWriter(shop.namespace, name, kubeconfig=file, context=account, **options)


def account(shop: Shop, name: str, rules: Rules) -> None:
    """Create a service account with these rights."""
    shop.plane.account(shop.namespace, name)
    root = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{shop.namespace}"
    role = shop.plane.call("POST", f"{root}/roles", {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": shop.namespace}],
    }
    bound = shop.plane.call("POST", f"{root}/rolebindings", binding)
    shop.plane.await_rights([role, bound])


def rule(*verbs: str, names: tuple[str, ...] = ("cutover",)) -> Object:
    found: Object = {"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}
    return {**found, "resourceNames": list(names)} if names else found


def stored(shop: Shop) -> Object:
    return shop.plane.call("GET", shop.path)


def test_read_and_replace_with_the_documented_rights(shop: Shop, writer: ConfigMapWriter) -> None:
    shop.plane.call("PATCH", shop.path, {"data": {"other": "stays"}, "metadata": {"labels": {"a": "b"}}})
    before = writer.read()
    assert before is not None
    assert before.startswith("generation = 1")
    writer.write("generation = 2 # é", replaces=before)
    writer.write("generation = 2 # é", replaces=before)  # it is there already
    assert writer.read() == "generation = 2 # é"
    assert stored(shop)["data"] == {"cutover.toml": "generation = 2 # é", "other": "stays"}
    assert stored(shop)["metadata"]["labels"] == {"a": "b"}


def test_another_writers_document_is_not_replaced(shop: Shop, writer: ConfigMapWriter) -> None:
    before = writer.read()
    shop.write("generation = 2 # another's")
    with pytest.raises(OvertakenError, match="has changed since it was read"):
        writer.write("generation = 2", replaces=before)
    with pytest.raises(OvertakenError):
        writer.write("generation = 2", replaces=None)
    assert writer.read() == "generation = 2 # another's"


def while_it_writes(writer: ConfigMapWriter, monkeypatch: pytest.MonkeyPatch, act: Any, times: int = 1) -> list[int]:
    """Act between the writer's reading and its patch, and return the list that counts it."""
    patch, done = writer._api.patch, list[int]()

    def patched(path: str, body: Object) -> Object:
        if len(done) < times:
            done.append(1)
            act()
        return patch(path, body)

    monkeypatch.setattr(writer._api, "patch", patched)
    return done


def test_of_two_writers_at_the_same_time_one_wins(
    shop: Shop, writer: ConfigMapWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = writer.read()
    other = open_writer(shop, "conductor")
    done = while_it_writes(writer, monkeypatch, lambda: other.write("generation = 2 # first", replaces=before))
    with pytest.raises(OvertakenError):
        writer.write("generation = 2 # second", replaces=before)
    assert done
    assert writer.read() == "generation = 2 # first"


def test_a_label_that_changes_meanwhile_is_no_other_document(
    shop: Shop, writer: ConfigMapWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def label() -> None:
        shop.plane.call("PATCH", shop.path, {"metadata": {"labels": {"n": str(len(done))}}})

    done: list[int] = while_it_writes(writer, monkeypatch, label, times=2)
    writer.write("generation = 2", replaces=writer.read())
    assert (writer.read(), len(done)) == ("generation = 2", 2)


def test_an_object_that_never_rests_is_given_up(
    shop: Shop, writer: ConfigMapWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def label() -> None:
        shop.plane.call("PATCH", shop.path, {"metadata": {"labels": {"n": str(len(done))}}})

    done: list[int] = while_it_writes(writer, monkeypatch, label, times=100)
    with pytest.raises(ChannelError, match="changed all the time") as caught:
        writer.write("generation = 2", replaces=writer.read())
    assert not caught.value.final


def test_the_rights_are_for_one_configmap(shop: Shop) -> None:
    body: Object = {"metadata": {"name": "other"}, "data": {"cutover.toml": "x"}}
    shop.plane.call("POST", shop.path.removesuffix("/cutover"), body)
    other = open_writer(shop, "conductor", "other")
    for act in (other.read, lambda: other.write("generation = 2", replaces=None)):
        with pytest.raises(
            ChannelError, match=r"^configmap:[\w-]+/other/cutover.toml: .* 403 .*: grant this right$"
        ) as why:
            act()
        assert why.value.final


@pytest.mark.parametrize("verbs", [("get", "update"), ("get", "patch", "update")])
def test_other_sufficient_rights(shop: Shop, verbs: tuple[str, ...]) -> None:
    account(shop, "other", [rule(*verbs)])
    writer = open_writer(shop, "other")
    shop.plane.call("PATCH", shop.path, {"data": {"more": "stays"}})
    writer.write("generation = 2", replaces=writer.read())
    assert stored(shop)["data"] == {"cutover.toml": "generation = 2", "more": "stays"}


def test_a_right_to_read_alone_writes_nothing(shop: Shop) -> None:
    account(shop, "reader", [rule("get")])
    writer = open_writer(shop, "reader")
    before = writer.read()
    with pytest.raises(ChannelError, match="cannot patch resource") as caught:
        writer.write("generation = 2", replaces=before)
    assert caught.value.final
    assert writer.read() == before


def test_a_missing_configmap_is_empty_and_created_if_that_is_allowed(shop: Shop, writer: ConfigMapWriter) -> None:
    shop.plane.call("DELETE", shop.path)
    assert writer.read() is None
    with pytest.raises(ChannelError, match=f"kubectl create configmap cutover --namespace={shop.namespace}$") as caught:
        writer.write("generation = 1", replaces=None)
    assert caught.value.final
    account(shop, "creator", [rule("get", "patch"), rule("create", names=())])
    creator = open_writer(shop, "creator")
    with pytest.raises(OvertakenError):
        creator.write("generation = 1", replaces="what was deleted")
    creator.write("generation = 1", replaces=None)
    assert creator.read() == "generation = 1"


def test_a_configmap_without_the_key_is_empty(shop: Shop, writer: ConfigMapWriter) -> None:
    shop.plane.call("PATCH", shop.path, {"data": None})
    assert writer.read() is None
    writer.write("generation = 1", replaces=None)
    assert writer.read() == "generation = 1"


def test_bytes_that_are_no_text_are_read_compared_and_replaced(shop: Shop, writer: ConfigMapWriter) -> None:
    binary = b"\xff\x00generation".decode(errors="surrogateescape")
    writer.write(binary, replaces=writer.read())
    assert "data" not in stored(shop)
    assert writer.read() == binary
    with pytest.raises(OvertakenError):
        writer.write("generation = 2", replaces="generation")
    writer.write("generation = 2", replaces=binary)
    assert "binaryData" not in stored(shop)
    assert writer.read() == "generation = 2"


def test_a_document_that_is_too_large_and_one_that_cannot_change(shop: Shop, writer: ConfigMapWriter) -> None:
    before = writer.read()
    with pytest.raises(ChannelError, match="larger than 1 MiB") as caught:
        writer.write("x" * ((1 << 20) + 1), replaces=before)
    assert caught.value.final
    shop.plane.call("PATCH", shop.path, {"data": {"more": "x" * 1_000_000}})
    with pytest.raises(ChannelError, match=r"refuses: 422 .*Too long") as caught:
        writer.write("y" * 100_000, replaces=before)
    assert caught.value.final
    shop.plane.call("PATCH", shop.path, {"data": {"more": None}, "immutable": True})
    with pytest.raises(ChannelError, match=r"refuses: 422 .*immutable") as caught:
        writer.write("generation = 2", replaces=before)
    assert caught.value.final
    assert writer.read() == before


def test_a_token_that_is_refused_is_not_told(shop: Shop) -> None:
    token = "a-token-that-must-not-be-told"
    file = kubeconfig(shop, "conductor", token)
    writer = ConfigMapWriter(shop.namespace, "cutover", kubeconfig=file, context="conductor")
    with pytest.raises(ChannelError, match="401 Unauthorized: log in again, or check the kubeconfig") as caught:
        writer.read()
    assert caught.value.final
    assert token not in repr(caught.value) + repr(writer) + repr(vars(writer._api))


def test_an_api_server_that_is_away_or_hangs_is_no_final_error(
    control_plane: ControlPlane, shop: Shop, writer: ConfigMapWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = writer.read()
    monkeypatch.setattr(kubernetes_api, "_ANSWER_S", (0.5, 0.5))
    control_plane.freeze_api()
    try:
        with pytest.raises(ChannelError, match="does not answer: timed out") as caught:
            writer.read()
        assert not caught.value.final
    finally:
        control_plane.kill_api()
    try:
        with pytest.raises(ChannelError, match="does not answer: Connection refused") as caught:
            writer.write("generation = 2", replaces=before)
        assert not caught.value.final
    finally:
        control_plane.start_api()
    monkeypatch.undo()
    writer.write("generation = 2", replaces=before)


def test_another_authority_is_refused(shop: Shop) -> None:
    from tests.cluster.secured import self_signed

    file = kubeconfig(shop, "conductor")
    content = yaml.safe_load(file.read_text())
    (shop.folder / "other.crt").write_text(self_signed()[1])
    content["clusters"][0]["cluster"]["certificate-authority"] = str(shop.folder / "other.crt")
    file.write_text(yaml.safe_dump(content))
    writer = ConfigMapWriter(shop.namespace, "cutover", kubeconfig=file, context="conductor")
    with pytest.raises(ChannelError, match=r"does not answer: .*certificate"):
        writer.read()


def test_in_a_pod_it_is_the_service_account(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(kubernetes_api, "ACCOUNT", shop.mount("conductor"))
    for name, value in shop.plane.environment().items():
        monkeypatch.setenv(name, value)
    writer = ConfigMapWriter(shop.namespace, "cutover")
    writer.write("generation = 2", replaces=writer.read())
    assert writer.read() == "generation = 2"


def pod(shop: Shop, name: str, **labels: str) -> None:
    spec = {"containers": [{"name": "app", "image": "app"}]}
    body: Object = {"metadata": {"name": name, "labels": labels}, "spec": spec}
    shop.plane.call("POST", f"/api/v1/namespaces/{shop.namespace}/pods", body)


def test_pods_of_a_label_are_changed_so_that_kubelet_refreshes_their_files(shop: Shop) -> None:
    kubelet = Kubelet(shop)
    for name, app in (("orders-1", "orders"), ("orders-2", "orders"), ("other", "other")):
        pod(shop, name, app=app)
        kubelet.start(name)
    writer = open_writer(shop, "conductor", touch="app=orders")
    writer.write("generation = 2", replaces=writer.read())
    assert writer.untouched == []
    assert kubelet.sync_changed_pods() == ["orders-1", "orders-2"]
    texts = {name: (shop.folder / name / "volume" / "cutover.toml").read_text() for name in ("orders-1", "other")}
    assert texts["orders-1"] == "generation = 2"
    assert texts["other"] != "generation = 2"
    writer.write("generation = 2", replaces="generation = 2")
    assert kubelet.sync_changed_pods() == []


def test_pods_that_cannot_be_changed_are_named_and_the_document_is_written(shop: Shop) -> None:
    pod(shop, "orders-1", app="orders")
    account(shop, "limited", [rule("get", "patch"), {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}])
    for name, what in (("limited", "pod orders-1 is not"), ("untrusted", "no pod of app=orders is")):
        if name == "untrusted":
            account(shop, name, [rule("get", "patch")])
        writer = open_writer(shop, name, touch="app=orders")
        writer.write(f"generation = 2 # {name}", replaces=writer.read())
        assert stored(shop)["data"]["cutover.toml"] == f"generation = 2 # {name}"
        (line,) = writer.untouched
        assert line.startswith(f"{what} refreshed early: ")
        assert "403" in line
    found = shop.plane.call("GET", f"/api/v1/namespaces/{shop.namespace}/pods/orders-1")
    assert ANNOTATION not in found["metadata"].get("annotations", {})


SECRET = "a-password-that-must-not-be-told"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "Invalid kube-config file|No such file"),
        ("", "Invalid kube-config"),
        (f"users: [{SECRET}\n: {{", "not a valid kubeconfig"),
        (f"users: {SECRET}", "kubeconfig"),
        (f"current-context: {SECRET}\ncontexts: []\nclusters: []\nusers: []\n", "kubeconfig"),
        ("\x00", "not a valid kubeconfig"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=why) as caught:
        ConfigMapWriter("shop", "cutover", kubeconfig=file)
    assert str(caught.value).startswith("configmap:shop/cutover/cutover.toml: kubeconfig ")
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    if content is not None and "current-context" not in content:
        assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kubernetes", None)
    with pytest.raises(UsageError, match=r"pip install 'kafka-cutover\[kubernetes\]'$"):
        ConfigMapWriter("shop", "cutover")
