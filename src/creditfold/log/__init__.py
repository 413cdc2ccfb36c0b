"""Records of a partitioned log and the one order in which a partition folds them; only bytes."""
