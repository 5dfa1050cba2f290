from PIL import Image


def test_the_panel_is_a_picture(run):
    run_dir, _ = run
    with Image.open(run_dir / "predictions.png") as picture:
        picture.load()
        assert picture.width > 800
