"""Rehearsals: a scenario run on a testbed by a fleet that replays a capture, then judged."""
