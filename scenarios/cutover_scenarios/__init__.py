"""The catalogue of scenarios and the sample capture: data alone, read through importlib.resources."""
