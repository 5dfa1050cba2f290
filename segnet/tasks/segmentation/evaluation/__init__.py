"""The evaluation of a segmentation network on a split: scores with intervals, calibration, and a page of them."""
