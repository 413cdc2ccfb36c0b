"""A real Apache Kafka for development and tests, from wherever one can be had."""
