"""What benches/transfers has Python's b2sdk do: bench_transfers.py TASK DIRECTORY

The tasks are those of benches/transfers/task.rs; the realm is in B2_ENVIRONMENT.
"""

import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

from b2sdk.v3 import B2Api, InMemoryAccountInfo, SqliteAccountInfo
from b2sdk.v3 import exception as errors

BUCKET = 'bench-bucket'
KEY_ID = '0005b2e9f07c1d40000000001'
KEY = 'K000benchbenchbenchbenchbenchbe'


def bucket_with(info, workers):
    api = B2Api(info, max_upload_workers=workers, max_download_workers=workers)
    try:
        api.account_info.get_account_id()
    except errors.MissingAccountData:
        api.authorize_account(KEY_ID, KEY, os.environ['B2_ENVIRONMENT'])
    return api.get_bucket_by_name(BUCKET)


def large(directory, way, workers, _whole_sha1, length, _part):
    bucket = bucket_with(InMemoryAccountInfo(), int(workers))
    if way == 'up':
        bucket.upload_local_file(str(directory / f'large/large-{length}'), 'up/large')
    else:
        bucket.download_file_by_name(f'down/large-{length}').save_to(str(directory / 'copy'))


def small(directory, way, files, threads, _store):
    bucket = bucket_with(InMemoryAccountInfo(), int(threads))

    def one(n):
        if way == 'up':
            bucket.upload_local_file(str(directory / f'up/{n:04}'), f'up/{n:04}')
        else:
            copy = directory / f'copies/{n:04}'
            bucket.download_file_by_name(f'down/{files}/{n:04}').save_to(str(copy))

    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(one, range(int(files))))


def listing(_directory, names, page, _is_ahead):
    bucket = bucket_with(InMemoryAccountInfo(), 1)
    listed = sum(1 for _ in bucket.ls('list/', recursive=True, fetch_count=int(page)))
    assert listed == int(names), listed


def start(directory):
    info = SqliteAccountInfo(str(directory / 'python_account_info'))
    bucket_with(info, 10).upload_local_file(str(directory / 'up/0000'), 'up/one')


if __name__ == '__main__':
    task, directory = sys.argv[1:]
    name, *words = task.split(':')
    {'large': large, 'list': listing, 'small': small, 'start': start}[name](pathlib.Path(directory), *words)
