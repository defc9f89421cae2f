"""Faults: injected at an act of the path, recorded on the time line, each proving that it hit."""
