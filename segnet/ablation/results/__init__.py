"""What the runs of an experiment came to, as values."""
