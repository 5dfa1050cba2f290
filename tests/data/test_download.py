"""Downloads from a server on this machine: cut, resumed, damaged, changed on the way, and at the same time."""

import hashlib
import io
import tarfile
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from segnet.cli import data
from segnet.config import compose
from segnet.data import Pet
from segnet.data.datasets import pet
from segnet.data.datasets.public_set import PublicSet
from segnet.data.download import CHUNK, Archive, fetch
from segnet.errors import UserError
from tests.data.file_server import serving


@pytest.fixture
def server():
    with serving() as server:
        server.files["/set.zip"] = zip_of({f"set/{number}.bin": random_bytes(number) for number in range(3)})
        yield server


def random_bytes(seed):
    return np.random.default_rng(seed).bytes(200_000)


def zip_of(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


def get(server, root, checksum=None, file="set.zip", pause=0):
    archive = Archive(f"{server.url}/{file}", checksum, folder="set")
    fetch("the set", [archive], root, lambda: (root / "0.bin").exists(), pause)


def is_whole(root):
    return {path.name: path.read_bytes() for path in root.iterdir()} == {f"{n}.bin": random_bytes(n) for n in range(3)}


def test_a_cut_connection_is_resumed_where_it_ended(server, tmp_path):
    server.cuts = [6 * CHUNK, 0, 18 * CHUNK, None]
    get(server, tmp_path / "root", md5(server.files["/set.zip"]))
    assert server.asked == [None, *(f"bytes={part * CHUNK}-" for part in (6, 6, 24))]
    assert is_whole(tmp_path / "root")
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_what_arrived_is_kept_for_the_next_call(server, tmp_path):
    server.cuts = [15 * CHUNK, *[0] * 5]
    with pytest.raises(UserError, match=r"the set could not be downloaded from .* cut several times; the same command"):
        get(server, tmp_path / "root")
    assert not (tmp_path / "root").exists()
    assert (tmp_path / ".root-download" / "set.zip.part").stat().st_size == 15 * CHUNK
    get(server, tmp_path / "root")
    assert server.asked[-1] == f"bytes={15 * CHUNK}-"
    assert is_whole(tmp_path / "root")


def test_a_file_that_changed_meanwhile_begins_again(server, tmp_path):
    server.cuts = [15 * CHUNK, *[0] * 5]
    with pytest.raises(UserError, match="cut several times"):
        get(server, tmp_path / "root")
    server.files["/set.zip"] = zip_of({"set/0.bin": b"another version"})
    server.tag = '"two"'
    get(server, tmp_path / "root")
    assert (tmp_path / "root/0.bin").read_bytes() == b"another version"


def test_a_server_without_ranges_begins_again(server, tmp_path):
    server.ranges, server.cuts = False, [15 * CHUNK, None]
    get(server, tmp_path / "root", md5(server.files["/set.zip"]))
    assert is_whole(tmp_path / "root")


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    content = server.files["/set.zip"]
    (tmp_path / ".root-download").mkdir()
    part = tmp_path / ".root-download" / "set.zip.part"
    part.write_bytes(content)
    get(server, tmp_path / "root", md5(content))
    assert server.asked == [f"bytes={len(content)}-"]
    assert is_whole(tmp_path / "root")


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    content = server.files["/set.zip"]
    (tmp_path / ".root-download").mkdir()
    (tmp_path / ".root-download" / "set.zip.part").write_bytes(content + b"more")
    get(server, tmp_path / "root", md5(content))
    assert is_whole(tmp_path / "root")


def test_a_wrong_checksum_is_refused_and_leaves_nothing_to_be_taken_again(server, tmp_path):
    with pytest.raises(UserError, match=r"set.zip has another checksum than md5:0{32}: it was damaged on the way, or"):
        get(server, tmp_path / "root", "md5:" + "0" * 32)
    assert list((tmp_path / ".root-download").iterdir()) == []
    get(server, tmp_path / "root")
    assert server.asked == [None, None]


def test_what_is_in_the_way_stays(server, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match=r"root is not empty and holds no the set: name another data.root"):
        get(server, tmp_path / "root")
    assert server.asked == []
    (tmp_path / "file").write_text("a file")
    with pytest.raises(UserError, match=r"the set cannot be written to .*file/root"):
        get(server, tmp_path / "file" / "root")


def test_of_several_at_once_one_downloads(server, tmp_path):
    threads = [threading.Thread(target=get, args=(server, tmp_path / "root")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == [None]
    assert is_whole(tmp_path / "root")


def test_a_set_that_needs_an_account_says_where_to_go(tmp_path):
    source = PublicSet("the set", "https://example.org", "list.txt", reason="it needs an account")
    with pytest.raises(UserError, match=r"the set is not downloaded, because it needs an account: get it from https"):
        source.find(tmp_path, download=True)


def tar_of(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def pet_server(server, monkeypatch):
    """Serve two archives shaped like those of Oxford-IIIT Pet."""
    image, label = png(np.zeros((6, 8, 3), np.uint8)), png(np.ones((6, 8), np.uint8))
    names = {"trainval": [f"cat_{number}" for number in range(20)], "test": ["dog_1"]}
    both = [name for some in names.values() for name in some]
    lists = {
        f"annotations/{split}.txt": "".join(f"{n} 1 1 1\n" for n in some).encode() for split, some in names.items()
    }
    server.files["/images.tar.gz"] = tar_of({f"images/{name}.jpg": image for name in both})
    server.files["/annotations.tar.gz"] = tar_of(
        lists | {f"annotations/trimaps/{name}.png": label for name in both} | {"annotations/trimaps/._dog_1.png": b"\0"}
    )
    archives = [
        Archive(f"{server.url}/{part}.tar.gz", md5(server.files[f"/{part}.tar.gz"]), part, part)
        for part in ("images", "annotations")
    ]
    source = PublicSet("Pet", pet.SOURCE.page, pet.SOURCE.needed, archives=archives)
    monkeypatch.setattr(pet, "SOURCE", source)
    return server


def test_a_public_set_is_there_after_the_command(pet_server, tmp_path, capsys):
    root = tmp_path / "data" / "pets"
    data.work(compose(["action=download", "data=pet", f"data.root={root}"], "data"))
    assert f"data=pet: {len(Pet('train', root).ids)} images to train on, in {root}" in capsys.readouterr().out
    assert Pet("test", root).load(0, np.random.default_rng())[1].tolist() == [[1] * 8] * 6
    assert len(pet_server.asked) == 2
    data.work(compose(["action=download", "data=pet", f"data.root={root}"], "data"))
    assert len(pet_server.asked) == 2


def test_a_training_fetches_what_is_not_there(pet_server, tmp_path):
    assert Pet("test", tmp_path / "pets", download=True).ids == ["dog_1"]
    assert len(pet_server.asked) == 2
