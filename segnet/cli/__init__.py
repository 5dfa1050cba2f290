"""The commands, one file each; every heavy package is imported only when there is work for it."""
