"""Experiments with a known truth: arms whose runs differ by seed, by image, and by both."""

import numpy as np

from segnet.metrics.image_scores import ImageScores

CLASSES = 3


def image_scores(confusions):
    """Per-image scores of which only the confusion matrices matter."""
    images, classes = confusions.shape[:2]
    nothing = np.zeros((images, 3, classes), dtype=np.int64)
    return ImageScores(
        names=np.arange(images).astype(np.str_),
        classes=np.arange(classes).astype(np.str_),
        confusions=confusions,
        boundary_f1=np.zeros((images, 4, classes), dtype=np.int64),
        boundary_iou=nothing,
        trimap=confusions[:, None],
        trimap_widths=np.array([1]),
        small_objects=nothing,
    )


def simulate(random, shifts, seeds, images, seed_noise, image_noise):
    """Runs of several arms on the same images.

    The logit of the share of a class's pixels that is found has a part of the image (common to all), of the arm, of the
    arm on this image (common to its seeds; ``image_noise``), of the run (``seed_noise``) and of the run on this image.
    """
    areas = random.gamma(0.7, 400, size=(images, CLASSES)).astype(int) + 1
    common = random.normal(size=(images, CLASSES))
    arms = {}
    for arm, shift in shifts.items():
        of_arm = image_noise * random.normal(size=(images, CLASSES))
        arms[arm] = {}
        for seed in range(seeds):
            of_run = seed_noise * random.normal(size=CLASSES)
            noise = 0.3 * random.normal(size=(images, CLASSES))
            share = 1 / (1 + np.exp(-(1 + shift + common + of_arm + of_run + noise)))
            hits = random.binomial(areas, share)
            confusions = np.zeros((images, CLASSES, CLASSES), dtype=np.int64)
            for number in range(CLASSES):
                confusions[:, number, number] = hits[:, number]
                confusions[:, number, (number + 1) % CLASSES] += areas[:, number] - hits[:, number]
            arms[arm][seed] = image_scores(confusions)
    return arms
