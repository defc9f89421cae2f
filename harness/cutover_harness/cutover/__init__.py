"""The cutover itself: the batches of a plan moved on the user's own clusters, by the conductor that was rehearsed."""
