"""``segnet-export``: a trained network as a file for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command

if TYPE_CHECKING:
    from segnet.export.run import Export


def work(config: DictConfig) -> None:
    """Export, and say how far the file is from the network, what it scores and how long it takes."""
    run = required(config, "run", "runs/brain/2026-01-31_12-00-00")
    from segnet.pretrained import locate

    folder = locate(run)
    if config.format == "hub":
        from segnet.export.hub import export_hub

        print(f"written: {export_hub(run, config.output, config.checkpoint, config.allow_code)}")
        return
    from segnet.export.run import export_run
    from segnet.run_folder import write_json

    settings = (config.checkpoint, config.result, str(config.precision), config.allow_code)
    export = export_run(run, config.format, config.output, *settings)
    print(f"written: {export.path} ({export.path.stat().st_size / 2**20:.1f} MiB)")
    print(export.parity.sentence())
    record = {**_score(config, folder, export), **_time(config, folder, export)}
    if record:
        path = export.path.with_name(f"{export.path.name}.json")
        write_json(path, {"parity": export.parity.entries(), **record})
        print(f"written: {path}")


def _score(config: DictConfig, run: Path, export: "Export") -> dict[str, object]:
    if config.check_split is None:
        return {}
    from segnet.cli.score_table import print_table
    from segnet.export.scoring import score_export

    cost = score_export(export, run, config.check_split, config.data_root, config.allow_code)
    print_table(cost.table(export.path.name))
    return {"scores": {"network": dict(cost.network), "file": dict(cost.file)}}


def _time(config: DictConfig, run: Path, export: "Export") -> dict[str, object]:
    if not config.time:
        return {}
    from segnet.analysis.latency import describe_device
    from segnet.build import load_network
    from segnet.cli.score_table import print_table
    from segnet.devices import choose_device
    from segnet.export.timing import latency_table, time_export
    from segnet.run_folder import read_metrics

    size = list(config.image_size or read_metrics(run).get("macs_image_size") or (256, 256))
    network = load_network(run, config.checkpoint, config.allow_code)
    latencies = time_export(export, network, size, config.repeats)
    print_table(latency_table(latencies, size))
    milliseconds = {name: vars(latency) for name, latency in latencies.items()}
    return {"latency_ms": milliseconds, "image_size": size, **describe_device(choose_device("cpu"))}


def main() -> None:
    """Run the command."""
    run_command("export", work)


if __name__ == "__main__":
    main()
