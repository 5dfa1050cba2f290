import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import segnet

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_carries_the_configs_and_the_commands(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
        text=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"segnet-{segnet.__version__}-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    shipped = {f"segnet/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    templates = (ROOT / "segnet" / "ablation" / "report" / "template").iterdir()
    shipped |= {str(path.relative_to(ROOT)) for path in templates}
    shipped |= {str(path.relative_to(ROOT)) for path in (ROOT / "segnet" / "pretrained").glob("*/*")}
    assert shipped <= names
    assert not any(name.startswith(("tests/", "data/")) for name in names)
    # Away from the checkout, with only the wheel's files first on the path.
    code = (
        "import segnet; print(segnet.__file__); print(segnet.build_network(['upsampler=nearest']).num_classes); "
        "print(len(segnet.load('pretrained/camvid').classes))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", check=True, capture_output=True, text=True
    )
    assert result.stdout.split() == [str(tmp_path / "site" / "segnet" / "__init__.py"), "4", "11"]
