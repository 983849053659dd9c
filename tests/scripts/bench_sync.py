"""One job of benches/sync with b2sdk: `bench_sync.py JOB DIRECTORY FOLDER`; account in the environment."""
import io
import os
import sys
import time

from b2sdk.v3 import (B2Api, InMemoryAccountInfo, LocalFolder, ScanPoliciesManager, Synchronizer,
                      SyncReport, parse_folder)

THREADS = 10


def main():
    job, directory, folder = sys.argv[1:]
    if job == 'scan':
        policies = ScanPoliciesManager()
        print(sum(1 for _ in LocalFolder(directory).all_files(None, policies)))
        return
    api = B2Api(InMemoryAccountInfo(), max_upload_workers=THREADS, max_copy_workers=THREADS,
                max_download_workers=THREADS)
    api.authorize_account(os.environ['B2_APPLICATION_KEY_ID'], os.environ['B2_APPLICATION_KEY'],
                          realm=os.environ['B2_ENVIRONMENT'])
    os.makedirs(directory, exist_ok=True)
    places = [parse_folder(directory, api), parse_folder(folder, api)]
    source, destination = places if job == 'up' else reversed(places)
    with SyncReport(io.StringIO(), True) as report:
        Synchronizer(THREADS).sync_folders(source_folder=source, dest_folder=destination,
                                           now_millis=int(time.time() * 1000), reporter=report)


main()
