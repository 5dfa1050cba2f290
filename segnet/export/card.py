"""The model card of a shared network: data, recipe, scores with their intervals, limits."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from segnet import __version__
from segnet.config import Config, get_value

RECIPE = (
    ("network", "model._target_"),
    ("encoder", "model.encoder._target_"),
    ("context block", "context._target_"),
    ("skip connection", "skip._target_"),
    ("upsampler", "upsampler._target_"),
    ("loss", "loss._target_"),
    ("optimiser", "optimizer._target_"),
    ("learning rate", "optimizer.lr"),
    ("weight decay", "optimizer.weight_decay"),
    ("schedule", "scheduler._target_"),
    ("epochs", "epochs"),
    ("batch size", "data.batch_size"),
    ("seed", "seed"),
)
CARD = """\
---
library_name: segnet
pipeline_tag: {tag}
tags:
- {tag}
- segnet
---

# {title}

{introduction}

```python
import segnet

model = segnet.load("hub:OWNER/NAME")  # or this folder
model.predict("photo.jpg").{use}
```

## Data

{data}

## Recipe

{recipe}

All settings are in `config.yaml`.

## Scores

{scores}

## Limits

{limits}
"""


def model_card(config: Config, metrics: Mapping[str, Any], evaluation: Mapping[str, Any], parameters: int) -> str:
    """Write the card in Markdown, with the front matter that the hub reads.

    Args:
        config: of the run.
        metrics: its ``metrics.json``, or nothing.
        evaluation: its ``evaluation.json``, or nothing; its intervals are taken.
        parameters: of the network.
    """
    enlarges = get_value(config, "task.definition.factor") is not None
    name, upsampler = str(get_value(config, "data.name")), _short(get_value(config, "upsampler._target_"))
    kind = "enlarges images" if enlarges else "says the class of each pixel"
    return CARD.format(
        tag="image-to-image" if enlarges else "image-segmentation",
        title=f"{get_value(config, 'name')}: {upsampler} on {name}",
        introduction=f"It {kind}, and has {parameters:,} parameters. Trained with segnet {__version__}.",
        use='save("large.png")' if enlarges else 'overlay()  # .mask, .probabilities, .save("mask.png")',
        data=_data(config, name, enlarges),
        recipe=_recipe(config, metrics),
        scores=_scores(metrics, evaluation),
        limits=_limits(name, enlarges),
    )


def _data(config: Config, name: str, enlarges: bool) -> str:
    lines = [f"Trained on the training split of `{name}`; the best epoch was chosen on its validation split."]
    if not enlarges:
        classes = get_value(config, "data.classes") or {}
        lines.append(f"Classes, in the order of the logits: {', '.join(map(str, classes))}.")
        lines.append(f"Pixels labelled {get_value(config, 'data.ignore_index')} were neither learned nor scored.")
    form = "grey" if get_value(config, "data.channels") == 1 else "RGB"
    lines.append(f"Images go in as {form} in 0..1; the network normalises them itself.")
    return "\n".join(lines)


def _recipe(config: Config, metrics: Mapping[str, Any]) -> str:
    rows = [(label, _short(get_value(config, path))) for label, path in RECIPE]
    measured = [
        ("precision", metrics.get("precision")),
        ("time in training steps", _minutes(metrics.get("train_seconds"))),
        ("torch", metrics.get("torch")),
    ]
    return _table(("setting", "value"), [(label, str(value)) for label, value in (*rows, *measured) if value])


def _scores(metrics: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """Set out the scores of the test split, else of the validation split."""
    known = {key: value for key, value in {**metrics, **evaluation}.items() if isinstance(value, int | float)}
    split = next((split for split in ("test", "val") if any(key.startswith(f"{split}/") for key in known)), None)
    if split is None:
        return "None were measured: the training had not ended."
    intervals = evaluation.get("intervals") or {}
    names = {key: key.removeprefix(f"{split}/") for key in known if key.startswith(f"{split}/")}
    rows = [
        (name, f"{known[key]:.4f}", _interval(intervals.get(key)))
        for key, name in names.items()
        if "/" not in name or name.startswith("iou/")  # of the classes' other scores, evaluation.json has all
    ]
    note = "95% intervals are for further images of this kind." if intervals else "Intervals were not computed."
    definition = evaluation.get("definition")
    lines = [f"On the {split} split, which was not trained on. {note}", "", _table(("score", "value", "95%"), rows)]
    return "\n".join([*lines, *(["", str(definition)] if definition else [])])


def _limits(name: str, enlarges: bool) -> str:
    what_it_does = "Every pixel gets one of the classes above, also where it shows none of them"
    if enlarges:
        what_it_does = "Detail that the small image does not hold is guessed"
    return "\n".join(
        [
            f"- It has seen images of `{name}` alone: other cameras, places, weather or scales were not tried.",
            f"- {what_it_does}.",
            "- One training with one seed: another one scores differently by chance.",
            "- It was made for comparing networks, and is not fit to decide anything about people or traffic.",
            "- What may be done with the weights depends on the data set's terms too.",
        ]
    )


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _minutes(seconds: Any) -> str | None:
    return f"{seconds / 60:.1f} min" if isinstance(seconds, int | float) else None


def _short(value: Any) -> str:
    """Leave out the module of a class; write other values as they are."""
    if isinstance(value, str):
        return value.rpartition(".")[2]
    return "" if value is None else json.dumps(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
