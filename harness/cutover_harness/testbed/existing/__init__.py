"""Testbed of clusters and a Connect that exist already: what a run creates there has a prefix."""
