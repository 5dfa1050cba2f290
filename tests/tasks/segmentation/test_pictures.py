import numpy as np

from segnet.tasks.segmentation.pictures import (
    RIGHT_COLOUR,
    WRONG_COLOUR,
    colour_of_ignored,
    colourise,
    error_map,
    overlay,
)


def test_each_class_has_its_colour_and_what_is_no_class_one_that_no_class_has():
    coloured = colourise(np.array([[0, 1, 2, 255]]), [(9, 8, 7), (1, 2, 3)])
    none = list(colour_of_ignored([(9, 8, 7), (1, 2, 3)]))
    assert coloured.dtype == np.uint8
    assert coloured.tolist() == [[[9, 8, 7], [1, 2, 3], none, none]]


def test_errors_are_red():
    errors = error_map(np.array([[1, 1, 1]]), np.array([[1, 0, 255]]), ignore_index=255, ignored=(1, 2, 3))
    assert errors.tolist() == [[list(RIGHT_COLOUR), list(WRONG_COLOUR), [1, 2, 3]]]


def test_opacity_mixes_colours_into_the_image():
    image, colours = np.full((1, 1, 1), 100, np.uint8), np.array([[[200, 0, 100]]], np.uint8)
    assert overlay(image, colours, 0.0).tolist() == [[[100, 100, 100]]]
    assert overlay(image, colours, 1.0).tolist() == [[[200, 0, 100]]]
    assert overlay(image, colours, 0.25).tolist() == [[[125, 75, 100]]]


def test_what_is_not_scored_has_a_colour_that_no_class_has():
    for colours in (
        [(0, 0, 0), (255, 255, 255)],
        [(120, 120, 120), (200, 30, 60)],
        [(255, 255, 0), (0, 0, 0), (0, 255, 255)],
    ):
        chosen = np.array(colour_of_ignored(colours), dtype=float)
        taken = np.array([*colours, RIGHT_COLOUR, WRONG_COLOUR], dtype=float)
        assert np.linalg.norm(taken - chosen, axis=1).min() > 80
    errors = error_map(np.array([[1]]), np.array([[255]]), 255, ignored=(1, 2, 3))
    assert errors.tolist() == [[[1, 2, 3]]]
