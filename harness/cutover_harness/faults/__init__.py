"""Faults that a scenario can inject: one file each, from its YAML fields to the proof that it hit.

`base` has what all have in common, `union` lists them, `injector` injects them when the path reaches their step.
"""
