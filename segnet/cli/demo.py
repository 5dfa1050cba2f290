"""``segnet-demo``: a page on this machine to try networks on."""

from omegaconf import DictConfig

from segnet.cli.entry import required, run_command


def work(config: DictConfig) -> None:
    """Load the runs and serve the page until it is interrupted."""
    runs = [required(config, "run", "pretrained/camvid"), *map(str, config.compare)]
    from segnet.demo.serving import check_gradio, serve

    check_gradio()  # before the networks are loaded
    from segnet.demo.comparison import load_models

    how = (config.checkpoint, config.device, config.precision, config.memory_gib, config.allow_code)
    models = load_models(runs, *how)
    limits = (config.max_pixels, config.max_upload_mib)
    with serve(models, *limits, config.port, config.open_browser) as page:
        print(f"{page.local_url} shows {', '.join(models)}; Ctrl+C ends it", flush=True)
        page.block_thread()


def main() -> None:
    """Run the command."""
    run_command("demo", work)


if __name__ == "__main__":
    main()
