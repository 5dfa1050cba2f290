import pydoc
import subprocess
import sys

import pytest

import segnet


def test_dir_and_help_show_the_public_names():
    assert {"build_network", "load", "__version__"} <= set(dir(segnet))
    text = pydoc.plain(pydoc.render_doc(segnet))
    assert "build_network(overrides" in text
    assert "Load a trained network from a run folder. The data set" in text


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'segnet' has no attribute 'nothing'"):
        _ = segnet.nothing


def test_listing_the_names_imports_no_torch():
    code = "import sys, segnet; dir(segnet); assert not {'torch', 'hydra', 'omegaconf'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
