"""The confusion matrix and the scores that come from it."""

from segnet.metrics.confusion import MIOU_DEFINITION, Scores, confusion_matrix, scores

__all__ = ["MIOU_DEFINITION", "Scores", "confusion_matrix", "scores"]
