"""Max-pooling that remembers where each maximum came from, and its inverse."""

from segnet.layers.pooling.pool import MaxPool, StridedConvolution, flat_pool_indices, max_pool, max_unpool

__all__ = ["MaxPool", "StridedConvolution", "flat_pool_indices", "max_pool", "max_unpool"]
