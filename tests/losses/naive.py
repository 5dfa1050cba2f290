"""Losses written as loops over plain numbers, independent of the package's."""

import math

IGNORE = 255


def softmax(values):
    exponentials = [math.exp(value) for value in values]
    return [value / sum(exponentials) for value in exponentials]


def pixels(logits, labels, ignore=IGNORE):
    """List (image, row, column, class, probabilities) of the pixels that count."""
    found = []
    for number, (image, label) in enumerate(zip(logits.tolist(), labels.tolist(), strict=True)):
        for row, label_row in enumerate(label):
            for column, truth in enumerate(label_row):
                if truth != ignore:
                    found.append((number, row, column, truth, softmax([plane[row][column] for plane in image])))
    return found


def mean(pairs):
    pairs = list(pairs)
    return sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)


def focal(logits, labels, weights, gamma):
    return mean(
        ((1 - p[truth]) ** gamma * -math.log(p[truth]), weights[truth]) for _, _, _, truth, p in pixels(logits, labels)
    )


def tversky(logits, labels, weights, alpha, beta, power=1.0, squared=False):
    terms = []
    found = pixels(logits, labels)
    for wanted in range(logits.shape[1]):
        if not any(truth == wanted for *_, truth, _ in found):
            continue
        hits = sum(p[wanted] for *_, truth, p in found if truth == wanted)
        predicted = sum(p[wanted] ** (2 if squared else 1) for *_, p in found)
        truths = sum(truth == wanted for *_, truth, _ in found)
        index = hits / (hits + alpha * (predicted - hits) + beta * (truths - hits))
        terms.append(((1 - index) ** power, weights[wanted]))
    return mean(terms)


def jaccard_loss(missed, truth):
    """1 - IoU of a class whose mistaken pixels are ``missed``, as sets."""
    union = len(truth | missed)
    return len(missed) / union if union else 0.0


def lovasz(logits, labels, weights):
    """The definition: sort the errors, and weigh each with what its pixel adds to the Jaccard loss."""
    found = pixels(logits, labels)
    terms = []
    for wanted in range(logits.shape[1]):
        truth = {place for place, (*_, label, _) in enumerate(found) if label == wanted}
        if not truth:
            continue
        errors = [abs((label == wanted) - p[wanted]) for *_, label, p in found]
        total, missed = 0.0, set()
        for place in sorted(range(len(found)), key=lambda place: -errors[place]):
            before = jaccard_loss(missed, truth)
            missed.add(place)
            total += errors[place] * (jaccard_loss(missed, truth) - before)
        terms.append((total, weights[wanted]))
    return mean(terms)


def hard_pixels(logits, labels, weights, threshold, least_share):
    found = sorted(((-math.log(p[truth]), truth) for *_, truth, p in pixels(logits, labels)), reverse=True)
    least = math.ceil(len(found) * least_share)
    kept = [pair for place, pair in enumerate(found) if place < least or pair[0] >= -math.log(threshold)]
    return mean((loss, weights[truth]) for loss, truth in kept)


def boundary(logits, labels, weights, weight, radius):
    def near(image, row, column, truth):
        for number, other_row, other_column, label, _ in found:
            distance = max(abs(row - other_row), abs(column - other_column))
            if number == image and distance <= radius and label != truth:
                return True
        return False

    found = pixels(logits, labels)
    return mean(
        (-math.log(p[truth]), weights[truth] * (weight if near(image, row, column, truth) else 1.0))
        for image, row, column, truth, p in found
    )
