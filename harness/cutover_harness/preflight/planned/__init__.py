"""Preflight of a plan: its batches, clients, rights, Connect and head-room against the clusters as they are."""
