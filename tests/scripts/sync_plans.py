"""Prints random cases of synchronizing, each with the plan that b2sdk for Python makes of it, one a line:
fixtures/sync/python_plans.jsonl holds the output of `sync_plans.py 1 300`.

    sync_plans.py SEED COUNT

Nothing is sent: b2sdk's own scanners and policies are given listings. Needs b2sdk, as
tests/scripts/install-clients.sh installs it."""

import json
import os
import random
import sys
import tempfile
from unittest.mock import MagicMock

from b2sdk.v3 import (
    B2Folder,
    CompareVersionMode,
    FileVersion,
    KeepOrDeleteMode,
    LocalFolder,
    NewerFileSyncMode,
    ScanPoliciesManager,
    Synchronizer,
)

NOW = 1_700_000_000_000
DAY = 86_400_000
NAMES = ["a", "a b", "a-b/x", "a.txt", "a0", "b/c", "b0", "e\u0301", "x1", "x/y", "\U0001f600"]


def draw_file(draw, name):
    return {"name": name, "size": draw.randrange(3), "mtime": NOW - draw.choice([1, 2, 3]) * DAY + draw.randrange(3)}


def draw_versions(draw, name, number):
    """Newest first; no marker is the oldest or follows another one."""
    age, versions = 0.0, []
    for at in range(draw.randint(1, 4)):
        age += draw.choice([0.5, 1.0, 4.0, 9.0, 10.0])
        up = NOW - int(age * DAY)
        is_marker = draw.random() < 0.25 and (not versions or versions[-1]["action"] != "hide")
        version = {
            "id": f"{name}#{number}.{at}",
            "action": "hide" if is_marker else "upload",
            "size": 0 if is_marker else draw.randrange(3),
            "up": up,
            "src": None,
        }
        if not is_marker and draw.random() < 0.5:
            version["src"] = NOW - draw.choice([1, 2, 3]) * DAY + draw.randrange(3)
        versions.append(version)
    while versions and versions[-1]["action"] == "hide":
        versions.pop()
    return {"name": name, "versions": versions}


def draw_side(draw, kind, number):
    names = [name for name in NAMES if draw.random() < 0.4]
    if kind == "local":
        return {"kind": kind, "files": [draw_file(draw, name) for name in names]}
    files = [draw_versions(draw, name, number) for name in names]
    return {"kind": kind, "files": [file for file in files if file["versions"]]}


def draw_case(draw):
    source, dest = draw.choice([("local", "b2"), ("b2", "local"), ("b2", "b2")])
    keep = draw.choice(["NO_DELETE", "DELETE"] + (["KEEP_BEFORE_DELETE"] * 2 if dest == "b2" else []))
    compare = draw.choice(["MODTIME", "SIZE", "NONE"])
    return {
        "source": draw_side(draw, source, 1),
        "dest": draw_side(draw, dest, 2),
        "options": {
            "keep": keep,
            "days": draw.choice([1, 3, 10]) if keep == "KEEP_BEFORE_DELETE" else None,
            "newer": draw.choice(["SKIP", "REPLACE", "REPLACE", "RAISE_ERROR"]),
            "compare": compare,
            "threshold": draw.choice([None, 1, 2]) if compare != "NONE" else None,
            "excludes": draw.random() < 0.2,
        },
    }


def version(name, row):
    info = {} if row["src"] is None else {"src_last_modified_millis": str(row["src"])}
    return FileVersion(MagicMock(), row["id"], name, row["size"], "text/plain", "none", info, row["up"],
                       "account", "bucket", row["action"], None, None)


def b2_folder(rows, bucket):
    rows, api = sorted(rows, key=lambda row: row["name"].encode()), MagicMock()
    api.get_bucket_by_name.return_value.ls.side_effect = lambda *_, **__: (
        (version(row["name"], one), None) for row in rows for one in row["versions"])
    return B2Folder(bucket, "", api)


def local_folder(rows, root):
    for row in rows:
        path = os.path.join(root, *row["name"].split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.truncate(row["size"])
        os.utime(path, ns=(row["mtime"] * 10**6 + 500_000,) * 2)
    return LocalFolder(root)


def step(action):
    name = getattr(action, "relative_name", None)
    path = getattr(action, "source_path", None)
    selected = getattr(path, "selected_version", None)
    return [type(action).__name__, name or path.relative_path,
            getattr(action, "file_id", None) or (selected.id_ if selected else None)]


def plan(case):
    options, steps = case["options"], []
    with tempfile.TemporaryDirectory() as root:
        def make(side, where):
            return local_folder(side["files"], root) if side["kind"] == "local" else b2_folder(side["files"], where)
        source, dest = make(case["source"], "src"), make(case["dest"], "dst")
        filters = {"exclude_file_regexes": ["x"]} if options["excludes"] else {}
        sync = Synchronizer(
            1, keep_days_or_delete=KeepOrDeleteMode[options["keep"]], keep_days=options["days"],
            newer_file_mode=NewerFileSyncMode[options["newer"]],
            compare_version_mode=CompareVersionMode[options["compare"]],
            compare_threshold=options["threshold"], policies_manager=ScanPoliciesManager(**filters))
        try:
            actions = sync._make_folder_sync_actions(source, dest, NOW, MagicMock(), sync.policies_manager)
            steps.extend(step(action) for action in actions)
        except Exception as error:
            steps.append(["raise", type(error).__name__, None])
    return steps


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    draw = random.Random(seed)
    for _ in range(count):
        case = draw_case(draw)
        print(json.dumps({"case": case, "plan": plan(case)}, ensure_ascii=False, separators=(",", ":")))


main()
