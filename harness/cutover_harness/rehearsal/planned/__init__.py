"""Scenarios generated from a plan: its batches, with topics, groups and traffic of the inventory, within limits."""
