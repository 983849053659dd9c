"""Checks that rust-version in Cargo.toml is the highest that any dependency of the crate asks for.

Reads `cargo metadata --format-version 1 --all-features` from standard input. A lower one would
promise too much, a higher one would shut people out for nothing. Crates for development only do not
count: who uses the crate does not build them.
"""

import json
import sys


def number(version):
    """1.89 and 1.89.0 are the same."""
    parts = [int(part) for part in (version or '0').split('.')]
    return tuple(parts + [0] * (3 - len(parts)))


def dependencies(metadata):
    """The ids of everything that is built for a user, the crate itself left out."""
    nodes = {node['id']: node for node in metadata['resolve']['nodes']}
    found, rest = set(), [metadata['resolve']['root']]
    while rest:
        for dependency in nodes[rest.pop()]['deps']:
            kinds = {kind['kind'] for kind in dependency['dep_kinds']}
            if kinds != {'dev'} and dependency['pkg'] not in found:
                found.add(dependency['pkg'])
                rest.append(dependency['pkg'])
    return found


def main():
    metadata = json.load(sys.stdin)
    packages = {package['id']: package for package in metadata['packages']}
    asked = [packages[id] for id in dependencies(metadata)]
    highest = max(asked, key=lambda package: number(package['rust_version']))
    own = packages[metadata['resolve']['root']]['rust_version']
    print(f"rust-version {own}; {highest['name']} asks for {highest['rust_version']}")
    if number(own) != number(highest['rust_version']):
        sys.exit('rust-version in Cargo.toml is not the highest of the dependencies')


main()
