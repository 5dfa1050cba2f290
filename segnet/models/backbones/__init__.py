"""Encoders from torchvision and timm, with or without pretrained weights."""

__all__ = ["TimmEncoder", "TorchvisionEncoder"]


def __getattr__(name: str) -> object:
    # Late: torchvision takes seconds to import, and timm may not be installed.
    if name == "TorchvisionEncoder":
        from segnet.models.backbones.torchvision_encoder import TorchvisionEncoder

        return TorchvisionEncoder
    if name == "TimmEncoder":
        from segnet.models.backbones.timm_encoder import TimmEncoder

        return TimmEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
