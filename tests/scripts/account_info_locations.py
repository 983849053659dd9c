"""Tries the table in fixtures/account_info/locations.json with Python's own b2sdk.

Each case runs in a home directory of its own. Where a case has a member "python", that is what
Python comes to and our resolver does not; everything else has to be the same.
"""

import json
import os
import pathlib
import sys
import tempfile

from b2sdk.v3 import SqliteAccountInfo

TABLE = pathlib.Path(__file__).parents[2] / "fixtures" / "account_info" / "locations.json"


def resolve(case, home):
    place = lambda text: text.replace("{home}", str(home))
    os.environ.clear()
    os.environ["HOME"] = str(home)
    for name, value in case.get("environment", {}).items():
        os.environ[name] = place(value)
    directory = home / "cwd"
    directory.mkdir()
    os.chdir(directory)
    for name in case.get("existing", []):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    sys.platform = case.get("platform", "linux")
    path = case.get("path")
    try:
        return SqliteAccountInfo.get_user_account_info_path(
            file_name=None if path is None else place(path), profile=case.get("profile")
        )
    except ValueError:
        return None


def main():
    cases = json.loads(TABLE.read_text())
    wrong = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as home:
            home = pathlib.Path(home)
            expected = case.get("python", case.get("file"))
            if expected is not None:
                expected = expected.replace("{home}", str(home))
            found = resolve(case, home)
            made = case.get("makes")
            if found != expected or (
                made
                and "python" not in case
                and not pathlib.Path(made.replace("{home}", str(home))).is_dir()
            ):
                print(f"{case['case']}: {found} instead of {expected}")
                wrong += 1
            os.chdir("/")
    print(f"{len(cases)} cases, {wrong} wrong")
    return wrong


sys.exit(main())
