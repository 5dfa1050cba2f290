"""Scenes drawn from a seed: thin poles, discs and textured polygons that hide one another.

A scene lives in the plane, not in pixels, so that it can be drawn at any size with exact labels: the label of a
pixel is the class of the topmost shape at the pixel's centre. Colour and texture are drawn apart from the
class, so that only the form tells it.
"""

from typing import NamedTuple, cast

import numpy as np

from segnet.errors import require
from segnet.randomness import numpy_stream

BACKGROUND, POLE, DISC, POLYGON = range(4)


class Shape(NamedTuple):
    """One shape: the region where all ``normals @ point <= offsets`` (half-planes), or a disc.

    Lengths are in units of the image's shorter side; x runs right and y runs down from the upper left corner.

    Attributes:
        kind: its class.
        centre: ``(2,)``, (x, y).
        radius: of a disc; 0 for the others.
        normals: ``(E, 2)`` outward normals of a convex polygon's edges.
        offsets: ``(E,)`` distance of each edge from the centre.
        colours: ``(2, 3)`` the two colours of its stripes, 0..1.
        wave: ``(2,)`` wave vector of the stripes, radians a unit.
    """

    kind: int
    centre: np.ndarray
    radius: float
    normals: np.ndarray
    offsets: np.ndarray
    colours: np.ndarray
    wave: np.ndarray

    def covers(self, points: np.ndarray) -> np.ndarray:
        """Say for each of ``(..., 2)`` points whether it lies inside."""
        relative = points - self.centre
        inside: np.ndarray
        if self.kind == DISC:
            inside = (relative**2).sum(-1) <= self.radius**2
        else:
            inside = (relative @ self.normals.T <= self.offsets).all(-1)
        return inside

    def colour(self, points: np.ndarray) -> np.ndarray:
        """Return the colours ``(..., 3)`` at ``(..., 2)`` points."""
        mix = 0.5 + 0.5 * np.sin((points - self.centre) @ self.wave)[..., None]
        mixed: np.ndarray = self.colours[0] * mix + self.colours[1] * (1 - mix)
        return mixed


def draw_scene(random: np.random.Generator, aspect: float, shapes: int) -> list[Shape]:
    """Draw the shapes of a scene from back to front; the first is the background.

    Args:
        random: the scene's stream.
        aspect: width by height.
        shapes: how many shapes besides the background.
    """
    extent = np.array([max(aspect, 1.0), max(1 / aspect, 1.0)])
    everywhere = _shape(BACKGROUND, extent / 2, np.zeros(0), np.zeros(0), random)
    return [everywhere, *(_draw_shape(random, extent) for _ in range(shapes))]


def _draw_shape(random: np.random.Generator, extent: np.ndarray) -> Shape:
    kind, centre = int(random.integers(POLE, POLYGON + 1)), random.uniform(size=2) * extent
    if kind == DISC:
        return _shape(kind, centre, np.zeros(0), np.zeros(0), random, radius=random.uniform(0.04, 0.16))
    if kind == POLE:
        tilt = random.normal(scale=0.15)
        width, length = random.uniform(0.008, 0.025), random.uniform(0.25, 0.8)
        angles = tilt + np.array([0, 0.5, 1, 1.5]) * np.pi
        return _shape(kind, centre, angles, np.array([width, length, width, length]) / 2, random)
    edges = int(random.integers(3, 7))
    angles = (np.arange(edges) + random.uniform(-0.3, 0.3, edges)) * 2 * np.pi / edges + random.uniform(0, 2 * np.pi)
    return _shape(kind, centre, angles, random.uniform(0.06, 0.16, edges), random)


def _shape(
    kind: int,
    centre: np.ndarray,
    angles: np.ndarray,
    offsets: np.ndarray,
    random: np.random.Generator,
    radius: float = 0.0,
) -> Shape:
    direction, frequency = random.uniform(0, np.pi), random.uniform(10, 60)
    wave = frequency * np.array([np.cos(direction), np.sin(direction)])
    normals = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return Shape(kind, centre, radius, normals, offsets, random.uniform(size=(2, 3)), wave)


def render(scene: list[Shape], size: tuple[int, int], supersampling: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Args:
        scene: shapes from back to front.
        size: height and width in pixels.
        supersampling: samples a pixel along each axis of the image (the label takes the centre).

    Returns:
        Image ``(H, W, 3)`` float, 0..1, and label ``(H, W)`` uint8.
    """
    label = np.zeros(size, np.uint8)
    for shape in scene:
        label[shape.covers(_grid(size, 1))] = shape.kind
    points = _grid(size, supersampling)
    image = np.zeros((*points.shape[:2], 3))
    for shape in scene:
        inside = shape.covers(points)
        image[inside] = shape.colour(points[inside])
    height, width = size
    return image.reshape(height, supersampling, width, supersampling, 3).mean((1, 3)), label


def _grid(size: tuple[int, int], supersampling: int) -> np.ndarray:
    """Sample positions ``(H * s, W * s, 2)`` in units of the shorter side."""
    height, width = (side * supersampling for side in size)
    unit = min(height, width)
    y, x = np.meshgrid((np.arange(height) + 0.5) / unit, (np.arange(width) + 0.5) / unit, indexing="ij")
    return np.stack([x, y], axis=-1)


class Shapes:
    """A data set of such scenes; it needs no files.

    Args:
        split: "train", "val" or "test"; each has scenes of its own.
        images: number of scenes of each split.
        size: height and width in pixels.
        shapes: shapes in a scene.
        noise: standard deviation of the noise on the image, 0..1; the same in each epoch.
        seed: of the scenes, apart from the run's.

    Raises:
        segnet.errors.UserError: a value is out of its range.
    """

    def __init__(
        self, split: str, images: dict[str, int], size: tuple[int, int], shapes: int, noise: float, seed: int
    ) -> None:
        require(len(size) == 2 and min(size) >= 1, "data.size", size, "[HEIGHT,WIDTH], two integers from 1 up")
        require(images[split] >= 1, f"data.images.{split}", images[split], "an integer from 1 up")
        require(shapes >= 0, "data.dataset.shapes", shapes, "an integer from 0 up")
        require(noise >= 0, "data.dataset.noise", noise, "a number from 0 up")
        require(seed >= 0, "data.dataset.seed", seed, "an integer from 0 up")
        self.split, self.shapes, self.noise, self.seed = split, shapes, noise, seed
        self.size = cast(tuple[int, int], tuple(size))
        self.ids = [f"{split}{number:05d}" for number in range(images[split])]
        self._drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def load(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return image ``(H, W, 3)`` and label ``(H, W)`` uint8."""
        if index not in self._drawn:
            stream = numpy_stream(self.seed, "scene", self.split, index)
            image, label = render(draw_scene(stream, self.size[1] / self.size[0], self.shapes), self.size)
            image = image + stream.normal(scale=self.noise, size=image.shape)
            self._drawn[index] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8), label
        return self._drawn[index]
