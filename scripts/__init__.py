"""Tools for people who work on the project; benchmarks are a package of their own."""
