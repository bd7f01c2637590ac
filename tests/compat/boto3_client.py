"""boto3, unmodified, in its default and its s3v4 configuration: every operation an application is likely to use."""

import base64
import hashlib
import io
import urllib.error
import urllib.request
import zlib

from client import MIB, ODD_KEYS, client_test
from outcome import check, check_equal, say, skip, wait_until
from payload import stream
from server import ROOT

try:
    import boto3
    import botocore
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config
    from botocore.exceptions import ClientError
except ImportError:
    boto3 = None

BUCKET = "first"


def expect_error(code, call, **arguments):
    """The call must fail with this error code; returns the HTTP status."""
    try:
        call(**arguments)
    except ClientError as error:
        check_equal(error.response["Error"]["Code"], code, f"error of {arguments}")
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    check(False, f"{arguments} must fail with {code}")


def read(s3, key, **options):
    return s3.get_object(Bucket=BUCKET, Key=key, **options)["Body"].read()


def contents_and_metadata(s3):
    for size in (0, 1, 1000, 4096, 70_000, 131_072, 1 * MIB + 17, 9 * MIB):
        data = stream(size + 1, size)
        put = s3.put_object(Bucket=BUCKET, Key=f"size/{size}", Body=data, Metadata={"number": str(size), "text": "a b"},
                            ContentType="application/x-test", CacheControl="no-cache", ContentLanguage="eo",
                            ContentDisposition='attachment; filename="x.bin"', ContentEncoding="x-none")
        check_equal(put["ETag"], f'"{hashlib.md5(data).hexdigest()}"', "ETag")
        got = s3.get_object(Bucket=BUCKET, Key=f"size/{size}")
        check(got["Body"].read() == data, f"{size} bytes come back different")
        check_equal((got["Metadata"], got["ContentType"], got["CacheControl"], got["ContentLanguage"], got["ContentEncoding"],
                     got["ContentDisposition"], got["ContentLength"]),
                    ({"number": str(size), "text": "a b"}, "application/x-test", "no-cache", "eo", "x-none",
                     'attachment; filename="x.bin"', size), "headers")
    got = s3.get_object(Bucket=BUCKET, Key="size/1000", ResponseContentType="text/other", ResponseCacheControl="max-age=1")
    check_equal((got["ContentType"], got["CacheControl"]), ("text/other", "max-age=1"), "response overrides")
    check_equal(expect_error("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="absent"), 404, "status of a missing key")
    check_equal(expect_error("NoSuchBucket", s3.get_object, Bucket="no-such-bucket", Key="x"), 404, "a missing bucket")
    expect_error("404", s3.head_object, Bucket=BUCKET, Key="absent")
    s3.delete_object(Bucket=BUCKET, Key="absent")


def ranges(s3):
    size = 9 * MIB
    data = stream(size + 1, size)
    spans = [(0, 0), (0, 99), (65535, 65536), (1 * MIB - 1, 1 * MIB + 1), (8 * MIB - 10, 8 * MIB + 10), (size - 1, size - 1)]
    for first, last in spans:
        got = s3.get_object(Bucket=BUCKET, Key=f"size/{size}", Range=f"bytes={first}-{last}")
        check(got["Body"].read() == data[first:last + 1], f"range {first}-{last}")
        check_equal(got["ContentRange"], f"bytes {first}-{last}/{size}", "Content-Range")
    check(read(s3, f"size/{size}", Range="bytes=-5") == data[-5:], "the last five bytes")
    check(read(s3, f"size/{size}", Range=f"bytes={size - 3}-") == data[-3:], "an open range")
    check_equal(expect_error("InvalidRange", s3.get_object, Bucket=BUCKET, Key="size/1000", Range="bytes=1000-"), 416, "416")


def conditions(s3):
    put = s3.put_object(Bucket=BUCKET, Key="conditional", Body=b"one")
    etag, modified = put["ETag"], s3.head_object(Bucket=BUCKET, Key="conditional")["LastModified"]
    check(read(s3, "conditional", IfMatch=etag) == b"one", "If-Match that holds")
    check_equal(expect_error("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="conditional", IfMatch='"00"'), 412, "412")
    check_equal(expect_error("304", s3.get_object, Bucket=BUCKET, Key="conditional", IfNoneMatch=etag), 304, "304")
    check_equal(expect_error("304", s3.get_object, Bucket=BUCKET, Key="conditional", IfModifiedSince=modified), 304, "304")
    check(read(s3, "conditional", IfUnmodifiedSince=modified) == b"one", "If-Unmodified-Since that holds")


def conditional_puts(s3):
    """If-None-Match and If-Match on PUT; this boto3 has no parameter for them, applications add the header."""
    def with_header(name, value, **arguments):
        def add(params, **_):
            params["headers"][name] = value
        s3.meta.events.register("before-call.s3.PutObject", add)
        try:
            return s3.put_object(Bucket=BUCKET, **arguments)
        finally:
            s3.meta.events.unregister("before-call.s3.PutObject", add)
    etag = with_header("If-None-Match", "*", Key="once", Body=b"1")["ETag"]
    check_equal(expect_error("PreconditionFailed", with_header, name="If-None-Match", value="*", Key="once", Body=b"2"), 412,
                "a second create")
    with_header("If-Match", etag, Key="once", Body=b"3")
    expect_error("PreconditionFailed", with_header, name="If-Match", value=etag, Key="once", Body=b"4")
    check(read(s3, "once") == b"3", "the conditional winner")


def checksums(s3):
    data = stream(3, 200_000)
    known = {"CRC32": zlib.crc32(data).to_bytes(4, "big"), "SHA1": hashlib.sha1(data).digest(),
             "SHA256": hashlib.sha256(data).digest()}
    for name, digest in known.items():
        value = base64.b64encode(digest).decode()
        put = s3.put_object(Bucket=BUCKET, Key=f"sum/{name}", Body=data, ChecksumAlgorithm=name)
        check_equal(put[f"Checksum{name}"], value, f"{name} returned by PUT")
        got = s3.get_object(Bucket=BUCKET, Key=f"sum/{name}", ChecksumMode="ENABLED")
        check_equal(got[f"Checksum{name}"], value, f"{name} returned by GET")
        check(got["Body"].read() == data, "the client verified other bytes")
        wrong = base64.b64encode(bytes(len(digest))).decode()
        expect_error("BadDigest", s3.put_object, Bucket=BUCKET, Key=f"sum/{name}", Body=b"x", **{f"Checksum{name}": wrong})
    expect_error("BadDigest", s3.put_object, Bucket=BUCKET, Key="sum/md5", Body=b"x",
                 ContentMD5=base64.b64encode(bytes(16)).decode())
    check_equal(expect_error("404", s3.head_object, Bucket=BUCKET, Key="sum/md5"), 404, "a refused PUT leaves nothing")


def odd_keys(s3):
    for key in ODD_KEYS:
        s3.put_object(Bucket=BUCKET, Key="odd/" + key, Body=key.encode())
    want = sorted(("odd/" + k for k in ODD_KEYS), key=lambda k: k.encode())
    for operation, size in (("list_objects", 4), ("list_objects_v2", 4), ("list_objects_v2", 1000)):
        pages = s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix="odd/", PaginationConfig={"PageSize": size})
        check_equal([o["Key"] for page in pages for o in page.get("Contents", [])], want, f"{operation} by {size}")
    for key in ODD_KEYS:
        check(read(s3, "odd/" + key) == key.encode(), f"the object {key!r}")
        s3.copy_object(Bucket=BUCKET, Key="copy/" + key, CopySource={"Bucket": BUCKET, "Key": "odd/" + key})
        check(read(s3, "copy/" + key) == key.encode(), f"the copy of {key!r}")
    listing = s3.list_objects_v2(Bucket=BUCKET, Prefix="odd/", Delimiter="/", MaxKeys=5)
    check_equal((listing["KeyCount"], listing["IsTruncated"]), (5, True), "common prefixes count towards the page")
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="odd/", StartAfter=want[7])
    check_equal([o["Key"] for o in after["Contents"]], want[8:], "start-after")
    gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "odd/" + k} for k in ODD_KEYS] + [{"Key": "never"}]})
    check_equal(len(gone["Deleted"]), len(ODD_KEYS) + 1, "delete_objects reports each key")
    check_equal(s3.list_objects_v2(Bucket=BUCKET, Prefix="odd/")["KeyCount"], 0, "after delete_objects")


def copies(s3):
    data = stream(31, 300_000)
    s3.put_object(Bucket=BUCKET, Key="source", Body=data, Metadata={"a": "1"}, ContentType="text/a")
    s3.copy_object(Bucket="second", Key="kept", CopySource=f"{BUCKET}/source")
    kept = s3.get_object(Bucket="second", Key="kept")
    check(kept["Body"].read() == data, "a copy into another bucket")
    check_equal((kept["Metadata"], kept["ContentType"]), ({"a": "1"}, "text/a"), "metadata travels")
    s3.copy_object(Bucket=BUCKET, Key="source", CopySource=f"{BUCKET}/source", Metadata={"b": "2"}, MetadataDirective="REPLACE",
                   ContentType="text/b")
    head = s3.head_object(Bucket=BUCKET, Key="source")
    check_equal((head["Metadata"], head["ContentType"], head["ContentLength"]), ({"b": "2"}, "text/b", 300_000), "replaced")
    s3.delete_object(Bucket=BUCKET, Key="source")
    check(s3.get_object(Bucket="second", Key="kept")["Body"].read() == data, "a copy outlives its source")
    expect_error("NoSuchKey", s3.copy_object, Bucket=BUCKET, Key="x", CopySource=f"{BUCKET}/source")


def multipart(s3):
    data = stream(41, 23 * MIB + 11)
    config = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(data), BUCKET, "parts/managed", Config=config, ExtraArgs={"Metadata": {"m": "p"}})
    back = io.BytesIO()
    s3.download_fileobj(BUCKET, "parts/managed", back, Config=config)
    check(back.getvalue() == data, "a managed multipart transfer")
    head = s3.head_object(Bucket=BUCKET, Key="parts/managed")
    digests = b"".join(hashlib.md5(data[i:i + 5 * MIB]).digest() for i in range(0, len(data), 5 * MIB))
    check_equal(head["ETag"], f'"{hashlib.md5(digests).hexdigest()}-5"', "multipart ETag")
    check_equal(head["Metadata"], {"m": "p"}, "multipart metadata")
    across = read(s3, "parts/managed", Range=f"bytes={5 * MIB - 9}-{5 * MIB + 9}")
    check(across == data[5 * MIB - 9:5 * MIB + 10], "a range across parts")

    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts/own")["UploadId"]
    copied = s3.upload_part_copy(Bucket=BUCKET, Key="parts/own", UploadId=upload, PartNumber=1,
                                 CopySource=f"{BUCKET}/parts/managed", CopySourceRange=f"bytes=100-{6 * MIB + 99}")
    s3.upload_part(Bucket=BUCKET, Key="parts/own", UploadId=upload, PartNumber=7, Body=b"replaced")
    last = s3.upload_part(Bucket=BUCKET, Key="parts/own", UploadId=upload, PartNumber=7, Body=b"the end")
    listed = s3.list_parts(Bucket=BUCKET, Key="parts/own", UploadId=upload)["Parts"]
    check_equal([(p["PartNumber"], p["Size"]) for p in listed], [(1, 6 * MIB), (7, 7)], "list_parts")
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    check_equal([u["Key"] for u in uploads], ["parts/own"], "list_multipart_uploads")
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}, {"PartNumber": 7, "ETag": last["ETag"]}]
    for _ in range(2):  # completing again must give the same answer
        done = s3.complete_multipart_upload(Bucket=BUCKET, Key="parts/own", UploadId=upload, MultipartUpload={"Parts": parts})
    check(done["ETag"].endswith('-2"'), f"ETag of two parts: {done['ETag']}")
    check(read(s3, "parts/own") == data[100:6 * MIB + 100] + b"the end", "parts put together")
    second = s3.get_object(Bucket=BUCKET, Key="parts/own", PartNumber=2)
    check_equal((second["Body"].read(), second["PartsCount"]), (b"the end", 2), "GET of one part")

    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts/small")["UploadId"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(Bucket=BUCKET, Key="parts/small", UploadId=upload, PartNumber=n,
                                                      Body=b"tiny")["ETag"]} for n in (1, 2)]
    expect_error("EntityTooSmall", s3.complete_multipart_upload, Bucket=BUCKET, Key="parts/small", UploadId=upload,
                 MultipartUpload={"Parts": parts})
    s3.abort_multipart_upload(Bucket=BUCKET, Key="parts/small", UploadId=upload)
    expect_error("NoSuchUpload", s3.upload_part, Bucket=BUCKET, Key="parts/small", UploadId=upload, PartNumber=1, Body=b"x")
    check("Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET), "an aborted upload is gone")


def fetch(url, method="GET", data=None):
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def presigned(s3, version):
    data = stream(51, 50_000)
    for key in ("presigned/plain", "presigned/odd ü+%&=.bin"):
        put = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": key}, ExpiresIn=60)
        check("X-Amz-Signature" in put if version == "s3v4" else "Signature=" in put, f"not a {version} URL: {put}")
        check_equal(fetch(put, "PUT", data)[0], 200, f"presigned PUT of {key}")
        get = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, ExpiresIn=60)
        check(fetch(get) == (200, data), f"presigned GET of {key}")
        named = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key, "ResponseContentType": "text/x"})
        check(fetch(named) == (200, data), "presigned GET with a response override")
        check_equal(fetch(get, "DELETE")[0], 403, "a GET URL must not delete")
        check_equal(fetch(get.replace("presigned/", "presigned/x"))[0], 403, "a URL for another key")
    gone = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "presigned/plain"}, ExpiresIn=1)
    wait_until(lambda: fetch(gone)[0] == 403, 20, "the URL has expired", step=0.3)


def buckets(s3, server):
    s3.create_bucket(Bucket="second")
    check_equal(sorted(b["Name"] for b in s3.list_buckets()["Buckets"]), [BUCKET, "second"], "list_buckets")
    expect_error("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="second")
    check_equal(expect_error("404", s3.head_bucket, Bucket="third"), 404, "head of a missing bucket")
    check_equal(s3.get_bucket_location(Bucket=BUCKET).get("LocationConstraint"), None, "location")
    expect_error("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
    path_style = boto3.client("s3", endpoint_url=server.endpoint, aws_access_key_id=ROOT.access_key, region_name="us-east-1",
                              aws_secret_access_key=ROOT.secret_key, config=Config(s3={"addressing_style": "path"}))
    expect_error("InvalidBucketName", path_style.create_bucket, Bucket="Upper")


def empty(s3):
    for bucket in (BUCKET, "second"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if page.get("Contents"):
                keys = [{"Key": o["Key"]} for o in page["Contents"]]
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=bucket)
    check_equal(s3.list_buckets()["Buckets"], [], "all buckets are removed")


def refused(server):
    wrong = boto3.client("s3", endpoint_url=server.endpoint, aws_access_key_id=ROOT.access_key, aws_secret_access_key="wrong",
                         region_name="us-east-1")
    check_equal(expect_error("SignatureDoesNotMatch", wrong.list_buckets), 403, "a wrong secret")
    unknown = boto3.client("s3", endpoint_url=server.endpoint, aws_access_key_id="nobody", aws_secret_access_key="wrong",
                           region_name="us-east-1")
    check_equal(expect_error("InvalidAccessKeyId", unknown.list_buckets), 403, "an unknown key")


def body(server, work):
    say(f"boto3 {boto3.__version__}, botocore {botocore.__version__}")
    for version in ("default", "s3v4"):
        # Without retries: this client repeats a request that was refused with BadDigest, after seconds of waiting.
        retries = {"max_attempts": 0}
        config = Config(retries=retries) if version == "default" else Config(signature_version="s3v4", retries=retries)
        s3 = boto3.client("s3", endpoint_url=server.endpoint, aws_access_key_id=ROOT.access_key, region_name="us-east-1",
                          aws_secret_access_key=ROOT.secret_key, config=config)
        s3.create_bucket(Bucket=BUCKET)
        contents_and_metadata(s3)
        buckets(s3, server)
        for part in (ranges, conditions, conditional_puts, checksums, odd_keys, copies, multipart):
            part(s3)
            say(f"{version}: {part.__name__}")
        presigned(s3, version)
        empty(s3)
        say(f"{version}: presigned URLs, buckets")
    refused(server)


if __name__ == "__main__":
    if boto3 is None:
        skip("python3-boto3 is not installed")
    client_test(body)
