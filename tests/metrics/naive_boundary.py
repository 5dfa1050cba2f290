"""Boundary and small-object scores once more, pixel by pixel, one class at a time."""

import itertools
import math

import numpy as np

ACROSS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def masked(prediction, label, ignore):
    """Both maps with None where the label is ignored."""
    void = label == ignore
    prediction, label = prediction.astype(object), label.astype(object)
    prediction[void] = label[void] = None
    return prediction, label


def neighbours(shape, row, column, offsets):
    for down, right in offsets:
        if 0 <= row + down < shape[0] and 0 <= column + right < shape[1]:
            yield row + down, column + right


def boundary(classes, number):
    """Pixels of a class beside a pixel of another."""
    found = []
    for row, column in np.ndindex(*classes.shape):
        if classes[row, column] == number:
            around = [classes[place] for place in neighbours(classes.shape, row, column, ACROSS)]
            if any(other is not None and other != number for other in around):
                found.append((row, column))
    return found


def f1_counts(prediction, label, num_classes, ignore, tolerance):
    prediction, label = masked(prediction, label, ignore)
    counts = np.zeros((4, num_classes), dtype=int)
    for number in range(num_classes):
        predicted, labelled = boundary(prediction, number), boundary(label, number)

        def near(ones, others):
            return sum(any(math.dist(one, other) <= tolerance for other in others) for one in ones)

        counts[:, number] = (
            near(predicted, labelled),
            len(predicted),
            near(labelled, predicted),
            len(labelled),
        )
    return counts


def rim(classes, number, distance):
    """What eroding the mask by 3x3, ``distance`` times, takes away; outside is of no mask, void of every one."""
    belongs = np.array([[value is None or value == number for value in row] for row in classes])
    for _ in range(distance):
        padded = np.pad(belongs, 1)
        belongs = np.all(
            [
                padded[1 + d : 1 + d + belongs.shape[0], 1 + r : 1 + r + belongs.shape[1]]
                for d, r in itertools.product((-1, 0, 1), repeat=2)
            ],
            axis=0,
        )
    return np.array([[value == number for value in row] for row in classes]) & ~belongs


def iou_counts(prediction, label, num_classes, ignore, distance):
    prediction, label = masked(prediction, label, ignore)
    counts = np.zeros((3, num_classes), dtype=int)
    for number in range(num_classes):
        predicted, labelled = rim(prediction, number, distance), rim(label, number, distance)
        counts[:, number] = (predicted & labelled).sum(), labelled.sum(), predicted.sum()
    return counts


def trimap(prediction, label, num_classes, ignore, widths):
    prediction, label = masked(prediction, label, ignore)
    edges = [place for number in range(num_classes) for place in boundary(label, number)]
    confusions = np.zeros((len(widths), num_classes, num_classes), dtype=int)
    for place in np.ndindex(*label.shape):
        if label[place] is not None and edges:
            distance = min(math.dist(place, edge) for edge in edges)
            for band, width in enumerate(widths):
                confusions[band, label[place], prediction[place]] += distance < width
    return confusions


def components(mask):
    """Sets of pixels that hang together over 8 neighbours."""
    left = {tuple(place) for place in np.argwhere(mask)}
    offsets = [offset for offset in itertools.product((-1, 0, 1), repeat=2) if offset != (0, 0)]
    found = []
    while left:
        grown, edge = set(), {left.pop()}
        while edge:
            grown |= edge
            edge = {place for one in edge for place in neighbours(mask.shape, *one, offsets)} & left
            left -= edge
        found.append(grown)
    return found


def small_counts(prediction, label, num_classes, ignore, area):
    prediction, label = masked(prediction, label, ignore)
    counts = np.zeros((3, num_classes), dtype=int)
    for number in range(num_classes):
        predicted, labelled = (np.equal(classes, number).astype(bool) for classes in (prediction, label))
        parts = components(labelled)
        small = set().union(*(part for part in parts if len(part) <= area))
        large = set().union(*(part for part in parts if len(part) > area))
        hits = sum(place in small for place in map(tuple, np.argwhere(predicted)))
        false = 0
        for part in components(predicted):
            if part & large:
                continue
            if part & small or len(part) <= area:
                false += len(part - small)
        counts[:, number] = hits, len(small), hits + false
    return counts
