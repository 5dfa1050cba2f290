"""What an experiment varies: the plan, its factors and arms."""
