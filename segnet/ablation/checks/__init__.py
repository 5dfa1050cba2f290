"""Checks before an experiment starts, and after it: fairness, costs, and arms matched in cost."""
