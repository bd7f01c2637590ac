// The AWS SDK for JavaScript with its defaults: CRC32 on every upload, checksums checked on every download.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import {
  AbortMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteBucketCommand,
  DeleteObjectCommand, DeleteObjectsCommand, GetBucketLocationCommand, GetObjectAttributesCommand, GetObjectCommand,
  HeadBucketCommand, HeadObjectCommand, ListBucketsCommand, ListMultipartUploadsCommand, ListPartsCommand, PutObjectCommand,
  S3Client, UploadPartCommand, CompleteMultipartUploadCommand, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const MiB = 1024 * 1024;
const Bucket = "first";
const s3 = new S3Client({
  endpoint: process.env.ENDPOINT, region: "us-east-1", forcePathStyle: true, maxAttempts: 1,
  credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY },
});

// Bytes that follow from the seed alone.
function bytes(seed, size) {
  return createHash("shake256", { outputLength: size }).update(String(seed)).digest();
}

async function read(Key, options = {}) {
  const got = await s3.send(new GetObjectCommand({ Bucket, Key, ...options }));
  return Buffer.from(await got.Body.transformToByteArray());
}

async function refused(name, status, command) {
  await assert.rejects(s3.send(command), (error) => {
    assert.equal(error.name, name);
    assert.equal(error.$metadata.httpStatusCode, status);
    return true;
  });
}

async function* pieces(data, size) {
  for (let i = 0; i < data.length; i += size) {
    yield data.subarray(i, i + size);
    await wait(0);
  }
}

async function buffersAndStreams() {
  for (const size of [0, 1, 1000, 70_000, 200_000, MiB + 17, 9 * MiB]) {
    const data = bytes(size, size);
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: `buffer/${size}`, Body: data, Metadata: { a: "b" } }));
    assert.equal(put.ETag, `"${createHash("md5").update(data).digest("hex")}"`);
    assert.ok(put.ChecksumCRC32, "PutObject returns the CRC32 that the SDK sends by default");
    assert.ok((await read(`buffer/${size}`)).equals(data), `a buffer of ${size} bytes`);
    // A stream goes out as aws-chunked with the checksum in a trailer, in pieces as they come.
    const Body = Readable.from(pieces(data, 40_001));
    await s3.send(new PutObjectCommand({ Bucket, Key: `stream/${size}`, Body, ContentLength: size }));
    assert.ok((await read(`stream/${size}`)).equals(data), `a stream of ${size} bytes`);
  }
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "buffer/1000", ChecksumMode: "ENABLED" }));
  assert.deepEqual(head.Metadata, { a: "b" });
  assert.equal(head.ContentLength, 1000);
  assert.ok(head.ChecksumCRC32);
}

async function checksums() {
  const data = bytes("sum", 150_000);
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]) {
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: `sum/${ChecksumAlgorithm}`, Body: data, ChecksumAlgorithm }));
    const field = `Checksum${ChecksumAlgorithm}`;
    assert.ok(put[field], `PutObject returns ${field}`);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: `sum/${ChecksumAlgorithm}`, ChecksumMode: "ENABLED" }));
    assert.equal(got[field], put[field]);
    assert.ok(Buffer.from(await got.Body.transformToByteArray()).equals(data));
  }
  await refused("BadDigest", 400, new PutObjectCommand({ Bucket, Key: "sum/bad", Body: "x", ChecksumCRC32: "AAAAAA==" }));
  const attributes = await s3.send(new GetObjectAttributesCommand({
    Bucket, Key: "sum/SHA256", ObjectAttributes: ["ETag", "Checksum", "ObjectSize"] }));
  assert.equal(attributes.ObjectSize, 150_000);
  assert.equal(attributes.Checksum.ChecksumSHA256, createHash("sha256").update(data).digest("base64"));
}

async function rangesAndConditions() {
  const data = bytes(9 * MiB, 9 * MiB);
  for (const [first, last] of [[0, 9], [MiB - 1, MiB], [8 * MiB - 3, 8 * MiB + 3]]) {
    const part = await read(`buffer/${9 * MiB}`, { Range: `bytes=${first}-${last}` });
    assert.ok(part.equals(data.subarray(first, last + 1)), `range ${first}-${last}`);
  }
  const once = await s3.send(new PutObjectCommand({ Bucket, Key: "once", Body: "1", IfNoneMatch: "*" }));
  await refused("PreconditionFailed", 412, new PutObjectCommand({ Bucket, Key: "once", Body: "2", IfNoneMatch: "*" }));
  await s3.send(new PutObjectCommand({ Bucket, Key: "once", Body: "3", IfMatch: once.ETag }));
  await refused("PreconditionFailed", 412, new PutObjectCommand({ Bucket, Key: "once", Body: "4", IfMatch: once.ETag }));
  assert.equal((await read("once")).toString(), "3");
  await refused("NoSuchKey", 404, new GetObjectCommand({ Bucket, Key: "absent" }));
  await refused("NotFound", 404, new HeadObjectCommand({ Bucket, Key: "absent" }));
}

async function multipart() {
  const data = bytes("parts", 17 * MiB + 5);
  const upload = new Upload({ client: s3, params: { Bucket, Key: "parts/stream", Body: Readable.from(pieces(data, 300_007)) },
                              partSize: 5 * MiB, queueSize: 3 });
  await upload.done();
  assert.ok((await read("parts/stream")).equals(data), "a stream of unknown length in parts");
  const Key = "parts/own";
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts = [];
  for (const [index, Body] of [data.subarray(0, 5 * MiB), data.subarray(5 * MiB, 5 * MiB + 9)].entries()) {
    const part = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1, Body }));
    Parts.push({ PartNumber: index + 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
  }
  assert.equal((await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))).Parts.length, 2);
  assert.equal((await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads.length, 1);
  const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
  assert.match(done.ETag, /-2"$/);
  assert.ok((await read(Key)).equals(data.subarray(0, 5 * MiB + 9)), "two parts");
  const second = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: second.UploadId }));
  const late = new UploadPartCommand({ Bucket, Key, UploadId: second.UploadId, PartNumber: 1, Body: "x" });
  await refused("NoSuchUpload", 404, late);
}

async function presigned() {
  const data = bytes("signed", 50_000);
  const Key = "signed/ü +%&=.bin";
  // The SDK puts the checksum of an empty body into the query of a presigned PUT; it must not be held against the body.
  const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key }), { expiresIn: 60 });
  const sent = await fetch(put, { method: "PUT", body: data });
  assert.equal(sent.status, 200, await sent.text());
  const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
  const got = await fetch(get);
  assert.equal(got.status, 200);
  assert.ok(Buffer.from(await got.arrayBuffer()).equals(data), "a presigned object");
  assert.equal((await fetch(get, { method: "DELETE" })).status, 403);
}

async function listingAndRemoval() {
  const keys = [];
  for (let i = 0; i < 11; ++i) keys.push(`list/${String(i).padStart(2, "0")} +%&<ü>`);
  for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  const seen = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 4 }, { Bucket, Prefix: "list/" })) {
    seen.push(...(page.Contents ?? []).map((entry) => entry.Key));
  }
  assert.deepEqual(seen, keys);
  await s3.send(new CopyObjectCommand({ Bucket, Key: "copied", CopySource: `${Bucket}/${encodeURIComponent(keys[3])}` }));
  assert.equal((await read("copied")).toString(), keys[3]);
  await s3.send(new DeleteObjectCommand({ Bucket, Key: "copied" }));
  const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
  assert.equal(gone.Deleted.length, keys.length);
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket })) {
    const Objects = (page.Contents ?? []).map(({ Key }) => ({ Key }));
    if (Objects.length > 0) await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
  }
  await s3.send(new DeleteBucketCommand({ Bucket }));
  await refused("NotFound", 404, new HeadBucketCommand({ Bucket }));
}

await s3.send(new CreateBucketCommand({ Bucket }));
assert.deepEqual((await s3.send(new ListBucketsCommand({}))).Buckets.map((bucket) => bucket.Name), [Bucket]);
await s3.send(new GetBucketLocationCommand({ Bucket }));
for (const part of [buffersAndStreams, checksums, rangesAndConditions, multipart, presigned, listingAndRemoval]) {
  await part();
  console.log(part.name);
}
