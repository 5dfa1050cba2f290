import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from segnet import extras
from segnet.extras import install_command, requirements

ROOT = Path(__file__).parent.parent


def test_in_a_checkout_the_extra_is_installed_from_it(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert install_command("brain") == "pip install -e '.[brain]'"
    monkeypatch.chdir(tmp_path)
    assert install_command("brain") == f"pip install -e {shlex.quote(f'{ROOT}[brain]')}"


def test_elsewhere_the_packages_themselves_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "site-packages" / "segnet" / "extras.py"))
    assert re.fullmatch(r"pip install 'nibabel>=[\d.]+' 'nilearn>=[\d.]+'", install_command("brain"))
    assert "segnet" not in install_command("benchmark")
    assert "timm>=" in install_command("benchmark")  # which the extra names by another extra


@pytest.mark.slow
def test_the_commands_work(tmp_path):
    """Both forms, in an environment of their own that has nothing but pip's successor."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    for arguments in (["-e", f"{ROOT}[timm]"], requirements("timm")):
        uv = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--quiet", "--python", str(python)]
        subprocess.run([*uv, *arguments], check=True)


def test_no_text_names_an_index_s_package():
    """What is shipped and documented never sends a user to a package that is not ours."""
    texts = [path for folder in ("segnet", "configs", "docs") for path in (ROOT / folder).rglob("*.*")]
    texts = [path for path in [*texts, ROOT / "README.md"] if path.suffix in (".py", ".md", ".yaml", ".html", ".ipynb")]
    named = [str(path) for path in texts if re.search(r"pip install .{0,12}segnet\[", path.read_text(encoding="utf-8"))]
    assert [path for path in named if not path.endswith("extras.py")] == []
