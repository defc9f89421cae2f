"""What Producer and Consumer share: constructing raw clients, plain clients, timeouts."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from cutover_shim import config
from cutover_shim.cutover_file import Cluster, ClusterName


def build_client(raw: Any, conf: dict[str, Any], cluster: Cluster | None) -> Any:
    """Construct a raw client. Raises what it raises, without the cluster's secret values in the text."""
    try:
        return raw(conf)
    except KafkaException as error:
        if cluster is None or cluster.redact(str(error)) == str(error):
            raise
        cause = error.args[0]
        raise KafkaException(KafkaError(cause.code(), cluster.redact(cause.str()))) from None


def plain_client(shell: type, raw: Any) -> type:
    """Return the class of a client without a cutover file: the raw client's methods in a subclass of the shim's."""

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        if not (args or kwargs):
            raw.__init__(self)  # raises the client's own error, which an empty **kwargs would not
        args, kwargs = config.plain(args, kwargs)
        raw.__init__(self, *args, **kwargs)

    def cutover_cluster(self: Any, topic: str | None = None) -> ClusterName | None:  # noqa: ARG001
        """Return "source": without a cutover file the only cluster counts as the source."""
        return "source"

    own = {"__init__": construct, "cutover_cluster": cutover_cluster}
    inherited = {n: m for n, m in vars(raw).items() if n not in {"__new__", "__init__", "__doc__"}}
    names = {"__module__": shell.__module__, "__doc__": shell.__doc__}
    return type(shell.__name__, (shell,), {**inherited, **own, **names})


def deadline_of(timeout: float) -> float:
    """Return the `time.monotonic()` at which a timeout in seconds ends, infinity for a negative one.

    Raises TypeError if it is no number.
    """
    if not isinstance(timeout, int | float):
        raise TypeError(f"must be real number, not {type(timeout).__name__}")
    return float("inf") if timeout < 0 else time.monotonic() + timeout


def left_until(deadline: float) -> float:
    """Return the seconds until a deadline, at least 0."""
    return max(0.0, deadline - time.monotonic())


def closed_handle(error: RuntimeError) -> bool:
    """Return whether the client itself raised this because it is closed, and no callback inside it."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is None and "closed" in str(error)
