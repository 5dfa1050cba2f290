import pytest

from segnet.number_format import format_bytes, format_count, format_duration, format_milliseconds


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (format_count, 999, "999"),
        (format_count, 8736, "8,736"),
        (format_count, 13_950, "13.95 k"),
        (format_count, 1_425_000, "1.43 M"),
        (format_count, 2_641_000_000, "2.64 G"),
        (format_bytes, 0, "0"),
        (format_bytes, 65_536, "64.0 KiB"),
        (format_bytes, 12_500_000, "11.92 MiB"),
        (format_milliseconds, 5.251, "5.25 ms"),
        (format_milliseconds, 119.34, "119.3 ms"),
        (format_milliseconds, 12345.0, "12,345 ms"),
        (format_duration, 7.4, "7 s"),
        (format_duration, 89, "89 s"),
        (format_duration, 91, "2 min"),
        (format_duration, 5000, "83 min"),
        (format_duration, 11100, "3 h 05 min"),
    ],
)
def test_numbers_are_written_for_people(write, value, text):
    assert write(value) == text
