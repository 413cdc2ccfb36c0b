"""The wire: topics, envelopes, and the one description of every event (pydantic models)."""
