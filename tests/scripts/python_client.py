"""What tests/interop_clients has Backblaze's Python library do.

    python_client.py tutorial FILE           the tutorial, from authorizing to deleting the bucket
    python_client.py errors                  refusals that the library knows by name
    python_client.py large FILE              a file of several parts, up, across and down
    python_client.py upload BUCKET MANIFEST  uploads what the manifest lists
    python_client.py download BUCKET FOLDER  downloads everything, prints a manifest

Realm and key are in B2_ENVIRONMENT, B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY. A manifest is a
JSON list of {"name", "path", "info", "content_type"}. What is not as it should be raises.
"""

import json
import os
import pathlib
import sys

from b2sdk.v3 import B2Api, InMemoryAccountInfo
from b2sdk.v3 import exception as errors

BUCKET = 'python-bucket-1'


def authorized(key_id=None, key=None):
    api = B2Api(InMemoryAccountInfo())
    api.authorize_account(
        key_id or os.environ['B2_APPLICATION_KEY_ID'],
        key or os.environ['B2_APPLICATION_KEY'],
        os.environ['B2_ENVIRONMENT'],
    )
    return api


def same(found, expected):
    if found != expected:
        raise AssertionError(f'expected {expected!r}, found {found!r}')


def refused(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(f'{call.__name__} did not raise {error.__name__}')


def listed(bucket, **options):
    """Names as the library lists them: a folder by its own name, a file by the file's."""
    return [folder or version.file_name for version, folder in bucket.ls(**options)]


def tutorial(photo):
    api = authorized()
    bucket = api.create_bucket(BUCKET, 'allPrivate')
    same(api.get_bucket_by_name(BUCKET).id_, bucket.id_)
    same([found.name for found in api.list_buckets()], [BUCKET])

    bucket.upload_bytes(b'hello', 'hello.txt', file_info={'color': 'blue'})
    info = {'src_last_modified_millis': str(os.stat(photo).st_mtime_ns // 1_000_000)}
    uploaded = bucket.upload_local_file(photo, 'photos/photo.jpg', file_info=info)
    same(uploaded.content_type, 'image/jpeg')
    same(listed(bucket), ['hello.txt', 'photos/'])
    same(listed(bucket, recursive=True), ['hello.txt', 'photos/photo.jpg'])

    download = bucket.download_file_by_name('photos/photo.jpg')
    download.save_to('copy.jpg')
    same(pathlib.Path('copy.jpg').read_bytes(), pathlib.Path(photo).read_bytes())
    same(download.download_version.file_info, info)
    same(bucket.get_file_info_by_name('hello.txt').file_info, {'color': 'blue'})

    bucket.hide_file('hello.txt')
    same(listed(bucket), ['photos/'])
    versions = list(bucket.list_file_versions('hello.txt'))
    same([version.action for version in versions], ['hide', 'upload'])
    bucket.unhide_file('hello.txt')
    same(listed(bucket), ['hello.txt', 'photos/'])

    for version, _ in bucket.ls(latest_only=False, recursive=True):
        api.delete_file_version(version.id_, version.file_name)
    api.delete_bucket(bucket)
    same(api.list_buckets(), [])


def refusals():
    api = authorized()
    refused(errors.Unauthorized, authorized, key='K000wrong')
    bucket = api.create_bucket(BUCKET, 'allPrivate')
    refused(errors.DuplicateBucketName, api.create_bucket, BUCKET, 'allPrivate')
    refused(errors.NonExistentBucket, api.get_bucket_by_name, 'python-bucket-2')
    refused(errors.FileNotPresent, bucket.get_file_info_by_name, 'missing')
    version = bucket.upload_bytes(b'hello', 'hello.txt')
    bucket.hide_file('hello.txt')
    refused(errors.FileAlreadyHidden, bucket.hide_file, 'hello.txt')
    refused(errors.BadRequest, api.delete_bucket, bucket)
    api.delete_file_version(version.id_, 'hello.txt')
    refused(errors.FileNotPresent, api.delete_file_version, version.id_, 'hello.txt')
    restricted(api, bucket)


def restricted(api, bucket):
    """A key for one bucket and one folder, which may list and read."""
    other = api.create_bucket('python-bucket-2', 'allPrivate')
    key = api.create_key(
        ['listBuckets', 'listFiles', 'readFiles'],
        'reader',
        bucket_ids=[bucket.id_],
        name_prefix='photos/',
    )
    reader = authorized(key.id_, key.application_key)
    mine = reader.get_bucket_by_name(BUCKET)
    refused(errors.RestrictedBucket, reader.get_bucket_by_name, other.name)
    refused(errors.Unauthorized, mine.hide_file, 'photos/hello.txt')
    refused(errors.Unauthorized, listed, mine, path='other')
    same(listed(mine, path='photos/'), [])


def large(path):
    api = authorized()
    bucket = api.create_bucket(BUCKET, 'allPrivate')
    uploaded = bucket.upload_local_file(path, 'large.bin')
    # Only a copy of known length is made in parts.
    bucket.copy(uploaded.id_, 'copy.bin', length=uploaded.size, max_part_size=200_000)
    for name in ['large.bin', 'copy.bin']:
        bucket.download_file_by_name(name).save_to('down.bin')
        same(pathlib.Path('down.bin').read_bytes(), pathlib.Path(path).read_bytes())


def upload(bucket_name, manifest):
    bucket = authorized().get_bucket_by_name(bucket_name)
    for file in json.loads(pathlib.Path(manifest).read_text()):
        bucket.upload_local_file(
            file['path'],
            file['name'],
            content_type=file['content_type'],
            file_info=file['info'],
        )


def download(bucket_name, folder):
    bucket = authorized().get_bucket_by_name(bucket_name)
    found = []
    for number, (version, _) in enumerate(bucket.ls(recursive=True)):
        path = os.path.join(folder, str(number))
        bucket.download_file_by_name(version.file_name).save_to(path)
        found.append({
            'name': version.file_name,
            'path': path,
            'info': version.file_info,
            'content_type': version.content_type,
        })
    print(json.dumps(found))


COMMANDS = {
    'tutorial': tutorial,
    'errors': refusals,
    'large': large,
    'upload': upload,
    'download': download,
}

if __name__ == '__main__':
    COMMANDS[sys.argv[1]](*sys.argv[2:])
