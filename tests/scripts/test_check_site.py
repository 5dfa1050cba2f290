"""The check of the built docs site names what leads nowhere, and nothing else."""

import sys

import pytest

from scripts import check_site

PAGE = '<a href="../other/#here">ok</a> <a href="https://example.org/x#y">elsewhere</a> <img src="../picture.png">'


@pytest.fixture
def site(tmp_path):
    """Two pages and a picture, all links right."""
    for name in ("page", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "index.html").write_text('<a href="page/">page</a><a href="#top">up</a><h1 id="top">Top</h1>')
    (tmp_path / "page" / "index.html").write_text(PAGE)
    (tmp_path / "other" / "index.html").write_text('<h2 id="here">Here</h2><a href="/page/">back</a>')
    (tmp_path / "picture.png").touch()
    return tmp_path


def test_right_links_pass(site, monkeypatch):
    assert list(check_site.problems(site)) == []
    monkeypatch.setattr(sys, "argv", ["check_site", str(site)])
    check_site.main()


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="../nowhere/">', "page/index.html: ../nowhere/ leads to no file"),
        ('<a href="../other/#there">', "page/index.html: ../other/#there leads to no anchor"),
        ('<a href="#there">', "page/index.html: #there leads to no anchor"),
        ('<img src="../no.png">', "page/index.html: ../no.png leads to no file"),
        ('<a href="../../outside.md">', "page/index.html: ../../outside.md leads to no file"),
        (
            '<script src="https://a.example.org/a.js">',
            "page/index.html: https://a.example.org/a.js is fetched from",
        ),
        ('<link rel="stylesheet" href="//fonts.example.org/a">', "page/index.html: //fonts.example.org/a is fetched"),
    ],
)
def test_a_wrong_link_is_named(site, monkeypatch, capsys, html, problem):
    (site.parent / "outside.md").touch()
    (site / "page" / "index.html").write_text(html)
    monkeypatch.setattr(sys, "argv", ["check_site", str(site)])
    with pytest.raises(SystemExit, match="1 links are broken"):
        check_site.main()
    assert capsys.readouterr().out.startswith(problem)


def test_a_folder_without_a_site_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_site", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"has no index\.html: build the site first, with make docs"):
        check_site.main()
