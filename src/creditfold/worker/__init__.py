"""The worker: the engine's data path with the fold of credit plugged in."""
