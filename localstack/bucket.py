"""Create a bucket as soon as the server answers: ``bucket.py ENDPOINT BUCKET SECONDS``."""

import sys
import time

import boto3
import botocore.exceptions
from botocore.config import Config

endpoint, bucket, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10),
)
end = time.monotonic() + seconds
while True:
    try:
        s3.create_bucket(Bucket=bucket)
        break
    except (
        s3.exceptions.BucketAlreadyOwnedByYou,
        s3.exceptions.BucketAlreadyExists,
    ):
        break
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        if time.monotonic() > end:
            sys.exit(f"no bucket: {error}")
        time.sleep(0.2)
