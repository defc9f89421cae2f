"""What is on a cluster before a cutover: topics, groups, writers, connectors, ACLs, and what could not be seen."""
