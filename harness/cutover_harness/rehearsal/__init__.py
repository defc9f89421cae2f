"""Rehearsals: a scenario walked on a testbed by a fleet that replays a capture, then judged."""
