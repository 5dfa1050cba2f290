"""Names are the user's, and no markup."""

import pytest

from segnet.cli.score_table import print_table
from segnet.training.score_table import ScoreTable


@pytest.mark.parametrize("name", ["[/]", "[red]road[/red]", "[link=file:///x]a[/link]", "a[0]"])
def test_names_with_brackets_are_printed_as_they_are(capsys, name):
    print_table(
        ScoreTable(f"title {name}", [name], [(name, ["1.0"]), None, (f"b {name}", ["2.0"])], f"of {name}", name)
    )
    out = capsys.readouterr().out
    assert out.count(name) >= 4
