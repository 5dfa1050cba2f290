"""Super-resolution: a larger image from a smaller one."""
