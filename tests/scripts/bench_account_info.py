"""What benches/account_info.rs has Python's SqliteAccountInfo do: bench_account_info.py FILE

Prints a JSON object: the names of the operations, and their medians in microseconds. Upload URLs
are kept in memory by this library, so taking and putting one does not touch the file.
"""

import json
import statistics
import sys
import time

from b2sdk.v3 import SqliteAccountInfo

BUCKET_ID = 'e50ba23e791f80c74c619dd4'
URL = 'https://pod-000-1096-17.backblaze.com/b2api/v4/b2_upload_file/x/c003'
UPLOAD_TOKEN = '4_0035b2e9f07c1d40000000007_01c4d7e2_9a30bf_upld_qW3='


def median(count, run):
    times = []
    for n in range(count):
        started = time.perf_counter()
        run(n)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def save(info, token):
    info.set_auth_data(
        account_id='5b2e9f07c1d4',
        auth_token=token,
        api_url='https://api003.backblazeb2.com',
        download_url='https://f003.backblazeb2.com',
        recommended_part_size=100_000_000,
        absolute_minimum_part_size=5_000_000,
        application_key='K000benchbenchbenchbenchbenchbe',
        realm='production',
        s3_api_url='https://s3.eu-central-003.backblazeb2.com',
        allowed={'buckets': None, 'capabilities': ['listFiles', 'writeFiles'], 'namePrefix': None},
        application_key_id='0005b2e9f07c1d40000000001',
    )


def read(info):
    """What a request needs: the token and where to send it."""
    info.get_account_auth_token()
    info.get_api_url()


def take_and_put(info):
    url, token = info.take_bucket_upload_url(BUCKET_ID)
    info.put_bucket_upload_url(BUCKET_ID, url, token)


def main(path):
    info = SqliteAccountInfo(path)
    save(info, 'first')
    info.put_bucket_upload_url(BUCKET_ID, URL, UPLOAD_TOKEN)
    medians = {
        'read the authorization': median(5000, lambda _: read(info)),
        'take and put an upload URL': median(5000, lambda _: take_and_put(info)),
        'open a current file': median(200, lambda _: SqliteAccountInfo(path)),
        'save an authorization': median(200, lambda n: save(info, f'token {n}')),
    }
    print(json.dumps(medians))


if __name__ == '__main__':
    main(sys.argv[1])
