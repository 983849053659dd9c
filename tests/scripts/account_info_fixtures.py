"""Writes fixtures/account_info/schema_{0..6}.sql with Python's own b2sdk (pip install b2sdk==2.13.0).

Each is a dump of an account-info file of that version: one account, one bucket.
"""

import contextlib
import json
import pathlib
import re
import sqlite3
import tempfile

from b2sdk._internal.account_info.sqlite_account_info import SqliteAccountInfo

OLD = {
    "bucketId": "b1",
    "bucketName": "it's photos",
    "capabilities": ["listFiles"],
    "namePrefix": None,
}
NEW = {
    "buckets": [{"id": "b1", "name": "it's photos"}, {"id": "b2", "name": None}],
    "capabilities": ["listFiles"],
    "namePrefix": None,
}


def row(version):
    values = {
        "account_id": "ada",
        "application_key": "application-key-in-clear",
        "account_auth_token": "account-token-1",
        "api_url": "https://api001.backblazeb2.com",
        "download_url": "https://f001.backblazeb2.com",
        "realm": "production",
    }
    if version < 4:
        values["minimum_part_size"] = 100000000
    else:
        values["absolute_minimum_part_size"] = 5000000
        values["recommended_part_size"] = 100000000
    if version >= 1:
        # Version 5 files with the old form exist, and are why there is a version 6.
        values["allowed"] = json.dumps(NEW if version == 6 else OLD)
    if version >= 2:
        values["account_id_or_app_key_id"] = "ada-key"
    if version >= 3:
        values["s3_api_url"] = "https://s3.us-west-001.backblazeb2.com"
    return values


def main():
    target = pathlib.Path(__file__).parents[2] / "fixtures" / "account_info"
    with tempfile.TemporaryDirectory() as directory:
        for version in range(7):
            path = f"{directory}/{version}"
            SqliteAccountInfo(file_name=path, last_upgrade_to_run=version)
            values = row(version)
            with contextlib.closing(sqlite3.connect(path)) as connection:
                columns, marks = ", ".join(values), ", ".join("?" * len(values))
                connection.execute(
                    f"INSERT INTO account ({columns}) VALUES ({marks})", list(values.values())
                )
                connection.execute("INSERT INTO bucket VALUES ('it''s photos', 'b1')")
                connection.commit()
                lines = [re.sub(r"\s+", " ", line) for line in connection.iterdump()]
            (target / f"schema_{version}.sql").write_text("\n".join(lines) + "\n")


main()
