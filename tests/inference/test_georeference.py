import warnings

import numpy as np
import pytest
from PIL import Image

import segnet
from segnet.inference import georeference
from segnet.inference.pipeline import predict_files

rasterio = pytest.importorskip("rasterio")


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    transform = rasterio.Affine(0.5, 0.1, 500_000.25, 0.1, -0.5, 4_649_776.0)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 20), dtype=np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=20, height=12, count=3, dtype="uint8", crs="EPSG:32633", transform=transform
    ) as file:
        file.write(pixels)
    return path


def test_results_of_a_geotiff_lie_where_it_does(segmentation_run, scene, tmp_path):
    model = segnet.load(segmentation_run, device="cpu", precision="32-true")
    kinds = ["index", "overlay", "probabilities"]
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.tif")
    names = {scene: "scene.png", tmp_path / "plain.tif": "plain.png"}
    assert not [outcome.error for outcome in predict_files(model, names, tmp_path / "out", kinds) if outcome.error]
    with rasterio.open(scene) as given:
        for kind in ("index", "overlay"):
            with rasterio.open(tmp_path / "out" / kind / "scene.png") as result:
                assert result.crs == given.crs
                assert result.transform.almost_equals(given.transform, 1e-9)
                assert result.shape == given.shape
        expected = model.predict(given.read().transpose(1, 2, 0)).mask
    with warnings.catch_warnings(), rasterio.open(tmp_path / "out" / "index" / "scene.png") as result:
        assert np.array_equal(result.read(1), expected)
    sidecars = sorted(path.name for path in (tmp_path / "out").rglob("*.xml"))
    assert sidecars == ["scene.png.aux.xml", "scene.png.aux.xml"]


def test_without_rasterio_the_log_names_the_extra(scene, monkeypatch, caplog):
    monkeypatch.setattr(georeference.importlib.util, "find_spec", lambda name: None)
    assert georeference.georeference_of(scene) is None
    assert "its georeference is left out, since rasterio is not installed: pip install" in caplog.text
