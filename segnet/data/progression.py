"""Progressive resolution: small training images first, which take little time, and whole ones at the end."""

from collections.abc import Mapping

from segnet.errors import UserError


class Progression:
    """Says at which part of their resolution an epoch's training images are.

    The windows that are cut out of the images stay as they are and come out smaller, so that the last epochs go on
    with the same scenes, only finer. Validation and test see whole images throughout: what a network that is still
    trained on small ones scores on them is no measure of it yet.

    Args:
        resolutions: factor of both sides by the epoch from which it holds, counted from 0, as in ``{0: 0.5, 60: 1}``.

    Raises:
        UserError: no factor holds in epoch 0, or one is not in 0..1.
    """

    def __init__(self, resolutions: Mapping[int, float]) -> None:
        if 0 not in resolutions or min(resolutions) < 0 or not all(0 < value <= 1 for value in resolutions.values()):
            raise UserError(
                f"data.progression={dict(resolutions)} does not say at which part of their resolution, above 0 and up "
                f"to 1, training images are from epoch 0 on: write it as {{0:0.5,60:1.0}}"
            )
        self.resolutions = dict(sorted(resolutions.items()))

    def resolution(self, epoch: int) -> float:
        """Return the factor of an epoch."""
        return next(value for start, value in reversed(self.resolutions.items()) if start <= epoch)
