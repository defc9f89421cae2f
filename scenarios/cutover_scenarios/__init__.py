"""The catalogue of scenarios, and a sample of recorded traffic to run them with."""

from importlib.resources import files
from pathlib import Path

SAMPLE = "flights-2013-01-week1.parquet"


def sample_capture() -> Path:
    """Return the sample capture: a week of flights and weather at New York, 12,658 records."""
    return Path(str(files(__name__).joinpath(SAMPLE)))
