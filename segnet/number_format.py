"""Numbers as people read them, the same in every table and message."""


def format_count(value: float) -> str:
    """Write a number of things: "8,736", "13.95 k", "1.43 M", "2.64 G"."""
    for least, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / size:,.2f} {unit}"
    return f"{value:,.0f}"


def format_bytes(value: float) -> str:
    """Write bytes: "0", "64.0 KiB", "11.92 MiB"."""
    if value < 2**17:
        return f"{value / 2**10:.1f} KiB" if value else "0"
    return f"{value / 2**20:,.2f} MiB"


def format_milliseconds(value: float) -> str:
    """Write a time: "5.25 ms", "119.3 ms", "12,345 ms"."""
    return f"{value:,.{2 if value < 9.995 else 1 if value < 999.95 else 0}f} ms"


def format_duration(seconds: float) -> str:
    """Write a time for people: "45 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
