import pytest
import torch

from segnet.build import data_from_config
from segnet.config import compose

SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:6,val:1,test:1}", "data.batch_size=3"]
PASTING = ["data.augmentation.paste=0.6", "data.augmentation.paste_classes=[1,3]", "data.augmentation.scale=[0.7,1.5]"]


def module(*overrides: str):
    return data_from_config(compose([*SMALL, *overrides]))


def test_objects_of_another_sample_cover_this_one():
    pasting, plain = module(*PASTING).train_loader(), module(PASTING[-1]).train_loader()
    changed = 0
    for index in range(6):
        sample = pasting.dataset[2, index]
        got = pasting.collate_fn([sample]).augment()
        alone = plain.collate_fn([plain.dataset[2, index]]).augment()
        if sample.pasted is None:
            assert torch.equal(got["image"], alone["image"])
            continue
        source = pasting.collate_fn([sample.pasted]).augment()
        chosen = (source["label"] == 1) | (source["label"] == 3)
        assert torch.equal(got["label"], torch.where(chosen, source["label"], alone["label"]))
        assert torch.equal(got["image"], torch.where(chosen[:, None], source["image"], alone["image"]))
        changed += 1
    assert 0 < changed < 6


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_pasted_depends_on_the_sample_alone(workers):
    data = module(*PASTING, f"data.num_workers={workers}")
    loader = module(*PASTING).train_loader()
    for batch in data.training_batches(1):
        assert batch["image"].shape[0] == batch["label"].shape[0] == len(batch["index"]) == 3
        for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            assert torch.equal(loader.collate_fn([loader.dataset[1, index]]).augment()["image"][0], image)


def test_processes_share_the_batches_of_a_single_one():
    data = module(*PASTING)
    whole = next(iter(data.training_batches(0)))
    parts = [next(iter(module(*PASTING).training_batches(0, rank, 3))) for rank in range(3)]
    assert torch.equal(whole["image"], torch.cat([part["image"] for part in parts]))


def test_nothing_is_pasted_where_no_class_is_named():
    loader = module("data.augmentation.paste=1.0").train_loader()
    assert all(loader.dataset[0, index].pasted is None for index in range(6))


def test_done_at_once_it_is_the_same():
    """A GPU takes the one way and the CPU the other; here both on the CPU."""
    loader = module("data.augmentation.paste=1.0", *PASTING[1:]).train_loader()
    batch = loader.collate_fn([loader.dataset[0, index] for index in range(3)])
    assert len(batch) == 3
    assert list(batch.targets) == [0, 1, 2]
    images, labels = batch._augment(slice(None), batch.image.shape[-2:], max(batch.radii))
    for source, target in enumerate(batch.targets, start=3):
        batch.augmentation.paste_objects(images[source], labels[source], images[target], labels[target])
    one_by_one = batch.augment()
    assert torch.equal(one_by_one["label"], labels[:3])
    assert (one_by_one["image"].int() - images[:3].int()).abs().max() <= 1
