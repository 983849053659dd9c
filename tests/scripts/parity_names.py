"""Prints every public name of Python's b2sdk.v3, one a line: classes, their public members as
Class.member (inherited ones too, where the base is b2sdk's own), exceptions, functions and constants.

fixtures/parity/b2sdk_v3.txt is what this printed: PYTHON tests/scripts/parity_names.py
"""

import inspect

import b2sdk
import b2sdk.v3
import b2sdk.v3.exception


def is_own(thing):
    return getattr(thing, '__module__', '').startswith('b2sdk')


def members(cls):
    names = set()
    for base in cls.__mro__:
        if is_own(base):
            for name, value in vars(base).items():
                is_call = callable(value) or isinstance(value, (property, classmethod, staticmethod))
                if not name.startswith('_') and is_call and not inspect.isclass(value):
                    names.add(name)
    return names


def names(module):
    for name in dir(module):
        thing = getattr(module, name)
        if name.startswith('_') or inspect.ismodule(thing):
            continue
        if inspect.isclass(thing) or inspect.isroutine(thing):
            if not is_own(thing):
                continue
        yield name
        # Exceptions are kinds of failure; what they can do is all the same.
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            yield from (f'{name}.{member}' for member in members(thing))


print(f'# b2sdk {b2sdk.v3.VERSION}')
for name in sorted({*names(b2sdk.v3), *names(b2sdk.v3.exception)}):
    print(name)
