"""Rehearse and run the cutover of applications from Apache Kafka to AutoMQ."""


def __getattr__(name: str) -> str:
    """Return `__version__`: who does not ask for it does not wait for the package's metadata to be read."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - see above

    return version("kafka-cutover")
