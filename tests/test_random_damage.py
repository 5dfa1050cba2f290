"""Random damage to the files of a run, and random label images: the right score or a sentence."""

import shutil
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segnet.config import load_config
from segnet.errors import UserError
from segnet.inference.scoring import score_run
from segnet.metrics import confusion_matrix, read_scores, scores
from segnet.training.run import train

FILES = ("config.yaml", "history.csv", "metrics.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt")
FEW = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
MANY = settings(FEW, max_examples=150)


@pytest.fixture(scope="module")
def run(tiny_config, tmp_path_factory):
    """A trained run, and its scores on the test split."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    train(tiny_config("trainer.max_epochs=1"), run_dir)
    return run_dir, score_run(run_dir, "test", device="cpu").scores


@st.composite
def damage(draw):
    """Draw a change of a file's content: what is left of it, or None where it is deleted."""
    kind = draw(st.sampled_from(["truncate", "flip", "empty", "delete", "text"]))
    share, bit = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(0, 7))
    words = draw(st.text(max_size=30))

    def flipped(content):
        changed = bytearray(content)
        changed[int(share * len(content))] ^= 1 << bit
        return bytes(changed)

    return kind, {
        "truncate": lambda content: content[: int(share * len(content))],
        "flip": flipped,
        "empty": lambda content: b"",
        "delete": lambda content: None,
        "text": lambda content: words.encode("utf-8", "surrogatepass"),
    }[kind]


def check_damaged(run, tmp_path_factory, name, change):
    whole, expected = run
    folder = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(whole, folder)
    content = change((folder / name).read_bytes())
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    try:
        for checkpoint in ("best", "last"):
            found = score_run(folder, "test", checkpoint, device="cpu").scores
            assert {key: str(value) for key, value in found.items()} == {
                key: str(value) for key, value in expected.items()
            }
        if name in ("history.csv", "metrics.json"):
            assert train(load_config(folder), folder, resume=True)["status"] == "completed"
    except UserError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - either is right
    finally:
        shutil.rmtree(folder.parent)


@FEW
@given(name=st.sampled_from(FILES), drawn=damage())
def test_a_damaged_run_gives_the_right_score_or_a_sentence(run, tmp_path_factory, name, drawn):
    check_damaged(run, tmp_path_factory, name, drawn[1])


@pytest.mark.slow
@MANY
@given(name=st.sampled_from(FILES), drawn=damage())
def test_many_damaged_runs_give_the_right_score_or_a_sentence(run, tmp_path_factory, name, drawn):
    check_damaged(run, tmp_path_factory, name, drawn[1])


@settings(FEW, max_examples=40)
@given(split=st.sampled_from(["val", "test"]), drawn=damage())
def test_damaged_counts_of_images_are_noticed(run, tmp_path_factory, split, drawn):
    whole = read_scores(run[0] / "scores" / f"{split}.npz")
    path = tmp_path_factory.mktemp("damaged") / "scores.npz"
    content = drawn[1]((run[0] / "scores" / f"{split}.npz").read_bytes())
    if content is not None:
        path.write_bytes(content)
    try:
        found = read_scores(path)
    except UserError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right
        assert len(str(error).splitlines()) == 1  # noqa: PT017
    else:
        for field in fields(whole):
            assert np.array_equal(getattr(found, field.name), getattr(whole, field.name)), field.name


@settings(FEW, max_examples=60)
@given(
    classes=st.integers(2, 5),
    size=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    ignored=st.sampled_from([255, 0, 1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_scores_of_random_labels_are_those_of_a_naive_count(classes, size, ignored, seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, size)
    labels[random.random(size) < 0.2] = ignored
    predictions = random.integers(0, classes, size)
    counted = scores(
        confusion_matrix(torch.from_numpy(predictions), torch.from_numpy(labels), classes, ignored), ignored
    )
    ious = []
    for number in range(classes):
        if number == ignored:
            continue
        kept = [(p, t) for p, t in zip(predictions.flat, labels.flat, strict=True) if t != ignored]
        both = sum(p == t == number for p, t in kept)
        either = sum(number in (p, t) for p, t in kept)
        if either:
            ious.append(both / either)
    if ious:
        assert float(counted.miou) == pytest.approx(sum(ious) / len(ious))
    else:
        assert np.isnan(float(counted.miou))
