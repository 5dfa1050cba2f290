"""What a network costs and what it sees."""

from segnet.analysis.checkerboard import (
    checkerboard,
    image_gradient,
    nyquist_energy,
    overlap_count,
    overlap_unevenness,
    phase_spread,
)
from segnet.analysis.cost import activation_memory, count_macs, count_parameters, stage_costs
from segnet.analysis.effective_field import (
    effective_field,
    random_images,
    warn_if_beyond_crop,
    warn_if_rates_beyond_crop,
)
from segnet.analysis.latency import measure_latencies
from segnet.analysis.profile import profile_network
from segnet.analysis.receptive_field import receptive_fields

__all__ = [
    "activation_memory",
    "checkerboard",
    "count_macs",
    "count_parameters",
    "effective_field",
    "image_gradient",
    "measure_latencies",
    "nyquist_energy",
    "overlap_count",
    "overlap_unevenness",
    "phase_spread",
    "profile_network",
    "random_images",
    "receptive_fields",
    "stage_costs",
    "warn_if_beyond_crop",
    "warn_if_rates_beyond_crop",
]
