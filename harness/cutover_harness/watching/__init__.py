"""Watching a run: a snapshot of each batch, as a page, as metrics, as JSON and in a terminal."""
