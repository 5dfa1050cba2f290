"""Packed sets at an address: chunks come when they are needed, and those not used for longest go."""

import multiprocessing

import numpy as np
import pytest

from segnet.data import Packed
from segnet.errors import UserError
from tests.data.file_server import serving
from tests.data.packed_sets import pack_set, packed_data

RANDOM = np.random.default_rng(0)
SHAPES = ("data=shapes", "data.size=[16,24]", "data.images={train:16,val:3,test:4}", "data.batch_size=4")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack_set(tmp_path_factory.mktemp("packed") / "shapes", *SHAPES)


@pytest.fixture
def server(packed):
    with serving() as server:
        for path in packed.rglob("*"):
            if path.is_file():
                server.files[f"/shapes/{path.relative_to(packed).as_posix()}"] = path.read_bytes()
        yield server


@pytest.fixture
def opened(server, tmp_path):
    """Open the training split at its address, with room for some chunks."""

    def opened(chunks: float = 100) -> Packed:
        largest = max(len(content) for name, content in server.files.items() if name.endswith(".bin"))
        return Packed("train", f"{server.url}/shapes", tmp_path / "cache", chunks * largest / 2**30)

    return opened


def kept(read: Packed) -> list[str]:
    return sorted(path.name for path in read.folder.path.glob("*.bin"))


def same(read: Packed, packed, indices) -> bool:
    source = Packed("train", packed)
    pairs = [(read.load(index, RANDOM), source.load(index, RANDOM)) for index in indices]
    return all(np.array_equal(one, other) for found, wanted in pairs for one, other in zip(found, wanted, strict=True))


def test_chunks_are_fetched_once_when_they_are_needed(server, opened, packed):
    read = opened()
    assert kept(read) == []
    assert same(read, packed, [9])
    assert len(kept(read)) == 1
    assert same(read, packed, range(16))
    assert kept(read) == sorted(read.chunks.names)
    before = len(server.asked)
    assert same(opened(), packed, range(16))
    assert len(server.asked) - before <= 1  # packed.json alone, or nothing


def test_chunks_that_were_not_used_for_longest_make_room(opened, packed):
    read = opened(chunks=2.5)
    starts, names = read.chunks.starts, read.chunks.names
    assert same(read, packed, [starts[0], starts[1], starts[0], starts[2]])
    assert kept(read) == sorted([names[0], names[2]])
    assert same(read, packed, range(16))
    assert sum(path.stat().st_size for path in read.folder.path.glob("*.bin")) <= read.folder.budget
    assert len(kept(read)) >= 2


def test_too_little_room_for_one_chunk_is_named(opened):
    read = opened(chunks=0.5)
    with pytest.raises(UserError, match=r"has \d+ bytes, more than data\.chunk_cache_gib=.* holds: set a larger one"):
        read.load(0, RANDOM)


def test_a_damaged_copy_is_fetched_again(opened, packed):
    read = opened()
    read.load(0, RANDOM)
    path = read.folder.path / read.chunks.names[0]
    content = bytearray(path.read_bytes())
    content[-30:] = bytes(30)
    path.unlink()  # what is mapped stays
    path.write_bytes(content)
    assert same(opened(), packed, range(read.chunks.sizes[0]))
    (read.folder.path / "samples.json").write_bytes(b"{")
    assert opened().ids == read.ids


def test_what_is_damaged_at_the_address_is_named(server, opened):
    name = f"/shapes/train/{opened().chunks.names[0]}"
    whole = server.files[name]
    server.files[name] = whole[:-1] + bytes([whole[-1] ^ 1])
    with pytest.raises(UserError, match=r"the chunk .*chunk-0-0\.bin is damaged: copy it again"):
        opened().load(opened().chunks.sizes[0] - 1, RANDOM)
    server.files[name] = whole[:-1]
    with pytest.raises(UserError, match=r"http.*chunk-0-0\.bin is damaged \(\d+ bytes, and not \d+\): copy it there"):
        opened().load(0, RANDOM)
    del server.files[name]
    with pytest.raises(UserError, match=r"http.*chunk-0-0\.bin could not be fetched \(404 .*\): is data\.root right"):
        opened().load(0, RANDOM)
    server.files["/shapes/val/samples.json"] = b"{}"
    with pytest.raises(UserError, match=r"val/samples\.json is damaged: copy it there again"):
        Packed("val", opened().root, opened().folder.path.parent.parent)


def test_a_wrong_address_is_named(server, tmp_path):
    with pytest.raises(UserError, match=r"http.*/nothing/packed\.json could not be fetched \(404"):
        packed_data(f"{server.url}/nothing", f"data.cache_dir={tmp_path}")
    with pytest.raises(UserError, match=r"local:.*packed\.json could not be fetched \(.*doesn't exist"):
        packed_data(f"local:{tmp_path}/nothing", f"data.cache_dir={tmp_path}")


def test_object_storage_is_read_by_its_client(server, packed, tmp_path, monkeypatch):
    """A server that answers as S3 does, for the few calls that are made."""
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.files |= {f"/bucket{name}": content for name, content in server.files.items()}
    data = packed_data("s3://bucket/shapes", f"data.cache_dir={tmp_path}", "data.num_workers=2")
    assert sorted(int(index) for batch in data.training_batches(0) for index in batch["index"]) == [*range(16)]
    assert same(data.split("train"), packed, range(16))
    with pytest.raises(UserError, match=r"s3://bucket/nothing/packed\.json could not be fetched \(.*404.*\): is data"):
        packed_data("s3://bucket/nothing", f"data.cache_dir={tmp_path}")


def test_a_slow_disk_is_read_through_copies(packed, tmp_path):
    read = Packed("train", f"local:{packed}", tmp_path)
    assert same(read, packed, range(16))
    assert kept(read) == sorted(read.chunks.names)
    assert read.folder.path.is_relative_to(tmp_path)


def _read_all(read: Packed, seed: int, results) -> None:
    order = np.random.default_rng(seed).permutation([*range(16)] * 4)
    results.put(
        [read.load(int(index), RANDOM)[0].tobytes() == read.load(int(index), RANDOM)[0].tobytes() for index in order]
    )


def test_processes_share_too_little_room(opened):
    """Each deletes what another reads."""
    read, context = opened(chunks=1.5), multiprocessing.get_context("fork")
    read.load(0, RANDOM)
    results = context.Queue()
    processes = [context.Process(target=_read_all, args=(read, seed, results)) for seed in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert [len(one) for one in found] == [64, 64]
    assert all(all(one) for one in found)


def test_loaders_read_an_address(server, tmp_path):
    settings = (f"data.cache_dir={tmp_path}", "data.num_workers=2", "data.window=2")
    data = packed_data(f"{server.url}/shapes", *settings)
    seen = [int(index) for batch in data.training_batches(0) for index in batch["index"]]
    assert sorted(seen) == list(range(16))
