import numpy as np
import pytest
import torch

from segnet.analysis.ceiling import ceilings, fill_gaps, restore, split_ceilings
from segnet.build import data_from_config
from segnet.config import compose
from segnet.metrics import boundary_f1_counts, confusion_matrix, image_f1, mean_f1, scores

IGNORE = 255


def picture(*rows):
    return torch.tensor([[IGNORE if sign == "." else int(sign) for sign in row] for row in rows], dtype=torch.uint8)


LABEL = picture("0001", "0011", "2211", "2220")


def text(classes):
    return ["".join(str(int(value)) for value in row) for row in classes]


@pytest.mark.parametrize(
    ("upsampler", "expected"),
    [
        # The cells, by rows: "00/00", "01/11", "22/22", "11/20".
        ("nearest", ["0011", "0011", "2211", "2211"]),
        ("bed_of_nails", ["0303", "3333", "2313", "3333"]),
        ("max_unpool", ["0301", "3333", "2313", "3320"]),
    ],
)
def test_stride_2_by_hand(upsampler, expected):
    """No answer is 3; max-unpool keeps the first pixel of each class of each cell."""
    assert text(restore(LABEL, 3, IGNORE, upsampler, [2])[0]) == expected


def test_bilinear_draws_a_straight_edge_where_it_is():
    label = picture(*["00001111"] * 4)
    for upsampler in ("bilinear", "bicubic", "nearest"):
        assert all(torch.equal(found, label.long()) for found in restore(label, 2, IGNORE, upsampler, [2, 4]))


def test_max_unpool_keeps_a_lone_pixel_that_the_mean_drowns():
    label = torch.zeros(8, 8, dtype=torch.uint8)
    label[3, 5] = 1
    for stride in (2, 4, 8):
        assert restore(label, 2, IGNORE, "max_unpool", [stride])[0][3, 5] == 1
        assert (restore(label, 2, IGNORE, "nearest", [stride])[0] == 0).all()


def test_gaps_take_the_nearest_answer():
    filled = fill_gaps(picture("0333", "3333", "3331").long(), 3)
    assert filled[0, 1] == filled[1, 0] == 0
    assert filled[2, 2] == filled[1, 3] == 1
    assert (fill_gaps(torch.full((2, 2), 3), 3) == 3).all()


def test_the_table_scores_what_was_restored():
    labels = [LABEL, picture("00.1", "0111", "2111", "22..")]
    rows = {(row.upsampler, row.stride): row for row in ceilings(labels, 3, IGNORE, [2, 4])}
    assert len(rows) == 2 * (5 + 2)
    # max-unpool at stride 2, first label: found 2 of 6 zeros, 2 of 5 ones, 2 of 5 twos, and nothing wrong.
    one = {(row.upsampler, row.stride): row for row in ceilings(labels[:1], 3, IGNORE, [2])}
    hits = [int(((restore(LABEL, 3, IGNORE, "max_unpool", [2])[0] == LABEL) & (c == LABEL)).sum()) for c in range(3)]
    sizes = [int((c == LABEL).sum()) for c in range(3)]
    assert one["max_unpool", 2].miou == pytest.approx(np.mean(np.divide(hits, sizes)))
    assert one["max_unpool", 2].answered == sum(hits) / 16
    assert one["nearest", 2].answered == one["max_unpool + fill", 2].answered == 1
    for name in ("nearest", "bilinear", "bicubic"):
        confusion, boundary = torch.zeros(3, 3).long(), 0
        for label in labels:
            found = restore(label, 3, IGNORE, name, [4])[0]
            confusion += confusion_matrix(found, label, 3, IGNORE)
            boundary = boundary + image_f1(boundary_f1_counts(found[None], label[None], 3, IGNORE)[0].numpy())
        assert rows[name, 4].miou == pytest.approx(scores(confusion).miou)
        assert rows[name, 4].boundary_f1 == pytest.approx(float(mean_f1(boundary)))


def test_an_ignore_index_right_behind_the_classes_is_not_taken_for_a_gap():
    label = LABEL.clone()
    label[0] = 3
    other = LABEL.clone()
    other[0] = IGNORE
    assert ceilings([label], 3, 3, [2]) == ceilings([other], 3, IGNORE, [2])


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (30, 33)])
def test_any_size_goes_down_and_up(size):
    label = torch.randint(0, 3, size, generator=torch.Generator().manual_seed(0)).byte()
    rows = ceilings([label], 3, IGNORE)
    assert len(rows) == 5 * (5 + 2)
    assert all(0 <= row.miou <= 1 and 0 < row.answered <= 1 for row in rows)
    if size == (1, 1):
        assert all(row.miou == 1 for row in rows)


def test_a_whole_split():
    overrides = ["data=shapes", "data.size=[32,48]", "data.images={train:4,val:6,test:2}", "data.num_workers=0"]
    rows = {(row.upsampler, row.stride): row for row in split_ceilings(data_from_config(compose(overrides)), "val", 3)}
    for name in ("nearest", "bilinear", "bicubic"):
        mious = [rows[name, stride].miou for stride in (2, 4, 8)]
        assert mious == sorted(mious, reverse=True)
    assert rows["max_unpool", 2].answered > rows["bed_of_nails", 2].answered == pytest.approx(0.25)
