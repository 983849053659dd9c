"""Prints, one case a line, what b2sdk's own scanners let take part under random filters of regular expressions.

    python tests/scripts/scan_policies.py > fixtures/sync/python_scan_policies.jsonl

Needs `pip install b2sdk`. Nothing is sent: the local tree is a temporary directory, the bucket is a mock.
"""
import json
import os
import random
import tempfile
from unittest.mock import MagicMock

from b2sdk.v3 import B2Folder, FileVersion, LocalFolder, ScanPoliciesManager

PARTS = ['a', 'b', 'ab', 'a.txt', 'x', 'photos', 'photos2', 'é']
ATOMS = ['a', 'b', 'x', r'\.', 'photos', '.*', r'\w', 'é', 'a$', 'x$', '(a|b)', 'x*', r'[^/]*/', r'.*\.txt$', '(?i)A', '/', '$']


def names(chance):
    found = set()
    while len(found) < 12:
        path = [chance.choice(PARTS) for _ in range(chance.randint(1, 3))]
        name = '/'.join(path)
        # No name is a directory of another one.
        if not any(f'{one}/'.startswith(f'{name}/') or f'{name}/'.startswith(f'{one}/') for one in found):
            found.add(name)
    return sorted(found, key=str.encode)


def expressions(chance, most):
    texts = []
    for _ in range(chance.randint(0, most)):
        atoms = [chance.choice(ATOMS) for _ in range(chance.randint(1, 2))]
        # A flag stands at the beginning of an expression.
        atoms.sort(key=lambda atom: not atom.startswith('(?'))
        texts.append(''.join(atoms[:1] if atoms[0].startswith('(?') else atoms))
    return texts


def local(tree, policies):
    with tempfile.TemporaryDirectory() as root:
        for name in tree:
            path = os.path.join(root, *name.split('/'))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, 'w').close()
        return [path.relative_path for path in LocalFolder(root).all_files(None, policies)]


def bucket(tree, policies):
    api = MagicMock()
    versions = [FileVersion(MagicMock(), name, name, 0, 'text/plain', 'none', {}, 1, 'account', 'bucket', 'upload', None, None)
                for name in tree]
    api.get_bucket_by_name.return_value.ls.side_effect = lambda *a, **k: ((version, None) for version in versions)
    return [path.relative_path for path in B2Folder('bucket', '', api).all_files(MagicMock(), policies)]


def main():
    chance = random.Random(2026)
    for _ in range(250):
        tree = names(chance)
        directories, exclude = expressions(chance, 2), expressions(chance, 2)
        include = expressions(chance, 2) if exclude else []
        policies = ScanPoliciesManager(exclude_dir_regexes=directories, exclude_file_regexes=exclude,
                                       include_file_regexes=include)
        case = {'directories': directories, 'exclude': exclude, 'include': include, 'names': tree,
                'local': local(tree, policies), 'bucket': bucket(tree, policies)}
        print(json.dumps(case, ensure_ascii=False))


main()
