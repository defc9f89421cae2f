"""The shim's ConfigMap channel on a real API server, with the documented rights."""

from __future__ import annotations

import base64
import statistics
import time

import httpx
import pytest

from tests.kubernetes.control_plane import ControlPlane, Object
from tests.kubernetes.shop import Shop
from tests.receiver import Heard
from tests.waiting import wait_until


def test_what_is_there_then_every_change(shop: Shop) -> None:
    first = shop.plane.call("GET", shop.path)["data"]["cutover.toml"].encode()
    with shop.watching() as heard:
        heard.wait("complete")
        for number in range(2, 6):
            shop.write(f"generation = {number}")
            heard.wait("document", f"generation = {number}".encode())
        shop.plane.call("PATCH", shop.path, {"metadata": {"labels": {"changed": "yes"}}})
        shop.write("generation = 6")
        heard.wait("document", b"generation = 6")
    assert heard.calls[:2] == [("document", first), ("complete", None)]
    assert heard.documents == [first, *(f"generation = {n}".encode() for n in range(2, 7))]
    assert heard.names == {f"configmap:{shop.namespace}/cutover/cutover.toml"}


def test_thirty_changes_arrive_each_and_in_order(shop: Shop) -> None:
    waits = []
    with shop.watching() as heard:
        heard.wait("complete")
        for number in range(30):
            began = time.perf_counter()
            shop.write(f"generation = {number}")
            wait_until(lambda: len(heard.documents) > number + 1, backoff_s=0.0005)  # noqa: B023 - it is called now
            waits.append((time.perf_counter() - began) * 1000)
    print(f"patch sent to document: median {statistics.median(waits):.1f} ms, longest {max(waits):.1f} ms of 30")
    assert heard.documents[1:] == [f"generation = {number}".encode() for number in range(30)]


def test_the_role_allows_this_one_configmap(shop: Shop) -> None:
    body: Object = {"metadata": {"name": "other"}, "data": {"cutover.toml": "generation = 1"}}
    shop.plane.call("POST", shop.path.removesuffix("/cutover"), body)
    with shop.watching("other") as heard:
        why = heard.failure("403 Forbidden", final=True)
    assert 'cannot get resource "configmaps"' in why
    assert heard.documents == []


def test_an_account_without_a_role_reads_nothing_until_it_has_one(shop: Shop) -> None:
    shop.plane.account(shop.namespace, "stranger")
    with shop.watching(account="stranger") as heard:
        heard.failure("403 Forbidden", final=True)
        assert heard.documents == []
        binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{shop.namespace}/rolebindings/cutover-reader"
        subject = {"kind": "ServiceAccount", "name": "stranger", "namespace": shop.namespace}
        shop.plane.call("PATCH", binding, {"subjects": [subject]})
        heard.wait("works")
    assert len(heard.documents) == 1


def test_without_the_right_to_watch_it_is_read_again_and_again(shop: Shop) -> None:
    role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{shop.namespace}/roles/cutover-reader"
    rules = shop.plane.call("GET", role)["rules"]
    shop.plane.call("PATCH", role, {"rules": [{**rules[0], "verbs": ["get"]}]})
    with shop.watching() as heard:
        heard.failure('cannot watch resource "configmaps"', final=True)
        assert len(heard.documents) == 1
        shop.write("generation = 2")
        heard.wait("document", b"generation = 2")
        assert ("works", None) not in heard.calls


def test_a_token_that_is_revoked_and_renewed(shop: Shop) -> None:
    secret = shop.plane.call("POST", f"/api/v1/namespaces/{shop.namespace}/secrets", {"metadata": {"name": "bound"}})
    token = shop.plane.token(shop.namespace, "orders", bound_to=secret)
    shop.plane.call("DELETE", f"/api/v1/namespaces/{shop.namespace}/secrets/bound")
    channel = shop.channel()
    (shop.folder / "orders" / "token").write_text(token)
    heard = Heard()
    channel.start(heard)
    try:
        heard.failure("401 Unauthorized", final=True)
        assert heard.documents == []
        shop.mount("orders")
        heard.wait("works")
        assert len(heard.documents) == 1
        assert token not in repr(heard.calls)
    finally:
        channel.stop()


def test_a_token_revoked_during_a_watch_is_read_again_at_the_next_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover_shim.configmap_channel.WATCH_S", 1)
    secret = shop.plane.call("POST", f"/api/v1/namespaces/{shop.namespace}/secrets", {"metadata": {"name": "bound"}})
    channel = shop.channel()
    (shop.folder / "orders" / "token").write_text(shop.plane.token(shop.namespace, "orders", bound_to=secret))
    heard = Heard()
    channel.start(heard)
    try:
        heard.wait("complete")
        shop.plane.call("DELETE", f"/api/v1/namespaces/{shop.namespace}/secrets/bound")
        heard.failure("401 Unauthorized", final=True)  # once the API server has forgotten that it was valid
        shop.mount("orders")
        heard.wait("works")
        shop.write("generation = 2")
        heard.wait("document", b"generation = 2")
    finally:
        channel.stop()


def test_deleted_without_its_key_and_back(shop: Shop) -> None:
    with shop.watching() as heard:
        heard.wait("complete")
        shop.plane.call("PATCH", shop.path, {"data": {"cutover.toml": None, "other.toml": "generation = 1"}})
        heard.failure("has no key cutover.toml", final=True)
        shop.write("generation = 2")
        heard.wait("works")
        before = shop.plane.call("GET", shop.path)
        shop.plane.call("DELETE", shop.path)
        heard.failure("does not exist", final=True)
        shop.plane.call(
            "POST", shop.path.removesuffix("/cutover"), {"metadata": {"name": "cutover"}, "data": before["data"]}
        )
        wait_until(lambda: heard.calls[-1] == ("works", None), state=lambda: heard.calls)
    assert heard.documents[1:] == [b"generation = 2"]
    assert b"" not in heard.documents


def test_missing_at_first_and_created_later(shop: Shop) -> None:
    shop.plane.call("DELETE", shop.path)
    with shop.watching() as heard:
        heard.failure("does not exist", final=True)
        assert ("complete", None) not in heard.calls
        body: Object = {"metadata": {"name": "cutover"}, "data": {"cutover.toml": "generation = 7"}}
        shop.plane.call("POST", shop.path.removesuffix("/cutover"), body)
        heard.wait("complete")
        heard.wait("works")
    assert heard.documents == [b"generation = 7"]


def test_binary_content_arrives_as_it_is(shop: Shop) -> None:
    content = bytes(range(256)) * 100
    with shop.watching() as heard:
        heard.wait("complete")
        entry = {"cutover.toml": base64.b64encode(content).decode()}
        shop.plane.call("PATCH", shop.path, {"data": None, "binaryData": entry})
        heard.wait("document", content)


def test_the_largest_configmap_arrives_and_the_api_server_stores_no_larger_one(shop: Shop) -> None:
    largest = (1 << 20) - 1000
    with shop.watching() as heard:
        heard.wait("complete")
        for letter in ("x", '"'):  # a quotation mark is two characters of JSON
            shop.write(letter * largest)
            heard.wait("document", letter.encode() * largest)
    with pytest.raises(httpx.HTTPStatusError, match=r"4\d\d"):
        shop.write("x" * ((1 << 20) + 1))


def test_a_version_that_the_api_server_no_longer_has(control_plane: ControlPlane, shop: Shop) -> None:
    control_plane.kill_api()
    control_plane.start_api()  # it remembers no change from before
    channel = shop.channel()
    channel._version = "1"  # where the last watch ended, long ago
    assert '"code":410' in shop.plane.text(
        f"{shop.path.removesuffix('/cutover')}?watch=true&timeoutSeconds=2&resourceVersion=1"
    )
    heard = Heard()
    channel.start(heard)
    try:
        heard.wait("complete")
        shop.write("generation = 2")
        heard.wait("document", b"generation = 2")
    finally:
        channel.stop()
    assert [kind for kind, _ in heard.calls] == ["document", "complete", "document"]
