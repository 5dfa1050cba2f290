import json
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from segnet.data import CamVid, Packed
from segnet.data.chunks import Chunks
from segnet.data.integrity import check_samples
from segnet.data.verification import split_sources, verify_splits
from segnet.errors import UserError
from tests.data.packed_sets import pack_set, packed_data

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def sets(write_camvid, tmp_path_factory):
    """A small set and its packed form, of which each test gets a copy."""
    folder = tmp_path_factory.mktemp("sets")
    camvid = write_camvid(folder / "camvid", images=12, size=(20, 30))
    pack_set(folder / "packed", "data=camvid", f"data.root={camvid}", "data.batch_size=6")
    return folder


@pytest.fixture
def camvid(sets, tmp_path):
    return shutil.copytree(sets / "camvid", tmp_path / "camvid")


@pytest.fixture
def packed(sets, tmp_path):
    return shutil.copytree(sets / "packed", tmp_path / "packed")


@pytest.mark.parametrize("plain", [False, True])
def test_each_sample_is_that_of_the_set_it_was_packed_from(camvid, tmp_path, plain):
    root = pack_set(tmp_path / "packed", "data=camvid", f"data.root={camvid}", plain=plain)
    for split in ("train", "val", "test"):
        read, source = Packed(split, root), CamVid(split, camvid)
        assert read.ids == list(source.ids)
        assert read.groups == list(source.groups)
        assert len(read.chunk_sizes) > 2
        assert sum(read.chunk_sizes) == 12
        for index in np.random.default_rng(1).permutation(12):
            for found, wanted in zip(read.load(int(index), RANDOM), source.load(int(index), RANDOM), strict=True):
                assert found.dtype == np.uint8
                assert np.array_equal(found, wanted)


def test_a_file_without_conversion_keeps_its_bytes_and_others_their_pixels(camvid, tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(camvid / "train/0.png", compress_level=0)  # larger than what a packer would write
    Image.fromarray(pixels[..., 0]).save(camvid / "train/1.png")  # grey, read as colour
    Image.fromarray(pixels.astype(np.uint16)[..., 0] * 257).save(camvid / "train/2.png")  # 16 bits
    packed = pack_set(tmp_path / "packed", "data=camvid", f"data.root={camvid}")
    read, source = Packed("train", packed), CamVid("train", camvid)
    assert (camvid / "train/0.png").read_bytes() in read.chunks.read(0)
    assert (camvid / "train/1.png").read_bytes() in read.chunks.read(1)
    assert (camvid / "train/2.png").read_bytes() not in read.chunks.read(2)
    assert all(np.array_equal(read.load(index, RANDOM)[0], source.load(index, RANDOM)[0]) for index in range(3))


def test_the_settings_are_those_of_the_set_it_was_packed_from(packed):
    data = packed_data(packed)
    assert (data.classes[0], data.colours[0], data.ignore_index, data.batch_size) == ("sky", (128, 128, 128), 11, 6)
    assert list(data.augmentation.crop) == [360, 480]
    assert packed_data(packed, "data.batch_size=2").batch_size == 2


def test_what_packing_found_is_not_read_again(packed, camvid, monkeypatch):
    data = packed_data(packed)
    pixels, sizes = check_samples(CamVid("train", camvid), data.classes, 11, 3)
    assert packed_data(packed, "data.ignore_index=10", "data.channels=3").split("train").known_facts([], 10, 3) is None
    monkeypatch.setattr(Packed, "load", lambda *_: pytest.fail("a sample is read"))
    assert torch.equal(data.pixel_counts("train"), pixels)
    assert data.sizes("train") == sizes
    assert packed_data(packed).sizes("val") == [(20, 30)] * 12


@pytest.mark.parametrize("workers", [0, 2])
def test_two_processes_see_each_sample_once_an_epoch(packed, workers):
    data = packed_data(packed, "data.augmentation.crop=[20,30]", f"data.num_workers={workers}", "data.window=2")
    seen = [int(index) for rank in range(2) for batch in data.train_loader(rank, 2) for index in batch.index]
    assert sorted(seen) == list(range(12))
    scored = [
        int(index) for rank in range(2) for batch in data.eval_loader("test", rank, 2) for index in batch["index"]
    ]
    assert sorted(scored) == list(range(12))


def test_threads_and_copies_read_the_same(packed):
    read = Packed("train", packed)
    wanted = [read.load(index, RANDOM)[0].tobytes() for index in range(12)]
    copy = pickle.loads(pickle.dumps(read))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: copy.load(index, RANDOM)[0].tobytes(), [*range(12)] * 5))
    assert found == wanted * 5


def test_a_window_is_for_packed_sets_alone(camvid, packed):
    data = packed_data(packed, "data.window=1")
    data._splits["train"] = CamVid("train", camvid)
    with pytest.raises(UserError, match=r"data\.window=1 is for a packed set, which has chunks: leave it out"):
        data.train_loader()


def test_a_wrong_folder_is_named(tmp_path):
    with pytest.raises(
        UserError, match=r"no packed data set in .*nowhere \(packed\.json is missing\): name the folder"
    ):
        packed_data(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"data=packed needs data\.root=FOLDER, which segnet-data pack"):
        packed_data("null")


def test_a_damaged_description_is_named(packed):
    path = packed / "packed.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "layout": 2}))
    with pytest.raises(UserError, match=r"packed\.json is of version 2, and 1 is read: pack the data set again"):
        packed_data(packed)
    path.write_text(json.dumps({key: value for key, value in facts.items() if key != "mean"}))
    with pytest.raises(UserError, match=r"packed\.json is damaged \(it has no mean\): copy it again"):
        packed_data(packed)
    path.write_text("{")
    with pytest.raises(UserError, match=r"packed\.json is damaged \(.*\): copy it again"):
        packed_data(packed)
    del facts["recipe"]["scale"]
    path.write_text(json.dumps(facts))
    with pytest.raises(
        UserError, match=r"packed\.json does not say scale: pack the data set again, or set data\.scale"
    ):
        packed_data(packed)
    del facts["splits"]["val"]
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"has no split val: it has train, test"):
        Packed("val", packed)


@pytest.mark.parametrize("value", [{"_target_": "os.getpid"}, "${oc.env:HOME}"], ids=["class", "reference"])
def test_nothing_that_a_packed_set_says_is_called_or_resolved(packed, value):
    path = packed / "packed.json"
    facts = json.loads(path.read_text())
    facts["recipe"]["augmentation"]["crop"] = [8, value]
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"packed\.json names code to run, which no packed set does: do not use it"):
        packed_data(packed)


def test_a_packed_set_that_is_older_than_a_setting_trains_without_it(packed):
    path = packed / "packed.json"
    facts = json.loads(path.read_text())
    assert facts["recipe"]["augmentation"].pop("class_balance") == 0
    assert "transforms" not in facts["recipe"]["augmentation"]
    path.write_text(json.dumps(facts))
    assert packed_data(packed).augmentation.class_balance == 0


@pytest.mark.parametrize("name", ["samples.json", "samples.npz", "index.json"])
def test_a_damaged_file_beside_the_chunks_is_named(packed, name):
    path = packed / "train" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=rf"train/{name} is damaged: copy it again, or pack the data set again"):
        Packed("train", packed)
    path.unlink()
    with pytest.raises(UserError, match=rf"train/{name} is missing: copy the packed set again"):
        Packed("train", packed)


def test_a_missing_or_damaged_chunk_is_named(packed):
    read = Packed("train", packed)
    first, second, third = (packed / "train" / name for name in read.chunks.names[:3])
    content = bytearray(first.read_bytes())
    content[-20] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:-5])
    third.unlink()
    sound = [read.load(index, RANDOM) for index in range(read.chunks.starts[3], 12)]
    assert len(sound) > 0
    last = read.chunks.starts[1] - 1
    with pytest.raises(UserError, match=rf"the chunk .*{first.name} is damaged: copy it again, or pack"):
        read.load(last, RANDOM)
    with pytest.raises(UserError, match=rf"the chunk .*{second.name} is damaged \(\d+ bytes, and not \d+\): copy it"):
        read.load(read.chunks.starts[1], RANDOM)
    with pytest.raises(UserError, match=rf"the chunk .*{third.name} is missing: copy it again"):
        read.load(read.chunks.starts[2], RANDOM)


def test_verification_names_every_sample_of_a_damaged_chunk(packed):
    chunks = Packed("train", packed).chunks
    (packed / "train" / chunks.names[0]).unlink()
    data = packed_data(packed)
    sources, problems = split_sources(data)
    found = [*problems, *verify_splits(sources, data.classes, data.ignore_index)]
    lost = [one.file for one in found if "is missing: copy it again" in one.detail]
    assert lost == list(sources["train"].ids)[: chunks.sizes[0]]


@pytest.mark.parametrize(
    ("key", "value"), [("data_format", ["pickle"]), ("compression", "zstd"), ("item_loader", "TokensLoader")]
)
def test_chunks_that_litdata_would_unpickle_are_refused(packed, key, value):
    read = Packed("train", packed)
    index = json.loads((packed / "train/index.json").read_text())
    index["config"][key] = value
    with pytest.raises(UserError, match=r"the index of .*train is not what segnet-data pack writes"):
        Chunks(read.folder, json.dumps(index).encode(), read.chunks.checksums)


def test_a_chunk_elsewhere_is_refused(packed):
    read = Packed("train", packed)
    index = json.loads((packed / "train/index.json").read_text())
    index["chunks"][0]["filename"] = "../val/chunk-0-0.bin"
    with pytest.raises(UserError, match=r"the index of .*train is not what segnet-data pack writes"):
        Chunks(read.folder, json.dumps(index).encode(), read.chunks.checksums)
    with pytest.raises(UserError, match=r"the index of .*train is damaged \('config'\): copy it again"):
        Chunks(read.folder, b"{}", read.chunks.checksums)


def test_without_litdata_it_says_what_to_install(packed, monkeypatch):
    monkeypatch.setattr("segnet.data.chunks.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"packed data sets need the package litdata: pip install"):
        Packed("train", packed)
