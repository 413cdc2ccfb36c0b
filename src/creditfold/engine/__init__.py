"""The transactional partition-batch data path, hosted in Faust; knows bytes, nothing of credit."""
