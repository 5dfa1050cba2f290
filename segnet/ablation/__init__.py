"""Controlled experiments: one factor varies, all else is the same, and the verdict comes with its uncertainty."""
