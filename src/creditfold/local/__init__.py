"""The embedded runtime: the same fold over a local, durable log and state, for one machine."""
