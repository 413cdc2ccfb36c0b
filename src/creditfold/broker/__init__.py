"""Kafka as creditfold uses it: topics, publishing, the log, the doctor; and a broker to be had."""
