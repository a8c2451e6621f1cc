"""The real AWS command line works against `oq dev` as against S3."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Dev


def test_files_go_there_and_come_back(dev: Dev, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    files = {"a.txt": b"text", "sub/b.json": b"{}", "large.bin": bytes(range(256)) * (80 << 10)}
    for name, body in files.items():
        (folder / name).write_bytes(body)
    # 20 MiB go in parts.
    dev.aws("s3", "cp", "--recursive", folder, f"s3://{bucket}/files/")
    listed = dev.aws("s3", "ls", "--recursive", f"s3://{bucket}").stdout
    for name, body in files.items():
        assert f" {len(body)} files/{name}" in listed
    assert "PRE sub/" in dev.aws("s3", "ls", f"s3://{bucket}/files/").stdout
    back = tmp_path / "back"
    dev.aws("s3", "sync", f"s3://{bucket}/files", back)
    for name, body in files.items():
        assert (back / name).read_bytes() == body
    # Nothing has changed, so nothing is done again.
    assert dev.aws("s3", "sync", f"s3://{bucket}/files", back).stdout == ""
    head = dev.aws("s3api", "head-object", "--bucket", bucket, "--key", "files/a.txt").stdout
    assert json.loads(head)["ContentType"] == "text/plain"


def test_objects_are_moved_and_removed(dev: Dev, bucket: str) -> None:
    dev.aws("s3", "cp", "-", f"s3://{bucket}/a", input="from stdin")
    dev.aws("s3", "mv", f"s3://{bucket}/a", f"s3://{bucket}/b")
    assert dev.aws("s3", "cp", f"s3://{bucket}/b", "-").stdout == "from stdin"
    assert dev.aws("s3", "rm", "--recursive", f"s3://{bucket}").stdout
    assert dev.aws("s3", "ls", f"s3://{bucket}", check=False).stdout == ""


def test_large_objects_are_copied_in_parts(dev: Dev, bucket: str, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * (48 << 10))
    dev.aws("s3", "cp", large, f"s3://{bucket}/a")
    dev.aws("s3", "cp", f"s3://{bucket}/a", f"s3://{bucket}/b")
    dev.aws("s3", "cp", f"s3://{bucket}/b", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_conditions(dev: Dev, bucket: str, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_text("x")
    put = ("s3api", "put-object", "--bucket", bucket, "--key", "a", "--body", body)
    etag = json.loads(dev.aws(*put, "--if-none-match", "*").stdout)["ETag"]
    assert "PreconditionFailed" in dev.aws(*put, "--if-none-match", "*", check=False).stderr
    dev.aws(*put, "--if-match", etag)
    assert "PreconditionFailed" in dev.aws(*put, "--if-match", etag, check=False).stderr


def test_buckets_are_made_and_removed(dev: Dev) -> None:
    dev.aws("s3", "mb", "s3://another")
    dev.aws("s3", "cp", "-", "s3://another/a", input="x")
    assert "another" in dev.aws("s3", "ls").stdout
    assert "BucketNotEmpty" in dev.aws("s3", "rb", "s3://another", check=False).stderr
    dev.aws("s3", "rb", "--force", "s3://another")
    assert "another" not in dev.aws("s3", "ls").stdout
