"""torchvision's networks as encoders, held against torchvision's own."""

import pickle
import urllib.error

import pytest
import torch
from torchvision.models import WeightsEnum, get_model, get_model_weights

from segnet.build import build_network, load_network
from segnet.config import compose, instantiate, to_run_yaml
from segnet.errors import UserError
from segnet.layers import flat_pool_indices
from segnet.models.backbones.torchvision_encoder import TorchvisionEncoder, build_backbone


def encoder_config(name: str, *overrides: str):
    return compose(["data=shapes", f"encoder={name}", *overrides]).encoder


def small(weights=None, **options) -> TorchvisionEncoder:
    return TorchvisionEncoder("mobilenet_v3_small", [0, 1, 3, 8, 12], "features", weights=weights, **options)


# The parameters of each classifier, from the layer sizes in the papers.
CLASSIFIERS = {
    "resnet18": 512 * 1000 + 1000,
    "resnet34": 512 * 1000 + 1000,
    "resnet50": 2048 * 1000 + 1000,
    "resnet101": 2048 * 1000 + 1000,
    "mobilenet_v3_small": 576 * 1024 + 1024 + 1024 * 1000 + 1000,
    "mobilenet_v3_large": 960 * 1280 + 1280 + 1280 * 1000 + 1000,
    "efficientnet_b0": 1280 * 1000 + 1000,
    "convnext_tiny": 2 * 768 + 768 * 1000 + 1000,  # with its norm
    "vgg16_bn": 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000,
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_parameters_are_the_published_ones_without_the_classifier(name):
    config = encoder_config(name)
    with torch.device("meta"):
        backbone = build_backbone(name, [str(stage) for stage in config.stages], config.get("trunk"), 3, {})
    published = get_model_weights(name).DEFAULT.meta["num_params"]
    assert sum(parameter.numel() for parameter in backbone.parameters()) == published - CLASSIFIERS[name]


CHANNELS = {  # of the papers' tables
    "resnet18": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "mobilenet_v3_small": (16, 16, 24, 48, 576),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_channels_and_strides(name):
    stride = 16 if name == "resnet50" else 32
    encoder = instantiate(encoder_config(name, *([f"encoder.output_stride={stride}"] if stride == 16 else [])))
    assert encoder.channels == CHANNELS[name]
    assert encoder.strides == (2, 4, 8, 16, stride)
    assert not encoder.pads


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "channels", "strides", "pads"),
    [
        ("mobilenet_v3_large", (16, 24, 40, 112, 960), (2, 4, 8, 16, 32), False),
        ("efficientnet_b0", (16, 24, 40, 112, 1280), (2, 4, 8, 16, 32), False),
        ("convnext_tiny", (96, 192, 384, 768), (4, 8, 16, 32), True),
        ("vgg16_bn", (64, 128, 256, 512, 512, 512), (1, 2, 4, 8, 16, 32), True),
    ],
)
def test_channels_and_strides_of_the_larger(name, channels, strides, pads):
    encoder = instantiate(encoder_config(name))
    assert (encoder.channels, encoder.strides, encoder.pads) == (channels, strides, pads)


def test_last_stage_is_what_torchvision_classifies():
    network = get_model("mobilenet_v3_small", weights=None).eval()
    encoder = small().eval()
    encoder.backbone.load_state_dict(network.features.state_dict())
    images = torch.rand(2, 3, 40, 56)
    with torch.no_grad():
        features = encoder(images).features
        pooled = features[-1].mean(dim=(2, 3))
        torch.testing.assert_close(network.classifier(pooled), network(images))


def test_dilated_form_has_the_same_weights():
    config = encoder_config("mobilenet_v3_large")

    def shapes(options) -> dict[str, torch.Size]:
        with torch.device("meta"):
            backbone = build_backbone(config.name, [str(stage) for stage in config.stages], "features", 3, options)
        return {name: value.shape for name, value in backbone.state_dict().items()}

    assert shapes(config.dilated[16]) == shapes({})


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "mobilenet.pth"
    torch.save(get_model("mobilenet_v3_small", weights=None).state_dict(), path)
    return str(path)


def test_local_weights_are_read_and_stay(weights_file):
    network = build_network(["data=shapes", "encoder=mobilenet_v3_small", f"encoder.weights={weights_file}"])
    state = torch.load(weights_file, weights_only=True)
    loaded = network.encoder.backbone.state_dict()
    assert len(loaded) > 200
    assert all(torch.equal(value, state[f"features.{name}"]) for name, value in loaded.items())


def test_checkpoint_that_holds_a_state_dict_is_read(weights_file, tmp_path):
    torch.save({"state_dict": torch.load(weights_file, weights_only=True), "epoch": 3}, tmp_path / "last.ckpt")
    one, other = small(weights_file), small(str(tmp_path / "last.ckpt"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_grey_images_are_seen_as_grey_rgb(weights_file):
    grey = torch.rand(1, 1, 40, 40)
    rgb, single = small(weights_file).eval(), small(weights_file, in_channels=1).eval()
    with torch.no_grad():
        for expected, observed in zip(rgb(grey.expand(-1, 3, -1, -1)).features, single(grey).features, strict=True):
            torch.testing.assert_close(observed, expected, rtol=1e-4, atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path, weights_file):
    state = torch.load(weights_file, weights_only=True)
    del state["features.0.0.weight"], state["features.3.block.0.0.weight"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(UserError, match=r"short\.pth does not fit .*: 2 of \d+ tensors are missing, first features\.0"):
        small(str(tmp_path / "short.pth"))
    state = torch.load(weights_file, weights_only=True)
    state["features.1.block.0.0.weight"] = torch.zeros(2, 3)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"features\.1\.block\.0\.0\.weight is \(2, 3\) there and \(16, 1, 3, 3\) in"):
        small(str(tmp_path / "odd.pth"))


def test_files_that_hold_no_state_dict_are_refused(tmp_path):
    (tmp_path / "code.pth").write_bytes(pickle.dumps(TorchvisionEncoder))
    with pytest.raises(UserError, match=r"code\.pth is no file of plain tensors"):
        small(str(tmp_path / "code.pth"))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match=r"list\.pth holds no state dict"):
        small(str(tmp_path / "list.pth"))


def test_without_a_network_the_download_says_what_to_do(monkeypatch):
    def offline(*arguments, **options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", offline)
    with pytest.raises(UserError, match=r"could not be downloaded .*no route.*fetch https://.*set encoder\.weights to"):
        small("DEFAULT")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["encoder.name=resnet19"], r"encoder\.name=resnet19 is no network of torchvision"),
        (["encoder.stages=[layer9]"], r"encoder\.stages=\['layer9'\] names parts .*choose among conv1, bn1, .*layer4"),
        (["encoder.trunk=body"], r"body of resnet18 does not have"),
        (["encoder.stages=[fc]"], r"choose a convolutional one"),
        (["encoder.weights=nowhere.pth"], r"encoder\.weights=nowhere\.pth is neither a file nor .*IMAGENET1K_V1"),
        (["encoder.output_stride=16"], r"encoder\.output_stride=16 is not offered for resnet18.*resnet50"),
        (["upsampler=max_unpool"], r"MaxUnpool needs pool indices.*encoder\.pool_indices=true.*upsampler=max_unpool"),
        (["upsampler=max_unpool", "encoder.pool_indices=true"], r"stride 1 to 2.*encoder\.full_resolution_width=16"),
    ],
)
def test_what_does_not_fit_is_refused(overrides, message):
    with pytest.raises(UserError, match=message):
        build_network(["data=shapes", "encoder=resnet18", *overrides])


def test_max_unpool_stands_behind_a_resnet():
    options = ["encoder.pool_indices=true", "encoder.full_resolution_width=8"]
    network = build_network(["data=shapes", "encoder=resnet18", "upsampler=max_unpool", *options])
    logits = network(torch.rand(1, 3, 37, 21))
    assert logits.shape == (1, 4, 37, 21)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.slow
def test_vgg_keeps_the_indices_of_its_own_poolings():
    stages = [2, 6, 13, 20, 27, 28]  # of VGG11 with batch norm: before each pooling, and after the last
    encoder = TorchvisionEncoder("vgg11_bn", stages, "features", pool_indices=True).eval()
    assert encoder.keeps_pool_indices == (True,) * 5
    with torch.no_grad():
        features, pool_indices = encoder(torch.rand(1, 3, 32, 64))
    indices = flat_pool_indices(pool_indices[-1], features[-2].shape[-2:])
    pooled = features[-2].flatten(2).gather(2, indices.flatten(2)).unflatten(2, features[-1].shape[-2:])
    assert torch.equal(pooled, features[-1])


def test_a_run_loads_without_the_weights_it_began_with(tmp_path, weights_file):
    overrides = ["data=shapes", "encoder=mobilenet_v3_small", "channels_last=false"]
    network = build_network([*overrides, f"encoder.weights={weights_file}"])
    config = compose([*overrides, f"encoder.weights={tmp_path / 'gone.pth'}"])
    (tmp_path / "config.yaml").write_text(to_run_yaml(config))
    (tmp_path / "checkpoints").mkdir()
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "checkpoints" / "best.ckpt")
    images = torch.rand(1, 3, 20, 20)
    with torch.no_grad():
        assert torch.equal(load_network(tmp_path)(images), network.eval()(images))
