from itertools import combinations

from segnet.ablation.report.label_places import GAP, HEIGHT, LETTER, LINE, PLACES, WIDTH, label_places


def box(point, place, name, low, high):
    """Where a name stands, in pixels, of points whose costs are 0 to 1."""
    right, up = PLACES[place]
    x, y = point[0] * WIDTH, (point[1] - low) / (high - low) * HEIGHT
    width = LETTER * len(name)
    centre = (x + right * (GAP + 1 + width / 2), y + up * (LINE / 2 + 1 + (GAP if right == 0 else 0)))
    return centre[0] - width / 2, centre[1] - LINE / 2, centre[0] + width / 2, centre[1] + LINE / 2


def test_names_of_equal_costs_do_not_stand_on_each_other():
    points = {"bilinear": (0.0, 50.0), "nearest": (0.0, 49.7), "bed_of_nails": (0.0, 45.0), "carafe": (1.0, 60.0)}
    places = label_places(points, 40, 65)
    assert set(places) == set(points)
    boxes = {name: box(points[name], place, name, 40, 65) for name, place in places.items()}
    for (_, one), (_, other) in combinations(boxes.items(), 2):
        assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


def test_a_name_without_room_is_left_out_and_a_lone_one_stands_at_the_top_right():
    crowd = {f"arm number {number}": (0.0, 50.0) for number in range(20)}
    assert 1 <= len(label_places(crowd, 40, 60)) < 20
    assert label_places({"a": (3.0, 50.0)}, 50, 50) == {"a": "top right"}
    assert label_places({}, 0, 0) == {}
