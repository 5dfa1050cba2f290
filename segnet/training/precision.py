"""Which number format a device is fast in."""

import torch


def device_type(accelerator: str) -> str:
    """Say what Lightning's accelerator setting ("auto", "gpu", "cpu", ...) comes to here: "cpu", "cuda" or "mps"."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    found = torch.accelerator.current_accelerator(check_available=True)
    return found.type if found is not None else "cpu"


def choose_precision(setting: str, device: str) -> str:
    """Resolve ``precision=auto``.

    Args:
        setting: a precision that Lightning knows, or "auto".
        device: "cpu", "cuda", "mps" or another.

    Returns:
        "bf16-mixed" on a GPU of compute capability 8 or more and on a CPU with bfloat16 instructions (AMX or
        AVX512-BF16), "16-mixed" on an older GPU, "32-true" elsewhere.
    """
    if setting != "auto":
        return setting
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    if device == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()):
        return "bf16-mixed"
    return "32-true"
