import weakref
from fractions import Fraction

import numpy as np
import pytest

import segnet
from segnet.errors import UserError
from segnet.inference import video
from segnet.inference.predictor import LARGEST_BATCH
from segnet.inference.video import frame_count, predict_video, video_files

av = pytest.importorskip("av")
TIMES = [*range(10), 13, 20, *range(30, 40)]  # in 1/25 s: the camera paused twice


@pytest.fixture(scope="module")
def model(segmentation_run):
    return segnet.load(segmentation_run, device="cpu", precision="32-true")


def write_video(path, times=TIMES, size=(17, 23), sound=False, pictures=True):
    """A noisy video whose frames become brighter."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        if pictures:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = *size, "bgr0"
            stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
        if not sound:
            container.start_encoding()  # a file without a frame has a header too
        if sound:
            voice = container.add_stream("aac", rate=8000)
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
            tone.sample_rate = 8000
            container.mux(voice.encode(tone))
            container.mux(voice.encode(None))
        for number, time in enumerate(times if pictures else ()):
            pixels = random.integers(0, 100, (*size, 3), dtype=np.uint8) + np.uint8(6 * number)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        if pictures:
            container.mux(stream.encode(None))
    return path


def frames(path, form="rgb24"):
    with av.open(str(path)) as container:
        return [(float(frame.time), frame.to_ndarray(format=form)) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "drive.mkv", sound=True)


def test_every_frame_is_predicted_in_order_and_at_its_time(model, source, tmp_path):
    counts = list(predict_video(model, source, tmp_path / "out", ["index", "overlay"]))
    assert counts == sorted(counts)
    assert counts[-1] == len(TIMES)
    assert frame_count(source) == 40  # this container does not say it: length by rate
    given = frames(source)
    masks, overlays = (
        frames(tmp_path / "out" / "index" / "drive.mkv", "gray"),
        frames(tmp_path / "out" / "overlay" / "drive.mp4"),
    )
    assert len(masks) == len(overlays) == len(TIMES)
    for expected, (time, pixels), (mask_time, mask), (overlay_time, overlay) in zip(
        TIMES, given, masks, overlays, strict=True
    ):
        result = model.predict(pixels)
        assert np.array_equal(mask, result.mask)  # to the number
        assert time == pytest.approx(expected / 25, abs=0.002)
        assert (mask_time, overlay_time) == pytest.approx((time, time), abs=0.002)
        assert overlay.shape == (18, 24, 3)  # odd sides get one more
        assert abs(overlay[:17, :23].astype(int).mean() - result.overlay().mean()) < 4
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["drive.mkv", "drive.mp4"]


def test_no_more_than_a_batch_of_frames_is_held(model, source, tmp_path, monkeypatch):
    alive, most = weakref.WeakSet(), 0
    decoded = video._frames

    class Held(np.ndarray):
        __hash__ = object.__hash__

    def counted(*arguments):
        nonlocal most
        for frame in decoded(*arguments):
            pixels = frame.pixels.view(Held)
            alive.add(pixels)
            most = max(most, len(alive))
            yield frame._replace(pixels=pixels)
            del pixels

    monkeypatch.setattr(video, "_frames", counted)
    write_video(tmp_path / "long.mkv", range(5 * LARGEST_BATCH))
    assert list(predict_video(model, tmp_path / "long.mkv", tmp_path / "out"))[-1] == 5 * LARGEST_BATCH
    assert most <= 2 * LARGEST_BATCH + 1


def test_super_resolution_enlarges_each_frame(enlarging_run, source, tmp_path):
    model = segnet.load(enlarging_run, device="cpu", precision="32-true")
    list(predict_video(model, source, tmp_path))
    enlarged = frames(tmp_path / "drive.mp4")
    assert len(enlarged) == len(TIMES)
    assert enlarged[0][1].shape == (34, 46, 3)
    with pytest.raises(UserError, match=r"write=\[index\] is for segmentation, and this run enlarges"):
        list(predict_video(model, source, tmp_path, ["index"]))


def test_a_video_that_breaks_off_leaves_nothing_behind(model, tmp_path):
    content = bytearray(write_video(tmp_path / "broken.mkv").read_bytes())
    for place in range(len(content) // 2, len(content) - 200, 11):
        content[place] ^= 0xFF
    (tmp_path / "broken.mkv").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.mkv is damaged at frame \d+.*: encode it again from its source"):
        list(predict_video(model, tmp_path / "broken.mkv", tmp_path / "out"))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_an_earlier_result_stays_where_a_new_one_fails(model, source, tmp_path):
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "drive.mp4").write_bytes(b"earlier")
    progress = predict_video(model, source, tmp_path)
    next(progress)
    progress.close()  # as Ctrl+C does
    assert [path.name for path in (tmp_path / "overlay").iterdir()] == ["drive.mp4"]
    assert (tmp_path / "overlay" / "drive.mp4").read_bytes() == b"earlier"


def test_what_is_no_video_is_a_sentence(model, tmp_path, source):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video " * 99)
    write_video(tmp_path / "sound.mp4", sound=True, pictures=False)
    write_video(tmp_path / "nothing.mkv", times=())
    for name, sentence in (
        ("empty.mp4", r"cannot read the video .*empty\.mp4: "),
        ("text.mp4", r"cannot read the video .*text\.mp4: "),
        ("sound.mp4", r"sound\.mp4 has no pictures, only audio"),
        ("nothing.mkv", r"cannot read the video .*nothing\.mkv: End of file"),
    ):
        with pytest.raises(UserError, match=sentence):
            list(predict_video(model, tmp_path / name, tmp_path / "out"))
    with pytest.raises(UserError, match="claims frames of 23x17 pixels, more than max_pixels=100: set max_pixels=391"):
        list(predict_video(model, source, tmp_path / "out", max_pixels=100))
    with pytest.raises(UserError, match="write=probabilities is not written for a video: choose from overlay, colour"):
        list(predict_video(model, source, tmp_path / "out", ["probabilities"]))
    assert not list((tmp_path / "out").rglob("*.m*"))


def test_the_source_is_never_replaced(enlarging_run, tmp_path):
    path = tmp_path / "drive.mp4"
    path.write_bytes(b"video")
    with pytest.raises(UserError, match="would replace an image of the input"):
        list(predict_video(segnet.load(enlarging_run, device="cpu"), path, tmp_path))


def test_without_pyav_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(video.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"videos need PyAV: pip install .*video"):
        video.check_av()


def test_names_of_the_results(tmp_path):
    kinds = video_files(tmp_path / "a.MOV", tmp_path, ["index", "colour"], False)
    assert kinds == {"index": tmp_path / "index" / "a.mkv", "colour": tmp_path / "colour" / "a.mp4"}
