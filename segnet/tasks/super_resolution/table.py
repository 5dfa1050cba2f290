"""The table of a super-resolution's scores."""

from collections.abc import Mapping

from segnet.metrics import IMAGE_QUALITY_DEFINITION, ImageQuality
from segnet.training.score_table import ScoreTable


def quality_table(columns: Mapping[str, ImageQuality], split: str, factor: int) -> ScoreTable:
    """Set out PSNR and SSIM, one column for each named result."""
    rows = [
        ("PSNR, dB", [f"{result.psnr:.2f}" for result in columns.values()]),
        ("SSIM", [f"{result.ssim:.4f}" if result.ssim == result.ssim else "-" for result in columns.values()]),
    ]
    return ScoreTable(f"x{factor}, {split} split", list(columns), rows, IMAGE_QUALITY_DEFINITION)
