import torch

from segnet.metrics import MIOU_DEFINITION, scores
from segnet.tasks.segmentation.table import score_table


def test_scores_stand_in_percent_beside_each_other():
    network = scores(torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    lookup = scores(torch.tensor([[4, 0, 0], [4, 0, 0], [0, 0, 0]]))
    table = score_table(["road", "sky", "pole"], {"network": network, "colour lookup": lookup}, "test")
    assert table.title == "IoU on the test split, %"
    assert table.columns == ["network", "colour lookup"]
    assert table.rows == [
        ("road", ["75.0", "50.0"]),
        ("sky", ["80.0", "0.0"]),
        ("pole", ["-", "-"]),  # it occurs nowhere
        None,
        ("mean IoU", ["77.5", "25.0"]),
        ("class accuracy", ["87.5", "50.0"]),
        ("pixel accuracy", ["87.5", "50.0"]),
    ]
    assert table.definition == MIOU_DEFINITION
