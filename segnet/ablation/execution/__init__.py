"""Running an experiment: runs, jobs, engines, progress and tuning."""
