import hashlib
import json

import pytest
import torch

from segnet.ablation.checks.fairness import (
    batch_hashes,
    check_start,
    check_trained,
    compare_parameters,
    parameter_hashes,
)
from segnet.ablation.design.runs import plan_run
from segnet.build import data_from_config, network_from_config
from segnet.config import compose
from segnet.data.hashing import hash_batch, hash_tensor
from segnet.errors import UserError
from segnet.run_folder import METRICS, write_json
from segnet.training.batch_record import BatchRecord
from tests.ablation.checks import unfair_parts


@pytest.fixture
def arm_configs(tiny_plan):
    def composed(*further, factors=None):
        plan = tiny_plan(*further, factors=factors or {"upsampler": ["nearest", "transposed_conv"]})
        return {arm.name: compose([*plan.base_overrides, "run_dir=x", *arm.overrides]) for arm in plan.arms}

    return composed


def test_fair_arms_share_all_but_their_own(arm_configs):
    found = check_start(arm_configs(), [0, 1], [])
    for seed in ("0", "1"):
        parameters = found["parameters"][seed]
        assert parameters["own"] == {"nearest": [], "transposed_conv": ["decoder.stages.0.upsampler.weight"]}
        assert "head.weight" in parameters["shared"]
        assert parameters["different"] == []
        assert found["batches"][seed]["same"]
        assert len(found["batches"][seed]["batches"]) == 2
    assert found["parameters"]["0"]["shared"]["head.weight"] != found["parameters"]["1"]["shared"]["head.weight"]
    assert found["batches"]["0"]["order"] != found["batches"]["1"]["order"]


def test_shared_parameters_that_start_differently_are_caught(arm_configs):
    unfair = arm_configs(f"encoder._target_={unfair_parts.__name__}.DriftingEncoder")
    with pytest.raises(UserError, match=r"different bits in parameters that they share: encoder\.stages\.0"):
        check_start(unfair, [0], [])
    allowed = check_start(unfair, [0], ["parameters"])
    assert "encoder.stages.0.0.convolution.weight" in allowed["parameters"]["0"]["different"]


def test_batches_that_depend_on_what_ran_before_are_caught(arm_configs):
    unfair = arm_configs(f"data.dataset._target_={unfair_parts.__name__}.LeakyShapes")
    with pytest.raises(UserError, match=r"are not shown the same batches \(nearest and transposed_conv differ\)"):
        check_start(unfair, [0], [])
    assert set(check_start(unfair, [0], ["batches"])["batches"]["0"]["arms"]) == {"nearest", "transposed_conv"}


def test_a_factor_that_changes_the_data_must_say_so(arm_configs):
    arms = arm_configs(factors={"data.augmentation.horizontal_flip": [0, 1]})
    with pytest.raises(UserError, match="or say allow=\\[batches\\]"):
        check_start(arms, [0], [])
    of_arms = check_start(arms, [0], ["batches"])["batches"]["0"]["arms"]
    assert of_arms["0"]["order"] == of_arms["1"]["order"]


def test_the_planned_batches_are_what_the_loader_gives(arm_configs):
    data = data_from_config(arm_configs()["nearest"])
    batches = list(data.training_batches(epoch=0))
    loaded = [hash_batch(batch) for batch in batches]
    planned = batch_hashes(data)
    assert planned["batches"] == [loaded[0], loaded[-1]]
    order = [[0, int(index)] for batch in batches for index in batch["index"]]
    assert planned["order"] == hashlib.blake2b(json.dumps(order).encode(), digest_size=8).hexdigest()


def test_a_hash_sees_shape_type_and_every_bit_but_no_layout():
    tensor = torch.rand(2, 3, 4, 5)
    assert hash_tensor(tensor) == hash_tensor(tensor.to(memory_format=torch.channels_last))
    changed = tensor.clone()
    changed[1, 2, 3, 4] = torch.nextafter(changed[1, 2, 3, 4], torch.tensor(2.0))
    others = [changed, tensor.reshape(3, 2, 4, 5), tensor.double(), tensor.bfloat16()]
    assert len({hash_tensor(variant) for variant in [tensor, *others]}) == 5


def test_same_name_and_other_shape_is_not_shared(arm_configs):
    arms = arm_configs(factors={"skip": ["none", "concat"]})
    found = compare_parameters({name: parameter_hashes(network_from_config(config)) for name, config in arms.items()})
    assert found["different"] == []
    assert "decoder.stages.0.block.0.convolution.weight" in found["own"]["none"]
    assert "decoder.stages.0.block.0.convolution.weight" in found["own"]["concat"]
    assert "head.weight" in found["shared"]


def test_runs_that_were_trained_on_other_batches_are_caught(tiny_plan, tmp_path):
    plan = tiny_plan()
    config = compose(plan.base_overrides)
    runs = [plan_run(arm, config, 0, "as_is", tmp_path) for arm in plan.arms]

    def record(run, first):
        recorder = BatchRecord(str(run.folder), batches=1)

        class Trainer:
            current_epoch, is_global_zero = 0, True

        batch = {"image": torch.full((2, 3, 4, 4), first), "label": torch.zeros(2, 4, 4), "index": torch.arange(2)}
        recorder.on_train_batch_start(Trainer, None, batch, 0)
        recorder.on_train_batch_start(Trainer, None, batch, 1)

    record(runs[0], 1)
    record(runs[1], 1)
    assert check_trained(runs, [])["problems"] == []
    assert check_trained(runs, [])["seeds"]["0"]["same"]
    record(runs[1], 2)
    (problem,) = check_trained(runs, [])["problems"]
    assert "nearest (as_is) and bilinear (as_is) differ" in problem
    assert check_trained(runs, ["batches"])["problems"] == []


def test_runs_of_one_seed_that_were_trained_in_different_precision_are_caught(tiny_plan, tmp_path):
    plan = tiny_plan("trainer.precision=auto")
    config = compose(plan.base_overrides)
    runs = [plan_run(arm, config, seed, "as_is", tmp_path) for seed in (0, 1) for arm in plan.arms]
    for run in runs:  # a machine a seed is fair: differences are taken within a seed
        write_json(run.folder / METRICS, {"status": "completed", "precision": "bf16-mixed" if run.seed else "32-true"})
    assert check_trained(runs, [])["problems"] == []
    write_json(runs[1].folder / METRICS, {"status": "completed", "precision": "bf16-mixed"})
    (problem,) = check_trained(runs, [])["problems"]
    assert problem.startswith("with seed 0 trainer.precision=auto became 32-true in nearest (as_is)")
    runs[1].config.trainer.precision = "bf16-mixed"  # the factor itself
    assert check_trained(runs, [])["problems"] == []
