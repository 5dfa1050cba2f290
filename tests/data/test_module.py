import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import resize

from segnet.build import data_from_config
from segnet.config import compose, load_config, to_values, values_to_yaml
from segnet.data import Augmentation, DataModule
from segnet.data.augmentation.augmentation import cut
from segnet.data.batch import Collate, TrainingSample
from segnet.data.samples import shrink
from segnet.errors import UserError

SMALL = ["data=shapes", "data.size=[16,24]", "data.images={train:10,val:3,test:5}", "data.batch_size=4"]
AUGMENTED = ["data.augmentation.crop=[12,12]", "data.augmentation.scale=[0.5,2]", "data.augmentation.brightness=0.4"]


def module(*overrides: str):
    return data_from_config(compose([*SMALL, *overrides]))


def batches(data, epoch: int) -> list[dict]:
    return list(data.training_batches(epoch))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("epoch", [0, 5])
def test_the_workers_do_not_change_the_batches(epoch, workers):
    alone = batches(module(*AUGMENTED, "data.num_workers=0"), epoch)
    helped = batches(module(*AUGMENTED, f"data.num_workers={workers}"), epoch)
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
    loader = module(*AUGMENTED).train_loader()
    for batch in batches(data, 2):
        for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            assert torch.equal(loader.collate_fn([loader.dataset[2, index]]).augment()["image"][0], image)


def test_processes_share_the_batches_of_a_single_one():
    data = module(*AUGMENTED, "data.num_workers=0")
    shares = zip(*(data.training_batches(1, rank, world_size=2) for rank in range(2)), strict=True)
    for whole, parts in zip(batches(data, 1), shares, strict=True):
        for name in ("image", "label", "index"):
            assert torch.equal(whole[name], torch.cat([part[name] for part in parts]))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_done_at_once_is_the_batch_done_one_by_one(channels):
    """A GPU takes the first way and the CPU the second; here both on the CPU."""
    augment = Augmentation(
        9, [0.2] * channels, (20, 30), (0.3, 2.0), 0.5, 25, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2
    )
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (channels, height, 50), np.uint8) for height in (20, 35, 60, 35)]
    draws = [augment.draw(image.shape[1:], np.random.default_rng(n)) for n, image in enumerate(images)]
    batch = Collate(augment)(
        [
            TrainingSample(*cut(image, image[0] % 5, draw), n)
            for n, (image, draw) in enumerate(zip(images, draws, strict=True))
        ]
    )
    assert len({*batch.parts}) > 1
    assert len({*batch.radii}) > 1
    one_by_one = batch.augment()
    at_once = batch._augment(slice(None), batch.image.shape[-2:], max(batch.radii))
    assert torch.equal(one_by_one["label"], at_once[1])
    assert (one_by_one["image"].int() - at_once[0].int()).abs().max() <= 1


def test_images_of_different_sizes_need_a_crop():
    class Mixed:
        ids = ("a", "b")

        def load(self, index, random):
            return np.full((8 + index, 9, 3), 50 * index, np.uint8), np.full((8 + index, 9), index, np.uint8)

    def loader(augmentation):
        classes = {"a": (0, 0, 0), "b": (9, 9, 9)}
        return DataModule(lambda split: Mixed(), classes, 255, 3, augmentation, 2, 2, num_workers=0).training_batches(0)

    (batch,) = loader(Augmentation(255, [0, 0, 0], crop=(8, 8)))
    assert batch["image"].shape == (2, 3, 8, 8)
    assert torch.equal(batch["image"][:, 0], 50 * batch["label"])
    with pytest.raises(
        UserError, match=r"images of 9x8 and 9x9 pixels cannot share a batch: set data.augmentation.crop"
    ):
        list(loader(Augmentation(255, [0, 0, 0])))


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.7])
def test_images_are_shrunk_as_torchvision_does_it(scale):
    image = torch.randint(0, 256, (3, 41, 57), dtype=torch.uint8)
    size = [round(41 * scale), round(57 * scale)]
    expected = resize(image, size, antialias=True)
    assert (shrink(image, scale).int() - expected.int()).abs().max() <= 1


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


def test_settings_reach_the_module_and_its_data_set(tmp_path, write_camvid):
    write_camvid(tmp_path, images=5)
    settings = ["data.batch_size=3", "data.eval_batch_size=2", "data.num_workers=1", "data.scale=0.5", "data.passes=2"]
    more = [f"data.root={tmp_path}", "data.augmentation.crop=[4,4]", "data.cache_budget_gib=0", "seed=7"]
    data = data_from_config(compose(["data=camvid", *settings, *more]))
    assert (data.batch_size, data.eval_batch_size, data.num_workers, data.scale, data.passes) == (3, 2, 1, 0.5, 2)
    assert (data.seed, data.cache_budget, data.augmentation.crop, data.ignore_index) == (7, 0, [4, 4], 11)
    assert data.classes[0] == "sky"
    assert [path.parent for path in data.split("val").files(0)] == [tmp_path / "val", tmp_path / "valannot"]
    assert data_from_config(compose([])).passes == 3  # as the set says


def test_a_run_of_an_older_version_has_its_settings_in_data_module(tmp_path):
    values = to_values(compose([*SMALL, "data.scale=0.5", "data.num_workers=0"]))
    arguments = ("_target_", "dataset", "classes", "ignore_index", "channels", "augmentation", "batch_size", "scale")
    arguments += ("eval_batch_size", "num_workers", "passes", "seed", "cache_budget_gib", "cache_dir")
    own = {key: value for key, value in values["data"].items() if key in ("name", "mean", "std", "channels", "classes")}
    older = {**values, "data": {**own, "epochs": 50, "module": {key: values["data"][key] for key in arguments}}}
    (tmp_path / "config.yaml").write_text(values_to_yaml(older))
    data = data_from_config(load_config(tmp_path))
    assert (data.batch_size, data.scale, data.num_workers) == (4, 0.5, 0)
    assert len(data.split("train").ids) == 10
