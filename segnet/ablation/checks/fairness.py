"""The second half of fairness: with one seed, all arms start from the same bits and see the same bits.

Both are looked at before anything is trained, and the batches once more as they were trained on.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig
from torch import nn

from segnet.ablation.execution.runs import Run, read_metrics
from segnet.build import data_from_config, network_from_config
from segnet.data import DataModule
from segnet.data.samples import Sample
from segnet.errors import UserError
from segnet.training.batch_record import BATCH_RECORD, hash_batch, hash_tensor

SAMPLED_BATCHES = (0, -1)
"""The batches of the first epoch that are made and hashed before the training: the first and the last."""


def training_batch(data: DataModule, keys: Sequence[tuple[int, int]]) -> Sample:
    """Make an augmented training batch on the CPU, as a training there does, from its samples' ``(epoch, index)``."""
    loader = data.train_loader()
    return loader.collate_fn([loader.dataset[key] for key in keys]).augment()


def batch_hashes(data: DataModule) -> dict[str, Any]:
    """Hash the order of the whole first epoch, and the bits of sampled batches of it."""
    data.check_batch_size()
    order = list(data.train_loader().sampler)
    batches = [order[start : start + data.batch_size] for start in range(0, len(order), data.batch_size)]
    return {
        "order": hashlib.blake2b(json.dumps(order).encode(), digest_size=8).hexdigest(),
        "batches": [hash_batch(training_batch(data, batches[number])) for number in SAMPLED_BATCHES],
    }


def parameter_hashes(network: nn.Module) -> dict[tuple[str, tuple[int, ...]], str]:
    """Hash the bits of every parameter and every buffer that a checkpoint keeps, by name and shape."""
    return {(name, tuple(tensor.shape)): hash_tensor(tensor) for name, tensor in network.state_dict().items()}


def check_start(configs: Mapping[str, DictConfig], seeds: Iterable[int], allow: Sequence[str]) -> dict[str, Any]:
    """Compare parameters and batches of all arms, for each seed.

    Args:
        configs: the composed config of each arm, by name.
        seeds: of the runs.
        allow: see :class:`segnet.ablation.Plan`; what is in it is recorded and not refused.

    Returns:
        ``parameters``: for each seed what :func:`compare_parameters` says; ``batches``: for each seed
        what :func:`compare_batches` says.

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
                f"{_shorten(different)}; mend their initialisation, or say allow=[parameters] where the factor is "
                f"meant to change it"
            )
        if not batches[str(seed)]["same"] and "batches" not in allow:
            raise UserError(
                f"with seed {seed} the arms do not see the same batches ({_unlike(shown)}): a sample may depend on the "
                f"seed, the epoch and its index alone; or say allow=[batches] where the factor is meant to change them"
            )
    return {"parameters": parameters, "batches": batches}


def compare_parameters(hashes: Mapping[str, Mapping[tuple[str, tuple[int, ...]], str]]) -> dict[str, Any]:
    """Compare what arms have in common, by name and shape.

    Returns:
        ``shared``: hash by name of what all arms have with the same bits; ``own``: for each arm the names that not all
        have; ``different``: names of what has the same name and shape in several arms and not the same bits.
    """
    found: dict[tuple[str, tuple[int, ...]], dict[str, str]] = defaultdict(dict)
    for arm, of_arm in hashes.items():
        for key, bits in of_arm.items():
            found[key][arm] = bits
    return {
        "shared": {
            key[0]: next(iter(bits.values()))
            for key, bits in found.items()
            if len(bits) == len(hashes) and len(set(bits.values())) == 1
        },
        "own": {arm: [key[0] for key in of_arm if len(found[key]) < len(hashes)] for arm, of_arm in hashes.items()},
        "different": [key[0] for key, bits in found.items() if len(set(bits.values())) > 1],
    }


def compare_batches(shown: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Say whether all arms are shown the ``same``, with the hashes (of each arm, where they differ)."""
    first = next(iter(shown.values()))
    same = all(one == first for one in shown.values())
    return {"same": same, **(first if same else {"arms": dict(shown)})}


def check_trained(runs: Iterable[Run], allow: Sequence[str]) -> dict[str, Any]:
    """Compare the first batches of the runs that have been trained, as they were trained on, and their precision.

    Returns:
        ``seeds``: for each seed the hashes, once or by arm; ``problems``: a sentence for each seed with which
        arms were trained on different batches, or in different precision, though they should not be.
    """
    shown: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    runs = list(runs)
    for run in runs:
        path = run.folder / BATCH_RECORD
        if path.is_file():
            shown[run.seed][f"{run.arm.name} ({run.kind})"] = json.loads(path.read_text())
    seeds = {str(seed): compare_batches(of_seed) for seed, of_seed in sorted(shown.items())}
    problems = [
        f"with seed {seed} the arms were not trained on the same batches ({_unlike(shown[seed])})"
        for seed in sorted(shown)
        if not seeds[str(seed)]["same"] and "batches" not in allow
    ]
    return {"seeds": seeds, "problems": problems + _unlike_precision(runs)}


def _unlike_precision(runs: Sequence[Run]) -> list[str]:
    """Name the runs that asked for one precision, "auto", and got several: machines that are not alike."""
    found: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    for run in runs:
        precision = read_metrics(run.folder).get("precision")
        if precision is not None:
            found[run.seed, run.config.trainer.precision][f"{run.arm.name} ({run.kind})"] = precision
    return [
        f"with seed {seed} trainer.precision={asked} came to different things: "
        + ", ".join(f"{precision} in {name}" for name, precision in got.items())
        for (seed, asked), got in sorted(found.items())
        if len(set(got.values())) > 1
    ]


def _unlike(shown: Mapping[str, dict[str, Any]]) -> str:
    """Name two arms that differ."""
    first, *others = shown
    return f"{first} and {next(name for name in others if shown[name] != shown[first])} differ"


def _shorten(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
