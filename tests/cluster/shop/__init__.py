"""Two batches of a shop with live traffic, moved by `kafka-cutover run`: its clusters, clients, plan and judge."""
