"""Exact cheaper forms of operators and of what follows them."""
