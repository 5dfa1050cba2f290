"""timm's networks as encoders, held against timm's own."""

import pytest
import timm
import torch

from segnet.build import build_network
from segnet.errors import UserError
from segnet.models.backbones import timm_encoder
from segnet.models.backbones.timm_encoder import TimmEncoder

NAME = "resnet10t"  # 5 M parameters


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return timm.create_model(NAME).state_dict()


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory, weights) -> str:
    path = tmp_path_factory.mktemp("weights") / "resnet10t.pth"
    torch.save(weights, path)
    return str(path)


@pytest.mark.parametrize(("name", "pads"), [(NAME, False), ("convnext_atto", True), ("mobilenetv3_small_050", False)])
def test_channels_and_strides_are_timm_s_own(name, pads):
    encoder = TimmEncoder(name)
    info = timm.create_model(name, features_only=True).feature_info
    assert encoder.channels == tuple(info.channels())
    assert encoder.strides == tuple(info.reduction())
    assert encoder.pads == pads
    assert encoder.keeps_pool_indices == (False,) * (len(encoder.channels) - 1)


def test_one_pixel_trains_with_timm_s_fused_norms():
    encoder = TimmEncoder("mobilenetv3_small_050").train()
    norms = [module for module in encoder.modules() if type(module).__name__ == "BatchNormAct"]
    assert norms
    features, _ = encoder(torch.rand(1, 3, 1, 1))
    sum(stage.sum() for stage in features).backward()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())
    assert all(norm.training for norm in norms)
    assert all(norm.num_batches_tracked == 0 for norm in norms)


def test_output_stride_trades_strides_for_dilation():
    encoder = TimmEncoder(NAME, output_stride=8)
    assert encoder.strides == (2, 4, 8, 8, 8)


@pytest.mark.parametrize("in_channels", [1, 3])
def test_local_weights_are_read_and_stay(weights, weights_file, in_channels):
    data = "data=shapes" if in_channels == 3 else "data=brain"
    network = build_network([data, "encoder=timm", f"encoder.name={NAME}", f"encoder.weights={weights_file}"])
    first = weights["conv1.0.weight"]
    loaded = {name.replace("conv1_", "conv1."): value for name, value in network.encoder.backbone.state_dict().items()}
    assert torch.equal(loaded["conv1.0.weight"], first if in_channels == 3 else first.sum(1, keepdim=True))
    assert torch.equal(loaded["layer4.0.conv1.weight"], weights["layer4.0.conv1.weight"])


def test_weights_of_another_network_are_refused(weights, tmp_path):
    path = tmp_path / "short.pth"
    torch.save({name: value for name, value in weights.items() if "layer4" not in name}, path)
    with pytest.raises(
        UserError, match=r"short\.pth does not fit encoder\.name=resnet10t: .* missing, first layer4\.0"
    ):
        TimmEncoder(NAME, weights=str(path))
    odd = {**weights, "layer4.0.conv1.weight": torch.zeros(2, 3)}
    torch.save(odd, path)
    with pytest.raises(UserError, match=r"short\.pth does not fit encoder\.name=resnet10t: .*layer4\.0\.conv1"):
        TimmEncoder(NAME, weights=str(path))
    path.write_text("no weights")
    with pytest.raises(UserError, match=r"short\.pth is no file of plain tensors"):
        TimmEncoder(NAME, weights=str(path))


def test_without_a_network_the_download_says_what_to_do(monkeypatch):
    create = timm.create_model

    def offline(name, pretrained=False, **options):
        if pretrained:
            raise FileNotFoundError("no connection")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(UserError, match=r"could not be downloaded for resnet10t: fetch .*set encoder\.weights to"):
        TimmEncoder(NAME, weights="DEFAULT")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet19"}, r"encoder\.name=resnet19 is no network of timm"),
        ({"name": "vgg11_bn", "output_stride": 16}, r"name=vgg11_bn encoder\.output_stride=16 .*leave .* null"),
        ({"name": "vit_tiny_patch16_224"}, "does not take images of any size"),
        ({"name": NAME, "weights": "nowhere.pth"}, r"encoder\.weights=nowhere\.pth is no file: .*DEFAULT"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        TimmEncoder(**options)


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(timm_encoder, "timm", None)
    with pytest.raises(UserError, match=r"pip install -e"):
        build_network(["data=shapes", "encoder=timm"])
