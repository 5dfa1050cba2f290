"""Archives from elsewhere: files in their place, and nothing else."""

import io
import stat
import tarfile
import zipfile

import pytest

from segnet.data.archives import unpack


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, kind in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


GOOD = ("x-master/CamVid/train/a.png", "pixels", stat.S_IFREG)


def test_the_files_of_the_folder_are_unpacked(tmp_path):
    more = [
        ("x-master/CamVid/list.txt", "a", 0),
        ("x-master/CamVid/empty/", "", stat.S_IFDIR),
        ("x-master/other", "", 0),
    ]
    unpack(pack(tmp_path / "a.zip", [GOOD, *more]), tmp_path / "out", "CamVid")
    files = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*.*")}
    assert files == {"train/a.png": "pixels", "list.txt": "a"}


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("x/CamVid//tmp/outside", 0, "unsafe path"),
        ("x/CamVid/../../outside", 0, "unsafe path"),
        ("x/CamVid/a/../../outside", 0, "unsafe path"),
        ("x/CamVid/..\\..\\outside", 0, "unsafe path"),
        ("x/CamVid/C:/outside", 0, "unsafe path"),
        ("x/CamVid/link", stat.S_IFLNK, "is a link or a device"),
        ("x/CamVid/device", stat.S_IFCHR, "is a link or a device"),
        ("x/CamVid/pipe", stat.S_IFIFO, "is a link or a device"),
    ],
)
def test_what_would_lie_elsewhere_is_refused_before_anything_is_written(tmp_path, name, kind, message):
    with pytest.raises(KeyError, match=message):
        unpack(pack(tmp_path / "a.zip", [GOOD, (name, "/etc/passwd", kind)]), tmp_path / "out", "CamVid")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_files_that_grow_absurdly_are_refused(tmp_path):
    bomb = pack(tmp_path / "a.zip", [GOOD, ("x/CamVid/zeros", b"\0" * 3_000_000, 0)])
    assert bomb.stat().st_size < 10_000
    with pytest.raises(KeyError, match="its files are larger than 2,000,000 bytes"):
        unpack(bomb, tmp_path / "out", "CamVid", max_bytes=2_000_000)
    assert not (tmp_path / "out").exists()


def test_a_size_that_is_a_lie_does_not_help(tmp_path):
    content = bytearray(pack(tmp_path / "a.zip", [("x/CamVid/zeros", b"\0" * 3_000_000, 0)]).read_bytes())
    true, lie = (3_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert content.count(true) == 2
    (tmp_path / "a.zip").write_bytes(content.replace(true, lie))
    with pytest.raises(zipfile.BadZipFile):
        unpack(tmp_path / "a.zip", tmp_path / "out", "CamVid", max_bytes=2_000_000)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) <= 1000


def test_another_archive_is_named(tmp_path):
    with pytest.raises(KeyError, match="it has no folder CamVid"):
        unpack(pack(tmp_path / "a.zip", [("x/y", "z", 0)]), tmp_path / "out", "CamVid")


def pack_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content)
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_tar_files_are_unpacked_too(tmp_path, mode):
    members = [("VOC/a/1.txt", b"one", tarfile.REGTYPE), ("VOC/a", b"", tarfile.DIRTYPE), ("o", b"", tarfile.SYMTYPE)]
    archive = pack_tar(tmp_path / "a.tar", members, mode)
    unpack(archive, tmp_path / "out", "VOC")
    assert (tmp_path / "out/a/1.txt").read_text() == "one"
    unpack(pack_tar(tmp_path / "b.tar", members[:1], mode), tmp_path / "whole")
    assert (tmp_path / "whole/VOC/a/1.txt").read_text() == "one"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("x//tmp/outside", tarfile.REGTYPE, "unsafe path"),
        ("x/../../outside", tarfile.REGTYPE, "unsafe path"),
        ("x/link", tarfile.SYMTYPE, "is a link or a device"),
        ("x/link", tarfile.LNKTYPE, "is a link or a device"),
        ("x/pipe", tarfile.FIFOTYPE, "is a link or a device"),
    ],
)
def test_what_a_tar_file_would_put_elsewhere_is_refused(tmp_path, name, kind, message):
    archive = pack_tar(tmp_path / "a.tar", [(name, b"", kind)])
    with pytest.raises(KeyError, match=message):
        unpack(archive, tmp_path / "out", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar"]


def test_a_tar_file_that_grows_absurdly_or_is_damaged_is_refused(tmp_path):
    bomb = pack_tar(tmp_path / "a.tar", [("x/zeros", b"\0" * 3_000_000, tarfile.REGTYPE)])
    with pytest.raises(KeyError, match="its files are larger than 2,000,000 bytes"):
        unpack(bomb, tmp_path / "out", "x", max_bytes=2_000_000)
    bomb.write_bytes(bomb.read_bytes()[:-2000])
    with pytest.raises(tarfile.TarError):
        unpack(bomb, tmp_path / "out", "x")
    with pytest.raises(KeyError, match="it has no folder y"):
        unpack(pack_tar(tmp_path / "b.tar", [("x/a", b"", tarfile.REGTYPE)]), tmp_path / "out", "y")
