#!/usr/bin/env python3
"""Checks the links of the HTML that rustdoc writes: python3 check_links.py target/doc/b2sdk

Each link to a file must lead to a file, and each fragment to an element of it. Links to other sites
must be https, and are not fetched. What rustdoc copies from other crates, at the foot of a page, is
left out.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.is_ours = [], set(), False
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == 'body':
            self.is_ours = True
        if 'id' in attributes:
            self.ids.add(attributes['id'])
            if attributes['id'] == 'blanket-implementations':
                self.is_ours = False
        if tag == 'a' and self.is_ours and 'href' in attributes:
            self.links.append(attributes['href'])


def main():
    root = Path(sys.argv[1]).resolve()
    pages = {path: Page(path) for path in root.rglob('*.html')}
    if len(pages) < 100 or root / 'index.html' not in pages:
        sys.exit(f'check_links: {root} is not the documentation of the crate')
    count, wrong = 0, set()
    for path, page in pages.items():
        for link in page.links:
            count += 1
            why = fault(link, path, pages)
            if why:
                wrong.add(f'{path.relative_to(root)}: {link}: {why}')
    print(f'{count} links on {len(pages)} pages')
    if wrong:
        sys.exit('\n'.join(sorted(wrong)))


def fault(link, path, pages):
    """Says what is wrong with a link of the page at this path, if anything is."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None if parts.scheme == 'https' else 'not https'
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return 'no such file'
    if not parts.fragment or target not in pages:
        return None
    # Some of rustdoc's own are percent-encoded in both places.
    known = {parts.fragment, unquote(parts.fragment)} & pages[target].ids
    return None if known else 'no such element'


if __name__ == '__main__':
    main()
