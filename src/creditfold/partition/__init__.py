"""What one partition does with one batch: decode, fold, encode. No clock, no I/O, no Kafka."""
