"""Whether a Connect worker serves: its REST interface answers well before its herder has started."""

from __future__ import annotations

import httpx

_TIMEOUT_S = 2.0
_NO_CONNECTOR = "kafka-cutover-is-connect-ready"


def connect_serves(url: str) -> bool:
    """Return whether the worker's herder has started and takes requests.

    `GET /health` (Connect 3.9) reports it. Before that version only a request that the herder itself answers proves
    it: the list of connectors is served from the beginning.
    """
    try:
        # No proxy stands before loopback.
        health = httpx.get(f"{url}/health", timeout=_TIMEOUT_S, trust_env=False)
        if health.status_code != httpx.codes.NOT_FOUND:
            return health.is_success
        answer = httpx.get(f"{url}/connectors/{_NO_CONNECTOR}", timeout=_TIMEOUT_S, trust_env=False)
        return answer.status_code == httpx.codes.NOT_FOUND and _NO_CONNECTOR in answer.json()["message"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        # Its web server answers 404 for any path before Connect is there, with a page that repeats the path.
        return False
