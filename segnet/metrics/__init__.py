"""The confusion matrix and the scores that come from it; the quality of images."""

from segnet.metrics.confusion import MIOU_DEFINITION, Scores, confusion_matrix, scores
from segnet.metrics.image_quality import IMAGE_QUALITY_DEFINITION, ImageQuality, psnr, quality_sums, ssim

__all__ = [
    "IMAGE_QUALITY_DEFINITION",
    "MIOU_DEFINITION",
    "ImageQuality",
    "Scores",
    "confusion_matrix",
    "psnr",
    "quality_sums",
    "scores",
    "ssim",
]
