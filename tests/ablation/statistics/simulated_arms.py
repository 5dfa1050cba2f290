"""Experiments with a known truth: arms whose runs differ by seed, by image, and by both."""

import numpy as np

from segnet.metrics.image_scores import ImageScores

CLASSES = 3


def image_scores(confusions, groups=None):
    """Per-image scores of which only the confusion matrices matter; images stand alone, or belong to ``groups``."""
    images, classes = confusions.shape[:2]
    nothing = np.zeros((images, 3, classes), dtype=np.int64)
    return ImageScores(
        names=np.arange(images).astype(np.str_),
        groups=np.arange(images).astype(np.str_) if groups is None else np.asarray(groups),
        classes=np.arange(classes).astype(np.str_),
        confusions=confusions,
        boundary_f1=np.zeros((images, 4, classes), dtype=np.int64),
        boundary_iou=nothing,
        trimap=confusions[:, None],
        trimap_widths=np.array([1]),
        small_objects=nothing,
    )


def simulate(random, shifts, seeds, images, seed_noise, image_noise, groups=None, correlation=0.0, carrying=None):
    """Runs of several arms on the same images.

    The logit of the share of a class's pixels that is found has a part of the image (common to all), of the arm, of the
    arm on this image (common to its seeds; ``image_noise``), of the run (``seed_noise``) and of the run on this image.
    Neighbours of a group of images are correlated in what the arm does to them; the last class occurs in ``carrying``
    images only.
    """
    areas = random.gamma(0.7, 400, size=(images, CLASSES)).astype(int) + 1
    if carrying is not None:
        areas[random.permutation(images)[carrying:], -1] = 0
    common = random.normal(size=(images, CLASSES))
    arms = {}
    for arm, shift in shifts.items():
        of_arm = image_noise * random.normal(size=(images, CLASSES))
        for image in range(1, images if correlation else 0):
            if groups[image] == groups[image - 1]:
                of_arm[image] *= np.sqrt(1 - correlation**2)
                of_arm[image] += correlation * of_arm[image - 1]
        arms[arm] = {}
        for seed in range(seeds):
            of_run = seed_noise * random.normal(size=CLASSES)
            noise = 0.3 * random.normal(size=(images, CLASSES))
            share = 1 / (1 + np.exp(-(1 + shift + common + of_arm + of_run + noise)))
            hits = random.binomial(areas, share)
            confusions = np.zeros((images, CLASSES, CLASSES), dtype=np.int64)
            for number in range(CLASSES):
                confusions[:, number, number] = hits[:, number]
                others = CLASSES if carrying is None else CLASSES - 1  # so that a rare class is not predicted elsewhere
                confusions[:, number, (number + 1) % others] += areas[:, number] - hits[:, number]
            arms[arm][seed] = image_scores(confusions, groups)
    return arms


def arms_with(*differences, images=12):
    """Two arms whose mIoU differs by about these, seed by seed, the same on every image."""
    arms = {"bilinear": {}, "max_unpool": {}}
    for seed, difference in enumerate(differences):
        for arm, hits in (("bilinear", 50_000), ("max_unpool", 50_000 + round(1000 * difference))):
            missed = 100_000 - hits
            matrix = np.array([[hits, missed], [missed, hits]])
            arms[arm][seed] = image_scores(np.broadcast_to(matrix, (images, 2, 2)).copy())
    return arms
