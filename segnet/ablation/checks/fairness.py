"""The second half of fairness: with one seed, all arms start from the same bits and are shown the same bits.

Both are checked before anything is trained, and the batches once more as they were trained on.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from torch import nn

from segnet.ablation.checks.records import (
    BatchComparison,
    BatchHashes,
    ParameterComparison,
    StartComparison,
    TrainedComparison,
)
from segnet.ablation.design.runs import Run
from segnet.build import data_from_config, network_from_config
from segnet.config import Config
from segnet.data import DataModule
from segnet.data.hashing import hash_batch, hash_tensor
from segnet.data.samples import Batch
from segnet.errors import UserError
from segnet.run_folder import BATCH_RECORD, read_json, read_metrics

SAMPLED_BATCHES = (0, -1)
"""The batches of the first epoch that are made and hashed before the training: the first and the last."""
ParameterHashes = Mapping[tuple[str, tuple[int, ...]], str]
"""By name and shape."""


def training_batch(data: DataModule, keys: Sequence[tuple[int, ...]]) -> Batch:
    """Make an augmented training batch on the CPU, as a training there does, from its samples' ``(epoch, index)``."""
    loader = data.train_loader()
    batch: Batch = loader.collate_fn([loader.dataset[key] for key in keys]).augment()
    return batch


def batch_hashes(data: DataModule) -> BatchHashes:
    """Hash the order of the whole first epoch, and the bits of sampled batches of it."""
    data.check_batch_size()
    order = list(data.train_loader().sampler)
    batches = [order[start : start + data.batch_size] for start in range(0, len(order), data.batch_size)]
    return {
        "order": hashlib.blake2b(json.dumps(order).encode(), digest_size=8).hexdigest(),
        "batches": [hash_batch(training_batch(data, batches[number])) for number in SAMPLED_BATCHES],
    }


def parameter_hashes(network: nn.Module) -> ParameterHashes:
    """Hash the bits of every parameter and every buffer that a checkpoint keeps."""
    return {(name, tuple(tensor.shape)): hash_tensor(tensor) for name, tensor in network.state_dict().items()}


def check_start(configs: Mapping[str, Config], seeds: Iterable[int], allow: Sequence[str]) -> StartComparison:
    """Compare parameters and batches of all arms, for each seed.

    Args:
        configs: the composed config of each arm, by name.
        seeds: of the runs.
        allow: see :class:`segnet.ablation.Plan`; a difference that it names is recorded and not refused.

    Raises:
        UserError: two arms differ; the message names the parameters or the batches.
    """
    parameters, batches = {}, {}
    for seed in seeds:
        hashes, shown = {}, {}
        for name, config in configs.items():
            seeded = config.copy()
            seeded.seed = seed
            hashes[name] = parameter_hashes(network_from_config(seeded))
            shown[name] = batch_hashes(data_from_config(seeded))
        parameters[str(seed)] = compare_parameters(hashes)
        batches[str(seed)] = compare_batches(shown)
        different = parameters[str(seed)]["different"]
        if different and "parameters" not in allow:
            raise UserError(
                f"with seed {seed} the arms start with different bits in parameters that they share: "
                f"{_shorten(different)}; correct their initialisation, or say allow=[parameters] where the factor is "
                f"meant to change it"
            )
        if not batches[str(seed)]["same"] and "batches" not in allow:
            raise UserError(
                f"with seed {seed} the arms are not shown the same batches ({_differing_pair(shown)}): a sample may "
                f"depend on the seed, the epoch and its index alone; or say allow=[batches] where the factor is meant "
                f"to change them"
            )
    return {"parameters": parameters, "batches": batches}


def compare_parameters(hashes: Mapping[str, ParameterHashes]) -> ParameterComparison:
    """Compare the parameters that arms have in common, by name and shape."""
    by_key: dict[tuple[str, tuple[int, ...]], dict[str, str]] = defaultdict(dict)
    for arm, of_arm in hashes.items():
        for key, bits in of_arm.items():
            by_key[key][arm] = bits
    return {
        "shared": {
            key[0]: next(iter(bits.values()))
            for key, bits in by_key.items()
            if len(bits) == len(hashes) and len(set(bits.values())) == 1
        },
        "own": {arm: [key[0] for key in of_arm if len(by_key[key]) < len(hashes)] for arm, of_arm in hashes.items()},
        "different": [key[0] for key, bits in by_key.items() if len(set(bits.values())) > 1],
    }


def compare_batches(shown: Mapping[str, BatchHashes]) -> BatchComparison:
    """Compare the batches that the arms are shown."""
    first = next(iter(shown.values()))
    if any(hashes != first for hashes in shown.values()):
        return {"same": False, "arms": dict(shown)}
    shared: BatchComparison = {"same": True, "batches": first["batches"]}
    if "order" in first:
        shared["order"] = first["order"]
    if "device" in first:
        shared["device"] = first["device"]
    return shared


def check_trained(runs: Iterable[Run], allow: Sequence[str]) -> TrainedComparison:
    """Compare the first batches of the runs that have been trained, as they were trained on, and their precision.

    There is a problem for each seed with which arms were trained on different batches, or in different precision,
    though they should not be.
    """
    shown: dict[int, dict[str, BatchHashes]] = defaultdict(dict)
    runs = list(runs)
    for run in runs:
        hashes = read_json(run.folder / BATCH_RECORD)
        if hashes:
            shown[run.seed][_name(run)] = cast(BatchHashes, hashes)
    seeds = {str(seed): compare_batches(of_seed) for seed, of_seed in sorted(shown.items())}
    problems = [
        f"with seed {seed} the arms were not trained on the same batches ({_differing_pair(shown[seed])})"
        for seed in sorted(shown)
        if not seeds[str(seed)]["same"] and "batches" not in allow
    ]
    return {"seeds": seeds, "problems": problems + _precision_problems(runs)}


def _precision_problems(runs: Sequence[Run]) -> list[str]:
    """Name the runs that asked for one precision, "auto", and got several: on machines that are not alike."""
    used: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    for run in runs:
        precision = read_metrics(run.folder).get("precision")
        if precision is not None:
            used[run.seed, run.config.trainer.precision][_name(run)] = precision
    return [
        f"with seed {seed} trainer.precision={setting} became "
        + ", ".join(f"{precision} in {name}" for name, precision in by_run.items())
        for (seed, setting), by_run in sorted(used.items())
        if len(set(by_run.values())) > 1
    ]


def _name(run: Run) -> str:
    return f"{run.arm.name} ({run.kind})"


def _differing_pair(shown: Mapping[str, BatchHashes]) -> str:
    """Name two arms that differ."""
    first, *others = shown
    return f"{first} and {next(name for name in others if shown[name] != shown[first])} differ"


def _shorten(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
