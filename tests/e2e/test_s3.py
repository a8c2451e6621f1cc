"""What S3 answers, `oq dev` answers: asked with boto3, on memory and on SQLite."""

from __future__ import annotations

import base64
import hashlib
import http.client
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import Dev


def refusal(call: Any, **arguments: Any) -> tuple[int, str]:
    """The status and code with which a request is refused."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    answer = refused.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def put(s3: Any, bucket: str, key: str, body: bytes = b"x", **more: Any) -> str:
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **more)["ETag"]


# Objects


def test_what_was_put_comes_back_with_what_was_said_about_it(s3: Any, bucket: str) -> None:
    body = bytes(range(256)) * 1000
    said = {
        "ContentType": "text/csv; charset=utf-8",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentDisposition": 'attachment; filename="a.csv"',
        "CacheControl": "no-store",
        "Metadata": {"owner": "me", "note": "two words"},
    }
    etag = put(s3, bucket, "a b+ü/c%2F", body, **said)
    assert etag.startswith('"') and etag.endswith('"') and len(etag) > 2
    for answer in (
        got := s3.get_object(Bucket=bucket, Key="a b+ü/c%2F"),
        s3.head_object(Bucket=bucket, Key="a b+ü/c%2F"),
    ):
        assert answer["ETag"] == etag
        assert answer["ContentLength"] == len(body)
        assert {name: answer[name] for name in said} == said
    assert got["Body"].read() == body
    # What was said is about that version, and goes with it.
    put(s3, bucket, "a b+ü/c%2F", b"other")
    plain = s3.head_object(Bucket=bucket, Key="a b+ü/c%2F")
    assert plain["ContentType"] == "binary/octet-stream"
    assert plain["Metadata"] == {} and "CacheControl" not in plain
    s3.delete_object(Bucket=bucket, Key="a b+ü/c%2F")
    assert refusal(s3.get_object, Bucket=bucket, Key="a b+ü/c%2F") == (404, "NoSuchKey")


def test_etags_never_repeat(s3: Any, bucket: str) -> None:
    etags = [put(s3, bucket, "a", b"same") for _ in range(3)]
    s3.delete_object(Bucket=bucket, Key="a")
    etags.append(put(s3, bucket, "a", b"same", IfNoneMatch="*"))
    assert len(set(etags)) == 4


def test_conditional_puts(s3: Any, bucket: str) -> None:
    first = put(s3, bucket, "a", b"1", IfNoneMatch="*")
    lost = (412, "PreconditionFailed")
    assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*") == lost
    second = put(s3, bucket, "a", b"2", IfMatch=first)
    assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"3", IfMatch=first) == lost
    missing = refusal(s3.put_object, Bucket=bucket, Key="none", Body=b"3", IfMatch=first)
    assert missing == (404, "NoSuchKey")
    # As some clients write it, without quotes.
    put(s3, bucket, "a", b"3", IfMatch=second.strip('"'))
    for odd in ({"IfMatch": "*"}, {"IfNoneMatch": first}, {"IfMatch": first, "IfNoneMatch": "*"}):
        answer = refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"4", **odd)
        assert answer == (501, "NotImplemented")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"3"


def test_one_of_many_racing_writers_wins(dev: Dev, s3: Any, bucket: str) -> None:
    client = dev.boto3(config=Config(max_pool_connections=32))

    def attempt(number: int, **condition: str) -> str | None:
        try:
            return put(client, bucket, "race", str(number).encode(), **condition)
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")
            return None

    with ThreadPoolExecutor(32) as pool:
        created = list(pool.map(lambda n: attempt(n, IfNoneMatch="*"), range(32)))
        [etag] = [e for e in created if e]
        for _ in range(5):
            updated = list(pool.map(lambda n: attempt(n, IfMatch=etag), range(32)))
            [etag] = [e for e in updated if e]
        # Puts without a condition win all of them, and one is left.
        etags = set(pool.map(attempt, range(32)))
    assert len(etags) == 32
    assert s3.head_object(Bucket=bucket, Key="race")["ETag"] in etags


def test_conditional_gets(s3: Any, bucket: str) -> None:
    etag = put(s3, bucket, "a", b"body")
    now = s3.head_object(Bucket=bucket, Key="a")["LastModified"]
    before = now - timedelta(hours=1)
    held: list[dict[str, Any]] = [
        {"IfMatch": etag},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": before},
        {"IfUnmodifiedSince": now},
    ]
    for condition in held:
        assert s3.get_object(Bucket=bucket, Key="a", **condition)["Body"].read() == b"body"
        assert s3.head_object(Bucket=bucket, Key="a", **condition)["ETag"] == etag
    for condition in ({"IfNoneMatch": etag}, {"IfModifiedSince": now}):
        assert refusal(s3.get_object, Bucket=bucket, Key="a", **condition)[0] == 304
        assert refusal(s3.head_object, Bucket=bucket, Key="a", **condition)[0] == 304
    for condition in ({"IfMatch": '"other"'}, {"IfUnmodifiedSince": before}):
        lost = refusal(s3.get_object, Bucket=bucket, Key="a", **condition)
        assert lost == (412, "PreconditionFailed")
        assert refusal(s3.head_object, Bucket=bucket, Key="a", **condition)[0] == 412
    missing = refusal(s3.get_object, Bucket=bucket, Key="none", IfMatch=etag)
    assert missing == (404, "NoSuchKey")


@pytest.mark.parametrize(
    ("asked", "got", "shown"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_ranges(s3: Any, bucket: str, asked: str, got: bytes, shown: str) -> None:
    put(s3, bucket, "a", b"0123456789")
    answer = s3.get_object(Bucket=bucket, Key="a", Range=asked)
    assert answer["Body"].read() == got
    assert answer["ContentRange"] == shown
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = s3.head_object(Bucket=bucket, Key="a", Range=asked)
    assert head["ContentLength"] == len(got)
    beyond = refusal(s3.get_object, Bucket=bucket, Key="a", Range="bytes=10-")
    assert beyond == (416, "InvalidRange")


def test_deletions(s3: Any, bucket: str) -> None:
    old = put(s3, bucket, "a", b"1")
    new = put(s3, bucket, "a", b"2")
    lost = (412, "PreconditionFailed")
    assert refusal(s3.delete_object, Bucket=bucket, Key="a", IfMatch=old) == lost
    s3.delete_object(Bucket=bucket, Key="a", IfMatch=new)
    missing = refusal(s3.delete_object, Bucket=bucket, Key="a", IfMatch=new)
    assert missing == (404, "NoSuchKey")
    assert s3.delete_object(Bucket=bucket, Key="a")["ResponseMetadata"]["HTTPStatusCode"] == 204
    put(s3, bucket, "a")
    s3.delete_object(Bucket=bucket, Key="a", IfMatch="*")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_batch_deletions(s3: Any, bucket: str) -> None:
    keys = [f"k{n:03}" for n in range(300)]
    with ThreadPoolExecutor(10) as pool:
        etags = list(pool.map(lambda key: put(s3, bucket, key), keys))
    objects = [{"Key": key} for key in [*keys[:200], "never there"]]
    objects.append({"Key": keys[200], "ETag": etags[200]})
    objects.append({"Key": keys[201], "ETag": etags[0]})
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert {d["Key"] for d in answer["Deleted"]} == {*keys[:201], "never there"}
    [error] = answer["Errors"]
    assert (error["Key"], error["Code"]) == (keys[201], "PreconditionFailed")
    quiet = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete=quiet)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert refusal(s3.delete_objects, Bucket=bucket, Delete={"Objects": []})[0] == 400


def test_copies(s3: Any, bucket: str) -> None:
    put(s3, bucket, "from", b"body", ContentType="text/plain", Metadata={"a": "1"})
    source = {"Bucket": bucket, "Key": "from"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    copied = s3.get_object(Bucket=bucket, Key="to")
    assert copied["Body"].read() == b"body"
    assert (copied["ContentType"], copied["Metadata"]) == ("text/plain", {"a": "1"})
    s3.copy_object(
        Bucket=bucket, Key="from", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}
    )
    assert s3.head_object(Bucket=bucket, Key="from")["Metadata"] == {"b": "2"}
    itself = refusal(s3.copy_object, Bucket=bucket, Key="from", CopySource=source)
    assert itself == (400, "InvalidRequest")
    stale = refusal(
        s3.copy_object, Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch='"other"'
    )
    assert stale == (412, "PreconditionFailed")


def test_damaged_bodies_are_refused(s3: Any, bucket: str) -> None:
    right = base64.b64encode(hashlib.md5(b"body").digest()).decode()
    put(s3, bucket, "a", b"body", ContentMD5=right)
    wrong = base64.b64encode(bytes(16)).decode()
    bad = (400, "BadDigest")
    assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"x", ContentMD5=wrong) == bad
    invalid = refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"x", ContentMD5="?")
    assert invalid == (400, "InvalidDigest")
    sha = base64.b64encode(bytes(32)).decode()
    assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"x", ChecksumSHA256=sha) == bad
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        answer = s3.put_object(Bucket=bucket, Key="b", Body=b"x", ChecksumAlgorithm=algorithm)
        assert answer[f"Checksum{algorithm}"]
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"body"


def test_too_much_is_refused(s3: Any, bucket: str) -> None:
    large = b"\0" * ((64 << 20) + 1)
    assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=large) == (400, "EntityTooLarge")
    put(s3, bucket, "a", large[:-1])
    assert s3.head_object(Bucket=bucket, Key="a")["ContentLength"] == 64 << 20
    long = refusal(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"")
    assert long == (400, "KeyTooLongError")
    metadata = refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"", Metadata={"a": "b" * 3000})
    assert metadata == (400, "MetadataTooLarge")


# Listings


def test_listings(s3: Any, bucket: str) -> None:
    keys = ["a", "b/1", "b/2", "b/c/3", "c d+é&<>", "d", "e/"]
    for key in keys:
        put(s3, bucket, key, key.encode())
    listed = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)
    assert [o["Key"] for o in listed["Contents"]] == keys
    assert [o["Size"] for o in listed["Contents"]] == [len(k.encode()) for k in keys]
    assert all(o["Owner"]["ID"] and o["StorageClass"] == "STANDARD" for o in listed["Contents"])
    assert listed["KeyCount"] == len(keys) and not listed["IsTruncated"]
    for each in listed["Contents"]:
        assert each["ETag"] == s3.head_object(Bucket=bucket, Key=each["Key"])["ETag"]

    folded = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [o["Key"] for o in folded["Contents"]] == ["a", "c d+é&<>", "d"]
    assert [p["Prefix"] for p in folded["CommonPrefixes"]] == ["b/", "e/"]
    below = s3.list_objects_v2(Bucket=bucket, Prefix="b/", Delimiter="/")
    assert [o["Key"] for o in below["Contents"]] == ["b/1", "b/2"]
    assert [p["Prefix"] for p in below["CommonPrefixes"]] == ["b/c/"]
    other = s3.list_objects_v2(Bucket=bucket, Delimiter="c")
    assert [p["Prefix"] for p in other["CommonPrefixes"]] == ["b/c", "c"]
    assert [o["Key"] for o in other["Contents"]] == ["a", "b/1", "b/2", "d", "e/"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="b/2")
    assert [o["Key"] for o in after["Contents"]] == keys[3:]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0


@pytest.mark.parametrize("delimiter", ["", "/", "-"])
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
def test_pages_miss_nothing_and_repeat_nothing(
    s3: Any, bucket: str, operation: str, delimiter: str
) -> None:
    keys = sorted([f"d{n}/{m}" for n in range(4) for m in range(3)] + [f"k-{n}" for n in range(4)] + ["z"])
    for key in keys:
        put(s3, bucket, key)
    pages = s3.get_paginator(operation).paginate(
        Bucket=bucket, Delimiter=delimiter, PaginationConfig={"PageSize": 2}
    )
    seen, folders, count = [], [], 0
    for page in pages:
        count += 1
        lines = page.get("Contents", page.get("Versions", []))
        assert len(lines) + len(page.get("CommonPrefixes", [])) <= 2
        seen += [line["Key"] for line in lines]
        folders += [line["Prefix"] for line in page.get("CommonPrefixes", [])]
    want_folders = sorted({k[: k.index(delimiter) + 1] for k in keys if delimiter and delimiter in k})
    assert folders == want_folders
    assert seen == [k for k in keys if not delimiter or delimiter not in k]
    assert count >= (len(seen) + len(folders)) / 2


def test_the_store_shows_nothing_that_the_endpoint_keeps_for_itself(dev: Dev, s3: Any, bucket: str) -> None:
    put(s3, dev.bucket, "plain", b"x", Metadata={"a": "b"})
    put(s3, dev.bucket, ".s2", b"x")
    put(s3, dev.bucket, ".s4/a", b"x")
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket=dev.bucket)["Contents"]]
    assert not [key for key in listed if key.startswith(".s3/")]
    assert {"plain", ".s2", ".s4/a"} <= set(listed)
    folded = s3.list_objects_v2(Bucket=dev.bucket, Delimiter="/")
    assert ".s3/" not in [p["Prefix"] for p in folded.get("CommonPrefixes", [])]
    assert s3.list_objects_v2(Bucket=dev.bucket, Prefix=".s3/b")["KeyCount"] == 0
    hidden = refusal(s3.put_object, Bucket=dev.bucket, Key=".s3/buckets/x", Body=b"")
    assert hidden == (400, "InvalidArgument")
    put(s3, bucket, ".s3/allowed", b"x")


# Uploads in parts


def begin(s3: Any, bucket: str, key: str, **said: Any) -> str:
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **said)["UploadId"]


def part(s3: Any, bucket: str, key: str, upload: str, number: int, body: bytes) -> dict[str, Any]:
    answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
    return {"PartNumber": number, "ETag": answer["ETag"]}


def test_uploads_in_parts(s3: Any, bucket: str) -> None:
    first, last = b"a" * (5 << 20), b"the end"
    upload = begin(s3, bucket, "m", ContentType="text/plain", Metadata={"a": "1"})
    two = part(s3, bucket, "m", upload, 2, last)
    one = part(s3, bucket, "m", upload, 1, first)
    whole = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    pages = s3.get_paginator("list_parts").paginate(**whole, PaginationConfig={"PageSize": 1})
    assert [p["PartNumber"] for page in pages for p in page["Parts"]] == [1, 2]
    [begun] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert (begun["Key"], begun["UploadId"]) == ("m", upload)
    # Nothing is there until it is completed.
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    wrong: list[tuple[list[dict[str, Any]], str]] = [
        ([two, one], "InvalidPartOrder"),
        ([one | {"ETag": '"other"'}, two], "InvalidPart"),
        ([one, two | {"PartNumber": 3}], "InvalidPart"),
    ]
    for parts, code in wrong:
        answer = refusal(s3.complete_multipart_upload, **whole, MultipartUpload={"Parts": parts})
        assert answer == (400, code)
    done = s3.complete_multipart_upload(
        **whole, MultipartUpload={"Parts": [one, two]}, IfNoneMatch="*"
    )
    got = s3.get_object(Bucket=bucket, Key="m")
    assert got["Body"].read() == first + last
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (done["ETag"], "text/plain", {"a": "1"})
    gone = refusal(s3.upload_part, **whole, PartNumber=1, Body=b"late")
    assert gone == (404, "NoSuchUpload")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_uploads_in_parts_keep_conditions(s3: Any, bucket: str) -> None:
    etag = put(s3, bucket, "m", b"there")
    upload = begin(s3, bucket, "m")
    one = part(s3, bucket, "m", upload, 1, b"new")
    whole = {"Bucket": bucket, "Key": "m", "UploadId": upload, "MultipartUpload": {"Parts": [one]}}
    lost = (412, "PreconditionFailed")
    assert refusal(s3.complete_multipart_upload, **whole, IfNoneMatch="*") == lost
    assert refusal(s3.complete_multipart_upload, **whole, IfMatch='"other"') == lost
    s3.complete_multipart_upload(**whole, IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == b"new"


def test_uploads_in_parts_have_bounds(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, "m")
    small = [part(s3, bucket, "m", upload, n, b"small") for n in (1, 2)]
    whole = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    answer = refusal(s3.complete_multipart_upload, **whole, MultipartUpload={"Parts": small})
    assert answer == (400, "EntityTooSmall")
    assert refusal(s3.upload_part, **whole, PartNumber=10_001, Body=b"")[0] == 400
    large = [part(s3, bucket, "m", upload, n, b"\0" * (33 << 20)) for n in (1, 2)]
    answer = refusal(s3.complete_multipart_upload, **whole, MultipartUpload={"Parts": large})
    assert answer == (400, "EntityTooLarge")
    s3.abort_multipart_upload(**whole)
    assert refusal(s3.list_parts, **whole) == (404, "NoSuchUpload")
    assert refusal(s3.abort_multipart_upload, **whole) == (404, "NoSuchUpload")


def test_parts_are_copied_from_objects(s3: Any, bucket: str) -> None:
    put(s3, bucket, "from", b"0123456789")
    upload = begin(s3, bucket, "m")
    copied = s3.upload_part_copy(
        Bucket=bucket,
        Key="m",
        UploadId=upload,
        PartNumber=1,
        CopySource={"Bucket": bucket, "Key": "from"},
        CopySourceRange="bytes=2-4",
    )
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == b"234"


# Buckets


def test_buckets(dev: Dev, s3: Any) -> None:
    s3.create_bucket(Bucket="made-here")
    s3.create_bucket(Bucket="made-here")
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert {"made-here", dev.bucket} <= set(names) and names == sorted(names)
    assert s3.head_bucket(Bucket="made-here")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="made-here")["LocationConstraint"] is None
    put(s3, "made-here", "a")
    assert refusal(s3.delete_bucket, Bucket="made-here") == (409, "BucketNotEmpty")
    # What is in one is not in the other.
    assert refusal(s3.get_object, Bucket=dev.bucket, Key="a") == (404, "NoSuchKey")
    s3.delete_object(Bucket="made-here", Key="a")
    s3.delete_bucket(Bucket="made-here")
    assert refusal(s3.head_bucket, Bucket="made-here")[0] == 404
    for call in (s3.get_object, s3.delete_object):
        assert refusal(call, Bucket="made-here", Key="a") == (404, "NoSuchBucket")
    assert refusal(s3.list_objects_v2, Bucket="made-here") == (404, "NoSuchBucket")
    assert refusal(s3.delete_bucket, Bucket=dev.bucket) == (403, "AccessDenied")
    owner = refusal(s3.head_bucket, Bucket=dev.bucket, ExpectedBucketOwner="123456789012")
    assert owner[0] == 403


def test_a_lifecycle_is_remembered(s3: Any, bucket: str) -> None:
    none = (404, "NoSuchLifecycleConfiguration")
    assert refusal(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == none
    rules = [
        {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {"Prefix": "default/done/"},
            "Expiration": {"Days": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refusal(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == none


def test_versioning_is_off_and_says_so(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    enable = {"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
    assert refusal(s3.put_bucket_versioning, **enable) == (501, "NotImplemented")
    etag = put(s3, bucket, "a")
    [version] = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert (version["VersionId"], version["IsLatest"], version["ETag"]) == ("null", True, etag)
    assert s3.get_object(Bucket=bucket, Key="a", VersionId="null")["ETag"] == etag
    assert refusal(s3.get_object, Bucket=bucket, Key="a", VersionId="v1") == (404, "NoSuchVersion")


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_tagging", "NoSuchTagSet"),
        ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_website", "NoSuchWebsiteConfiguration"),
        ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
        ("get_bucket_ownership_controls", "OwnershipControlsNotFoundError"),
        ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
        ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ],
)
def test_settings_that_nobody_made_are_answered_as_by_s3(
    s3: Any, bucket: str, operation: str, code: str
) -> None:
    assert refusal(getattr(s3, operation), Bucket=bucket) == (404, code)


def test_what_it_has_not_is_refused_and_not_ignored(s3: Any, bucket: str) -> None:
    lacking = (501, "NotImplemented")
    for wish in ({"ServerSideEncryption": "AES256"}, {"Tagging": "a=b"}):
        assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"", **wish) == lacking
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    assert refusal(s3.put_bucket_tagging, Bucket=bucket, Tagging=tags) == lacking
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    put(s3, bucket, "a")
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == []


# Signatures, hosts, times


def test_signatures_are_checked(dev: Dev, s3: Any, bucket: str) -> None:
    put(s3, bucket, "a", b"secret")
    strangers = {
        "InvalidAccessKeyId": dev.boto3(aws_access_key_id="somebody"),
        "SignatureDoesNotMatch": dev.boto3(aws_secret_access_key="guessed"),
    }
    for code, stranger in strangers.items():
        assert refusal(stranger.get_object, Bucket=bucket, Key="a") == (403, code)
        assert refusal(stranger.put_object, Bucket=bucket, Key="a", Body=b"x") == (403, code)
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(f"{dev.endpoint}/{bucket}/a")
    assert refused.value.code == 403
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"secret"


def test_presigned_urls(dev: Dev, bucket: str) -> None:
    s3 = dev.boto3(config=Config(signature_version="s3v4"))
    where = {"Bucket": bucket, "Key": "a b"}
    sending = s3.generate_presigned_url("put_object", where)
    request = urllib.request.Request(sending, data=b"by URL", method="PUT")
    # urllib says that it is a form unless told otherwise.
    request.add_header("Content-Type", "")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", where)) as answer:
        assert answer.read() == b"by URL"
    changed = s3.generate_presigned_url("get_object", where).replace("a%20b", "other")
    expired = s3.generate_presigned_url("get_object", where, ExpiresIn=1)
    time.sleep(2.5)
    for url in (changed, expired):
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(url)
        assert refused.value.code == 403


def raw(dev: Dev, bucket: str, **headers: str) -> int:
    """The status of a presigned GET with these headers beside."""
    url = urlsplit(
        dev.boto3(config=Config(signature_version="s3v4")).generate_presigned_url(
            "list_objects_v2", {"Bucket": bucket}
        )
    )
    connection = http.client.HTTPConnection(urlsplit(dev.endpoint).netloc, timeout=30)
    connection.request("GET", f"{url.path}?{url.query}", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_pages_of_a_browser_get_nothing(dev: Dev, bucket: str) -> None:
    assert raw(dev, bucket) == 200
    assert raw(dev, bucket, Origin="https://evil.example") == 403
    assert raw(dev, bucket, Host="evil.example") == 403
    form = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n--b--\r\n'
    connection = http.client.HTTPConnection(urlsplit(dev.endpoint).netloc, timeout=30)
    connection.request("POST", f"/{bucket}", form, {"Content-Type": "multipart/form-data; boundary=b"})
    assert connection.getresponse().status in (400, 403, 405)


def test_buckets_are_found_in_host_names_too(dev: Dev, bucket: str) -> None:
    # The name need not resolve: it goes into the header only.
    s3 = dev.boto3(config=Config(s3={"addressing_style": "virtual"}, signature_version="s3v4"),
                   endpoint_url="http://localhost:1")
    url = urlsplit(s3.generate_presigned_url("list_objects_v2", {"Bucket": bucket}))
    assert url.hostname == f"{bucket}.localhost"
    connection = http.client.HTTPConnection(urlsplit(dev.endpoint).netloc, timeout=30)
    connection.request("GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert bucket.encode() in answer.read()


def test_dates_are_one_clock(s3: Any, bucket: str) -> None:
    def date(answer: dict[str, Any]) -> datetime:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    written = s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    got = s3.get_object(Bucket=bucket, Key="a")
    listed = s3.list_objects_v2(Bucket=bucket)
    assert date(written) <= date(got) <= date(listed)
    modified = got["LastModified"]
    assert modified <= date(written)
    assert listed["Contents"][0]["LastModified"] == modified
    assert abs(datetime.now(UTC) - date(listed)) < timedelta(minutes=1)
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket=bucket, Key="none")
    assert date(missing.value.response) >= date(listed)
