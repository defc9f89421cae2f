"""The plan file: topics and clients in batches, from the inventory to the cutover."""
