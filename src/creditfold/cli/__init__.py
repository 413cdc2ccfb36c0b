"""The command line: one small file a command, thin over the rooms that do the work."""
