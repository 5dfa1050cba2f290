"""The data sets that come with segnet, one per file."""
