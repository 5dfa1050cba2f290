"""The confusion matrix and the scores that come from it, boundary scores, and the quality of images."""

from segnet.metrics.boundary import (
    BOUNDARY_DEFINITION,
    TRIMAP_WIDTHS,
    boundary_f1_counts,
    boundary_iou_counts,
    trimap_confusions,
)
from segnet.metrics.calibration import (
    CALIBRATION_DEFINITION,
    calibration_counts,
    calibration_error,
    overconfidence,
)
from segnet.metrics.confusion import MIOU_DEFINITION, Scores, confusion_matrix, image_confusions, scores
from segnet.metrics.counts import (
    class_counts,
    class_dice,
    class_iou,
    class_precision,
    class_recall,
    image_class_f1,
    image_f1,
    mean_f1,
    mean_iou,
)
from segnet.metrics.image_quality import IMAGE_QUALITY_DEFINITION, ImageQuality, psnr, quality_sums, ssim
from segnet.metrics.image_scores import ImageScores, read_scores
from segnet.metrics.small_objects import SMALL_OBJECT_DEFINITION, small_object_counts

__all__ = [
    "BOUNDARY_DEFINITION",
    "CALIBRATION_DEFINITION",
    "IMAGE_QUALITY_DEFINITION",
    "MIOU_DEFINITION",
    "SMALL_OBJECT_DEFINITION",
    "TRIMAP_WIDTHS",
    "ImageQuality",
    "ImageScores",
    "Scores",
    "boundary_f1_counts",
    "boundary_iou_counts",
    "calibration_counts",
    "calibration_error",
    "class_counts",
    "class_dice",
    "class_iou",
    "class_precision",
    "class_recall",
    "confusion_matrix",
    "image_class_f1",
    "image_confusions",
    "image_f1",
    "mean_f1",
    "mean_iou",
    "overconfidence",
    "psnr",
    "quality_sums",
    "read_scores",
    "scores",
    "small_object_counts",
    "ssim",
    "trimap_confusions",
]
