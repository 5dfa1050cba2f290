"""What a network costs."""

from segnet.analysis.cost import count_macs, count_parameters

__all__ = ["count_macs", "count_parameters"]
