"""Channels: how documents, the content of a cutover file, reach the applications, and how they are written."""
