"""What is found."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong or strange.

    Attributes:
        severity: an error stops a training, or makes its scores wrong; a warning may; a note is only good to know.
        kind: in a few words, the same for all problems of a kind.
        split: "train", "val" or "test"; empty where it is none of one split.
        file: or the sample's name; empty where it is none of one file.
        detail: what exactly, and what to do.
        sample: the image to leave out, as the data set names it; empty where leaving one out would not help.
    """

    severity: Severity
    kind: str
    split: str
    file: str
    detail: str
    sample: str = ""


def by_severity(problems: list[Problem]) -> list[Problem]:
    """Return the problems, errors first, then by kind, split and file."""
    return sorted(problems, key=lambda one: (SEVERITIES.index(one.severity), one.kind, one.split, one.file, one.detail))
