"""Check every link of the built docs site: ``python -m scripts.check_site [FOLDER]`` (default: site).

The site's generator checks the links between Markdown files; this looks at the finished pages, so that pictures, links
to files beside the pages, and anchors in the reference count too. It also names what a page would fetch from elsewhere
as it is opened, since the site is meant to be read offline.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, in contrast to a link that the reader follows.
FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Collects the anchors of a page and what it points to.

    Attributes:
        anchors: what a ``#fragment`` can name.
        links: each with whether the browser fetches it by itself.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's id and its target."""
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        target = values.get("href" if tag == "a" else FETCHED.get(tag, ""))
        if target is not None and values.get("rel") not in ("canonical", "prev", "next"):
            self.links.append((target, tag != "a"))


def problems(site: Path) -> Iterator[str]:
    """Yield a sentence for each link that leads nowhere, and for each thing that is fetched from elsewhere."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link, fetched in page.links:
            where = f"{path.relative_to(site.resolve()).as_posix()}: {link}"
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if fetched and parts.scheme != "data":
                    yield f"{where} is fetched from elsewhere"
                continue
            target = _file(site, path, unquote(parts.path))
            if target is None:
                yield f"{where} leads to no file"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors | {""}:
                yield f"{where} leads to no anchor"


def _file(site: Path, page: Path, link: str) -> Path | None:
    """Return the file that a link names, its folder's index where it names a folder; None where there is none."""
    if not link:
        return page
    target = (site / link.lstrip("/") if link.startswith("/") else page.parent / link).resolve()
    target = target / "index.html" if target.is_dir() else target
    return target if target.is_file() and target.is_relative_to(site.resolve()) else None


def main() -> None:
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    if not (site / "index.html").is_file():
        sys.exit(f"{site.absolute()} has no index.html: build the site first, with make docs")
    found = list(dict.fromkeys(problems(site)))
    for problem in found:
        print(problem)
    if found:
        sys.exit(f"{len(found)} links are broken")


if __name__ == "__main__":
    main()
