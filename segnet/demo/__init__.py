"""A local page to try networks on."""
