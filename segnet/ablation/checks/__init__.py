"""What is looked at before an experiment starts: fairness, costs, and arms matched in cost."""
