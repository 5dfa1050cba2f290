"""What is in a data set: measured, drawn, and what follows for a training on it."""
