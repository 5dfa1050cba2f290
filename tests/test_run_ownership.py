"""One process at a time owns a run folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segnet.errors import UserError
from segnet.run_folder import write_whole
from segnet.run_ownership import claim_new, claim_to_resume
from tests.folder_listing import listing

CLAIM = """
import sys
from pathlib import Path
from segnet.run_ownership import claim_new
with claim_new(Path(sys.argv[1])) as folder:
    (folder / "config.yaml").touch()
    print("owned", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def owned(tmp_path):
    """A folder that another process owns until it is killed."""
    folder = tmp_path / "run"
    command = [sys.executable, "-c", CLAIM, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "owned\n"
        yield folder, process
        process.kill()


def test_a_second_process_is_refused_and_writes_nothing(owned):
    folder, process = owned
    before = listing(folder)
    with (
        pytest.raises(UserError, match=r"another process is training in .*run: name another run_dir"),
        claim_new(folder),
    ):
        pass
    with pytest.raises(UserError, match="wait until it ends, or stop it, and resume then"), claim_to_resume(folder):
        pass
    assert listing(folder) == before
    with claim_new(folder, next_free=True) as other:
        assert other == folder.with_name("run_2")
    process.kill()
    process.wait()
    with claim_to_resume(folder):  # at once: a dead process owns nothing
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_loading_processes_do_not_keep_a_folder(tmp_path):
    (tmp_path / "config.yaml").touch()
    with claim_to_resume(tmp_path):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(reading, 1)
            os._exit(0)
    try:
        result = subprocess.run(
            [sys.executable, "-c", CLAIM, str(tmp_path)], input="", capture_output=True, text=True, check=False
        )
        assert result.stdout == "owned\n"
    finally:
        os.write(writing, b"x")
        os.waitpid(child, 0)


def test_the_next_free_name_is_taken(tmp_path):
    names = []
    for _ in range(3):
        with claim_new(tmp_path / "now", next_free=True) as folder:
            (folder / "config.yaml").touch()
            names.append(folder.name)
    assert names == ["now", "now_2", "now_3"]


def test_what_is_claimed_can_be_claimed_within(tmp_path):
    with claim_new(tmp_path / "run") as folder, claim_new(folder) as again:
        assert again == folder


def test_a_folder_in_which_nothing_was_written_goes(tmp_path):
    with claim_new(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["checkpoints/best.ckpt", "checkpoints/last.ckpt", "metrics.json"])
def test_a_folder_with_something_to_lose_is_refused(tmp_path, file):
    folder = tmp_path / "it's a run"
    write_whole(folder / "config.yaml", "")
    write_whole(folder / file, json.dumps({"status": "completed"}))
    before = listing(folder)
    quoted = r"""continue it with 'resume=.*it'"'"'s a run', or name another run_dir"""
    with pytest.raises(UserError, match=quoted), claim_new(folder):
        pass
    assert listing(folder) == before


def test_a_training_that_failed_before_its_first_checkpoint_blocks_nothing(tmp_path):
    write_whole(tmp_path / "config.yaml", "")
    write_whole(tmp_path / "metrics.json", json.dumps({"status": "failed"}))
    write_whole(tmp_path / "checkpoints" / ".last.ckpt.123.part", "")
    with claim_new(tmp_path):
        assert not (tmp_path / "metrics.json").exists()
        assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    message = r"the folder .*file/run cannot be written: Not a directory"
    with pytest.raises(UserError, match=message), claim_new(tmp_path / "file" / "run"):
        pass


def test_only_a_run_is_resumed(tmp_path):
    with pytest.raises(UserError, match=r"is not a run folder: it has no config\.yaml"), claim_to_resume(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_absolute_path_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with claim_new(Path("run")) as folder, claim_new(folder.absolute()):
        assert folder == Path("run")
