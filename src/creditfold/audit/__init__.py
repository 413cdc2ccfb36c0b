"""For auditors: folding a log again, and checking its chains without the fold."""
