"""Measurements behind docs/performance.md: ``python -m scripts.benchmarks.run_all`` makes all of them."""
