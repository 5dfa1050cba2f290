import numpy as np
import pytest
import torch

from segnet.build import compose, data_from_config
from segnet.data import ColourLookup
from segnet.data.images import find_images, read_image
from segnet.errors import UserError
from segnet.metrics import scores

SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:10,val:3,test:5}", "data.batch_size=4"]
AUGMENTED = ["data.augmentation.crop=[12,12]", "data.augmentation.scale=[0.5,2]", "data.augmentation.brightness=0.4"]


def module(*overrides: str):
    return data_from_config(compose([*SMALL, *overrides]))


def batches(data, epoch: int) -> list[dict]:
    loader = data.train_loader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


@pytest.mark.parametrize("epoch", [0, 5])
def test_the_workers_do_not_change_the_batches(epoch):
    alone = batches(module(*AUGMENTED, "data.num_workers=0"), epoch)
    helped = batches(module(*AUGMENTED, "data.num_workers=2"), epoch)
    assert len(alone) == len(helped) == 2
    for one, two in zip(alone, helped, strict=True):
        assert all(torch.equal(one[key], two[key]) for key in ("image", "label", "index"))


def test_epochs_and_seeds_differ():
    data = module(*AUGMENTED, "data.num_workers=0")
    first, second = batches(data, 0), batches(data, 1)
    other = batches(module(*AUGMENTED, "data.num_workers=0", "seed=1"), 0)
    assert not torch.equal(first[0]["image"], second[0]["image"])
    assert not torch.equal(first[0]["image"], other[0]["image"])


def test_a_sample_depends_on_seed_epoch_and_index_alone():
    data = module(*AUGMENTED, "data.num_workers=0")
    samples = module(*AUGMENTED).train_loader().dataset
    for batch in batches(data, 2):
        for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            assert torch.equal(samples[2, index]["image"], image)


def test_scale_shrinks_the_image_and_leaves_the_label_for_scoring():
    sample = module("data.scale=0.5").eval_loader("val").dataset[0]
    assert tuple(sample["image"].shape) == (3, 8, 12)
    assert tuple(sample["label"].shape) == (16, 24)


def test_a_batch_larger_than_the_split_is_refused():
    with pytest.raises(UserError, match=r"batch size 11 is larger than .* 10 images: set data.batch_size=10"):
        module("data.batch_size=11").check()


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(UserError, match=r"batch size 4 cannot be shared by 3 processes"):
        module().check(world_size=3)


def test_an_unknown_split_is_refused():
    with pytest.raises(UserError, match="there is no split 'training': choose one of train, val, test"):
        module().split("training")


def test_a_lookup_solves_what_colour_decides():
    class Coloured:
        ids = ("a", "b")

        def load(self, index, random):
            label = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)
            return np.stack([label % 3 * 80] * 3, axis=-1), label

    lookup = ColourLookup(3, 255, channels=3)
    lookup.fit(Coloured())
    confusion = lookup.evaluate(Coloured())
    assert scores(confusion).miou == 1
    assert confusion.sum() == 10
    assert (lookup.predict(np.full((1, 1, 3), 250, np.uint8)) == 1).all()  # never seen: the commonest, 1 before 2


def test_finds_images_and_keeps_their_names_apart(tmp_path):
    from PIL import Image

    (tmp_path / "deep").mkdir()
    for name in ("a.png", "a.jpg", "b.JPG", "deep/a.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    found = {str(path.relative_to(tmp_path)): name for path, name in find_images(tmp_path).items()}
    assert found == {"a.png": "a.png.png", "a.jpg": "a.jpg.png", "b.JPG": "b.png", "deep/a.png": "deep/a.png"}
    assert find_images(tmp_path / "a.png") == {tmp_path / "a.png": "a.png"}
    assert read_image(tmp_path / "a.png", channels=1).shape == (2, 2, 1)
    with pytest.raises(UserError, match="does not exist"):
        find_images(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        find_images(tmp_path / "empty")
