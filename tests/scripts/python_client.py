"""What tests/interop_clients has Backblaze's Python library do.

    python_client.py tutorial FILE           the tutorial, from authorizing to deleting the bucket
    python_client.py errors                  refusals that the library knows by name
    python_client.py large FILE              a file of several parts, up, across and down
    python_client.py keys                    a key of few rights, from its making to its end
    python_client.py locks                   retention and legal hold
    python_client.py encryption              a file under a key of the customer's own
    python_client.py sync UP DOWN            a folder up twice, and down into another
    python_client.py upload BUCKET MANIFEST  uploads what the manifest lists
    python_client.py download BUCKET FOLDER  downloads everything, prints a manifest

Realm and key are in B2_ENVIRONMENT, B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY; B2SDK_INTERFACE is
v2 or v3, otherwise v3. A manifest is a JSON list of {"name", "path", "info", "content_type"}. What
is not as it should be raises.
"""

import importlib
import json
import os
import pathlib
import sys
import time

INTERFACE = os.environ.get('B2SDK_INTERFACE', 'v3')
b2 = importlib.import_module(f'b2sdk.{INTERFACE}')
errors = importlib.import_module(f'b2sdk.{INTERFACE}.exception')

BUCKET = 'python-bucket-1'


def authorized(key_id=None, key=None):
    api = b2.B2Api(b2.InMemoryAccountInfo())
    key_id = key_id or os.environ['B2_APPLICATION_KEY_ID']
    key = key or os.environ['B2_APPLICATION_KEY']
    realm = os.environ['B2_ENVIRONMENT']
    if INTERFACE == 'v2':
        api.authorize_account(realm, key_id, key)
    else:
        api.authorize_account(key_id, key, realm)
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


def listed(bucket, folder='', **options):
    """Names as the library lists them: a folder by its own name, a file by the file's."""
    return [folder or version.file_name for version, folder in bucket.ls(folder, **options)]


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
    key = reading_key(api, bucket)
    reader = authorized(key.id_, key.application_key)
    mine = reader.get_bucket_by_name(BUCKET)
    refused(errors.RestrictedBucket, reader.get_bucket_by_name, other.name)
    refused(errors.Unauthorized, mine.hide_file, 'photos/hello.txt')
    refused(errors.Unauthorized, listed, mine, 'other')
    same(listed(mine, 'photos/'), [])


def reading_key(api, bucket):
    only = {'bucket_id': bucket.id_} if INTERFACE == 'v2' else {'bucket_ids': [bucket.id_]}
    capabilities = ['listBuckets', 'listFiles', 'readFiles']
    return api.create_key(capabilities, 'reader', name_prefix='photos/', **only)


def keys():
    api = authorized()
    bucket = api.create_bucket(BUCKET, 'allPrivate')
    bucket.upload_bytes(b'photo', 'photos/a.jpg')
    bucket.upload_bytes(b'other', 'other.txt')
    key = reading_key(api, bucket)
    same([found.id_ for found in api.list_keys()], [key.id_])
    mine = authorized(key.id_, key.application_key).get_bucket_by_name(BUCKET)
    same(content(mine, 'photos/a.jpg'), b'photo')
    refused(errors.Unauthorized, mine.download_file_by_name, 'other.txt')
    api.delete_key(key)
    refused(errors.Unauthorized, authorized, key.id_, key.application_key)


def content(bucket, name, **options):
    target = pathlib.Path('content')
    bucket.download_file_by_name(name, **options).save_to(str(target))
    return target.read_bytes()


def locks():
    api = authorized()
    bucket = api.create_bucket(BUCKET, 'allPrivate', is_file_lock_enabled=True)
    until = (int(time.time()) + 3600) * 1000
    governed = b2.FileRetentionSetting(b2.RetentionMode.GOVERNANCE, until)
    version = bucket.upload_bytes(b'governed', 'governed.txt', file_retention=governed)
    found = bucket.get_file_info_by_id(version.id_)
    same(found.file_retention, governed)
    refused(errors.Unauthorized, api.delete_file_version, version.id_, version.file_name)
    shorter = b2.FileRetentionSetting(b2.RetentionMode.GOVERNANCE, until - 60_000)
    change = api.update_file_retention
    refused(errors.RetentionWriteError, change, version.id_, version.file_name, shorter)
    change(version.id_, version.file_name, shorter, bypass_governance=True)
    api.delete_file_version(version.id_, version.file_name, bypass_governance=True)

    held = bucket.upload_bytes(b'held', 'held.txt', legal_hold=b2.LegalHold.ON)
    refused(errors.Unauthorized, api.delete_file_version, held.id_, held.file_name, True)
    for hold in [b2.LegalHold.OFF, b2.LegalHold.ON]:
        same(api.update_file_legal_hold(held.id_, held.file_name, hold), hold)


def encryption():
    bucket = authorized().create_bucket(BUCKET, 'allPrivate')
    first, second = (
        b2.EncryptionSetting(
            b2.EncryptionMode.SSE_C,
            b2.EncryptionAlgorithm.AES256,
            b2.EncryptionKey(bytes([number] * 32), key_id=None),
        )
        for number in [1, 2]
    )
    bucket.upload_bytes(b'secret', 'secret.txt', encryption=first)
    same(content(bucket, 'secret.txt', encryption=first), b'secret')
    refused(errors.SSECKeyError, content, bucket, 'secret.txt', encryption=second)
    refused(errors.BadRequest, content, bucket, 'secret.txt')
    plain = bucket.upload_bytes(b'plain', 'plain.txt')
    same(plain.server_side_encryption.mode, b2.EncryptionMode.SSE_B2)


def sync(up, down):
    api = authorized()
    api.create_bucket(BUCKET, 'allPrivate')
    remote = f'b2://{BUCKET}/backup'
    pathlib.Path(down).mkdir()

    def folder(name):
        return b2.parse_folder(name, api)

    for source, target in [(up, remote), (up, remote), (remote, down)]:
        with b2.SyncReport(sys.stderr, no_progress=True) as report:
            b2.Synchronizer(4).sync_folders(
                folder(source), folder(target), now_millis=int(time.time() * 1000), reporter=report
            )


def large(path):
    api = authorized()
    bucket = api.create_bucket(BUCKET, 'allPrivate')
    uploaded = bucket.upload_local_file(path, 'large.bin')
    # Only a copy of known length is made in parts.
    bucket.copy(uploaded.id_, 'copy.bin', length=uploaded.size, max_part_size=200_000)
    for name in ['large.bin', 'copy.bin']:
        bucket.download_file_by_name(name).save_to('down.bin')
        same(pathlib.Path('down.bin').read_bytes(), pathlib.Path(path).read_bytes())
    part = content(bucket, 'large.bin', range_=(100, 199))
    same(part, pathlib.Path(path).read_bytes()[100:200])


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
    'keys': keys,
    'locks': locks,
    'encryption': encryption,
    'sync': sync,
    'upload': upload,
    'download': download,
}

if __name__ == '__main__':
    COMMANDS[sys.argv[1]](*sys.argv[2:])
