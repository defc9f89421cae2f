"""AutoMQ's S3 store as its container and as this machine see it: one in a container, or one that is given."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace

import httpx

from cutover_harness.testbed.docker.nodes import S3_PORT
from cutover_harness.testbed.s3 import S3Store, given_store

_REGION = "us-east-1"


def given(endpoint: str) -> S3Store:
    """Return the store at a URL, with the credentials of the environment. Raises UsageError if there are none."""
    return given_store(endpoint, _REGION, None, os.environ)


def new(port: int) -> tuple[S3Store, S3Store]:
    """Return a store with new credentials as containers see it, and as this machine sees it on `port`."""
    inside = S3Store(f"http://s3:{S3_PORT}", _REGION, secrets.token_hex(10), secrets.token_hex(20))
    return inside, replace(inside, endpoint=f"http://127.0.0.1:{port}")


def serves(store: S3Store) -> bool:
    """Return whether the store answers HTTP: all stores alike refuse a request that is not signed."""
    try:
        return bool(httpx.get(store.endpoint, timeout=2, trust_env=False).status_code)
    except httpx.HTTPError:
        return False
