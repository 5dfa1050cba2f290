"""The effective receptive field: how much of the theoretical one an output pixel really heeds.

Source: Luo, Li, Urtasun, Zemel 2016, "Understanding the effective receptive field in deep convolutional neural
networks": the gradient of the centre output pixel with respect to the image falls off from the centre like a
bell, and covers a small part of the theoretical field.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from segnet.analysis.receptive_field import ReceptiveField, receptive_fields
from segnet.randomness import torch_stream


@dataclass(frozen=True)
class EffectiveField:
    """Where the gradient's energy lies, averaged over images.

    Attributes:
        energy: ``(H, W)`` float64 on the CPU: share of the squared gradient in each image pixel; the sum is 1.
        pixel: row and column of the output pixel that was looked at.
        share: the share of the energy that the area holds.
        area: the least number of image pixels that hold it.
        level: least energy of a pixel of that area.
    """

    energy: Tensor
    pixel: tuple[int, int]
    share: float
    area: int
    level: float


def effective_field(network: nn.Module, images: Tensor, share: float = 0.95) -> EffectiveField:
    """Measure the effective field of the centre output pixel in evaluation mode.

    The energy is the sum over the output's channels of the squared gradient. It is estimated with one random sign a
    channel and image, whose expected squared gradient it is, so that the more images the better.

    Args:
        network: takes ``(N, C, H, W)`` to ``(N, K, H, W)``.
        images: ``(N, C, H, W)``, given ones or random ones; the mean is taken over N.
        share: of the energy, for the area.
    """
    was_training = network.training
    network.eval()
    stride = getattr(getattr(network, "encoder", None), "strides", (1,))[-1]
    energy, row, column = torch.zeros(images.shape[-2:], dtype=torch.float64), 0, 0
    with torch.inference_mode(False), torch.enable_grad():
        for index in range(len(images)):
            image = images[index : index + 1].detach().clone().requires_grad_(True)
            logits = network(image)
            # Aligned with the coarsest stage, as the theoretical field's centre pixel is.
            row, column = (size // 2 // stride * stride for size in logits.shape[-2:])
            signs = torch.randint(2, (logits.shape[1],), generator=torch_stream("signs", index)) * 2 - 1
            seed = (logits[0, :, row, column] * signs.to(logits)).sum()
            (gradient,) = torch.autograd.grad(seed, image)
            energy += gradient[0].double().square().sum(dim=0).cpu()
    network.train(was_training)
    return summarise_energy(energy, (row, column), share)


def summarise_energy(energy: Tensor, pixel: tuple[int, int], share: float = 0.95) -> EffectiveField:
    """Scale an energy map ``(H, W)`` to the sum 1 and find the smallest area that holds ``share`` of it."""
    total = energy.sum()
    energy = energy / total if total > 0 else energy
    ordered = energy.flatten().sort(descending=True).values
    # The sum may miss the share by rounding; the area never needs a pixel without energy.
    area = int((ordered.cumsum(0) < share - 1e-12).sum()) + 1
    area = min(area, int((ordered > 0).sum()))
    return EffectiveField(energy, pixel, share, area, float(ordered[max(0, area - 1)]))


def random_images(count: int, channels: int, size: tuple[int, int]) -> Tensor:
    """Draw ``(count, channels, *size)`` of independent values in 0..1, the same each time."""
    return torch.rand(count, channels, *size, generator=torch_stream("random images"))


def warn_if_beyond_crop(
    network: nn.Module, crop: tuple[int, int], fields: list[ReceptiveField] | None = None
) -> str | None:
    """Say so, in one sentence, when the network looks farther than the crops that it is trained on reach.

    The taps of an atrous convolution that see nothing but padding, wherever the kernel stands, come first: they
    learn nothing, and the 3x3 kernel becomes a 1x1 (Chen et al. 2017, DeepLab v3). The whole theoretical field comes
    second; a global pooling is left out, since it sees the whole of any image.

    Args:
        network: a segmentation network.
        crop: height and width of the training crops, in pixels of the network's input.
        fields: the network's theoretical fields where they are known; None: computed here.
    """
    warning = warn_if_rates_beyond_crop(network, crop)
    if warning is not None:
        return warning
    size = f"{crop[0]}x{crop[1]}"
    field = (fields or receptive_fields(network))[-1]
    if field.height is not None and field.width is not None and field.height <= crop[0] and field.width <= crop[1]:
        return None
    reach = "x".join("more than 8192" if extent is None else str(extent) for extent in (field.height, field.width))
    return (
        f"the theoretical receptive field of {reach} pixels reaches beyond the training crops of {size}: what it adds "
        f"there is never trained; set a larger data.augmentation.crop if you predict on larger images"
    )


def warn_if_rates_beyond_crop(network: nn.Module, crop: tuple[int, int]) -> str | None:
    """Say in one sentence that an atrous convolution's outer taps see nothing but padding in training; None if not.

    The quick part of :func:`warn_if_beyond_crop`: one forward pass, and none for a network without such convolutions.

    Args:
        network: see :func:`warn_if_beyond_crop`.
        crop: the same.
    """
    if not any(isinstance(module, nn.Conv2d) and max(module.dilation) > 1 for module in network.modules()):
        return None
    for name, rate, map_size in _dilated_convolutions(network, crop):
        return (
            f"{name} has a dilation of {rate} on a map of {map_size[0]}x{map_size[1]}: in training crops of "
            f"{crop[0]}x{crop[1]} its outer taps see nothing but padding; lower the rates or set a larger "
            f"data.augmentation.crop"
        )
    return None


def _dilated_convolutions(network: nn.Module, crop: tuple[int, int]) -> list[tuple[str, int, tuple[int, int]]]:
    """List name, dilation and map size of the convolutions with taps that see padding alone."""
    too_wide: list[tuple[str, int, tuple[int, int]]] = []

    def add_hook(name: str, convolution: nn.Conv2d) -> None:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            size = (args[0].shape[-2], args[0].shape[-1])
            for taps, rate, extent in zip(convolution.kernel_size, convolution.dilation, size, strict=True):
                if rate > 1 and rate * (taps // 2) >= extent:
                    too_wide.append((name, rate, size))
                    return

        handles.append(convolution.register_forward_pre_hook(hook))

    handles: list[RemovableHandle] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            add_hook(name, module)
    was_training = network.training
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    try:
        with torch.no_grad():
            network.eval()(
                torch.zeros(1, first.in_channels, *crop, device=first.weight.device, dtype=first.weight.dtype)
            )
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    return too_wide
