"""Controlled experiments: one factor varies, all else is the same, and the verdict comes with its uncertainty."""

from segnet.ablation.design.plan import Arm, Plan, Tuning

__all__ = ["Arm", "Plan", "Tuning", "run_ablation"]


def __getattr__(name: str) -> object:
    # Late, so that a plan can be made and a command's help shown without torch.
    if name == "run_ablation":
        from segnet.ablation.experiment import run_ablation

        return run_ablation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
