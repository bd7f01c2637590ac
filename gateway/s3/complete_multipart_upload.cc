// CompleteMultipartUpload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
// Idempotent: the metadata remembers what a finished upload became, so asking again for the same parts gives the same
// answer.
#include "common/digest.h"
#include "common/encoding.h"
#include "common/text.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/request_bodies.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/uploads.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kBodyMax = 4 * MiB;  // 10,000 parts with the longest checksum
constexpr std::size_t kMd5Bytes = 16;

S3Error invalid_part(const Request& request, const PartToComplete& part) {
  return S3Error(kInvalidPart)
      .with("UploadId", std::string(request.parameter("uploadId")))
      .with("PartNumber", std::to_string(part.number))
      .with("ETag", part.etag);
}

S3Result<> check_order(const Request& request, const std::vector<PartToComplete>& wanted) {
  for (std::size_t i = 1; i < wanted.size(); ++i) {
    if (wanted[i].number <= wanted[i - 1].number) {
      return S3Error(kInvalidPartOrder).with("UploadId", std::string(request.parameter("uploadId")));
    }
  }
  return {};
}

// Whether the checksum a client names for a part is the one it was uploaded with.
S3Result<> check_named_checksum(const Request& request, const metadata::Upload& upload, const PartToComplete& wanted,
                                const metadata::Part& part) {
  if (wanted.checksum.algorithm() == metadata::CHECKSUM_NONE) {
    if (!upload.checksum_composite()) return {};
    return S3Error(kInvalidRequest, "The upload was created using a " +
                                        to_lower(checksum_kind(upload.checksum_algorithm())->name) +
                                        " checksum. The complete request must include the checksum for each part. It was "
                                        "missing for part " + std::to_string(wanted.number) + " in the request.");
  }
  const bool same = wanted.checksum.algorithm() == part.checksum().algorithm() &&
                    wanted.checksum.value() == part.checksum().value();
  if (!same) return invalid_part(request, wanted);
  return {};
}

S3Error too_small(const PartToComplete& wanted, std::uint64_t size) {
  return S3Error(kEntityTooSmall)
      .with("PartNumber", std::to_string(wanted.number))
      .with("ETag", wanted.etag)
      .with("ProposedSize", std::to_string(size))
      .with("MinSizeAllowed", std::to_string(kPartBytesMin));
}

// The uploaded parts that the request names, each checked. Both lists ascend.
S3Result<std::vector<metadata::Part>> choose_parts(const Request& request, const UploadParts& uploaded,
                                                   const std::vector<PartToComplete>& wanted) {
  std::vector<metadata::Part> out;
  auto part = uploaded.parts.begin();
  for (const PartToComplete& want : wanted) {
    while (part != uploaded.parts.end() && part->number() < want.number) ++part;
    if (part == uploaded.parts.end() || part->number() != want.number || etag_text(part->md5(), 0) != want.etag) {
      return invalid_part(request, want);
    }
    TRY_OK(check_named_checksum(request, uploaded.upload, want, *part));
    if (part->size() < kPartBytesMin && &want != &wanted.back()) return too_small(want, part->size());
    out.push_back(*part);
  }
  return out;
}

// Fills in what the object is made of: size, ETag and checksum.
S3Result<> describe_object(const Request& request, const metadata::Upload& upload,
                           const std::vector<metadata::Part>& parts, metadata::Version& version) {
  std::uint64_t size = 0;
  for (const auto& part : parts) size += part.size();
  if (size > kObjectBytesMax) {
    return S3Error(kEntityTooLarge)
        .with("ProposedSize", std::to_string(size))
        .with("MaxSizeAllowed", std::to_string(kObjectBytesMax));
  }
  if (const std::string* expected = request.find_header("x-amz-mp-object-size"); expected && parse_u64(*expected) != size) {
    return S3Error(kInvalidRequest, "The provided 'x-amz-mp-object-size' header value " + *expected +
                                        " does not match what was computed: " + std::to_string(size));
  }
  version.set_size(size);
  // Without a plan the object still has the checksum that all its parts share.
  auto algorithm = upload.checksum_algorithm();
  if (algorithm == metadata::CHECKSUM_NONE) algorithm = parts.front().checksum().algorithm();
  *version.mutable_checksum() = combine_checksums(algorithm, upload.checksum_composite(), parts);
  return {};
}

// The checksum of the object that the client may send along.
S3Result<> check_object_checksum(const Request& request, const metadata::Version& version) {
  const std::string* type = request.find_header("x-amz-checksum-type");
  if (type && version.checksum().algorithm() != metadata::CHECKSUM_NONE &&
      *type != checksum_type(version.checksum().composite())) {
    return S3Error(kInvalidRequest, "The upload was created using the " +
                                        std::string(checksum_type(version.checksum().composite())) +
                                        " checksum mode. The complete request must use the same checksum mode.");
  }
  const ChecksumKind* kind = checksum_kind(version.checksum().algorithm());
  if (!kind) return {};
  const std::string* sent = request.head.find(kind->header);
  // A composite value may come with or without its "-N".
  if (!sent || *sent == checksum_text(version.checksum(), version.etag_parts())) return {};
  if (*sent == checksum_text(version.checksum().value())) return {};
  return S3Error(kBadDigest, std::string("The ")
                                 .append(to_lower(kind->name))
                                 .append(" you specified did not match the calculated checksum."));
}

// The MD5 of the parts' MD5s, from the ETags that the request names: known even when the upload is finished and gone.
S3Result<std::string> object_md5(const Request& request, const std::vector<PartToComplete>& wanted) {
  std::string all;
  for (const PartToComplete& part : wanted) {
    const auto raw = hex_decode(part.etag);
    if (!raw || raw->size() != kMd5Bytes) return invalid_part(request, part);
    all.append(*raw);
  }
  return md5(as_bytes(all));
}

metadata::Command complete_command(const Request& request, metadata::BucketId bucket,
                                             const std::vector<PartToComplete>& wanted) {
  metadata::Command command;
  auto& complete = *command.mutable_complete_upload();
  complete.set_bucket(bucket);
  complete.set_key(request.target.key);
  complete.set_upload_id(std::string(request.parameter("uploadId")));
  for (const PartToComplete& part : wanted) {
    auto* out = complete.add_parts();
    out->set_number(part.number);
    out->set_md5(*hex_decode(part.etag));
    if (part.checksum.algorithm() != metadata::CHECKSUM_NONE) *out->mutable_checksum() = part.checksum;
  }
  if (auto conditions = write_conditions(request)) *complete.mutable_conditions() = *std::move(conditions);
  return command;
}

std::string location(const Request& request) {
  const std::string scheme = request.head.encrypted ? "https://" : "http://";
  std::string out = scheme + std::string(request.head.get("host"));
  if (!request.target.virtual_host) out.append("/").append(request.target.bucket);
  out.append("/");
  percent_append(out, request.target.key, Slash::keep);
  return out;
}

std::string to_xml(const Request& request, const metadata::Version& version) {
  XmlWriter xml("CompleteMultipartUploadResult");
  xml.text("Location", location(request));
  xml.text("Bucket", request.target.bucket);
  xml.text("Key", request.target.key);
  xml.text("ETag", quoted(etag_text(version)));
  write_checksum(xml, version.checksum(), version.etag_parts());
  write_checksum_type(xml, version.checksum());
  return std::move(xml).finish();
}

// The version that completing makes. When the upload is gone the metadata may remember what it became: its ETag, which
// the request alone tells, is enough to ask.
task<S3Result<metadata::Version>> plan_object(const Service& service, const Request& request,
                                              metadata::BucketId bucket, const std::vector<PartToComplete>& wanted) {
  auto uploaded = co_await find_parts(service, request, bucket);
  if (!uploaded && uploaded.error().code != &kNoSuchUpload) co_return uploaded.error();
  metadata::Version version;
  version.set_etag_parts(static_cast<std::uint32_t>(wanted.size()));
  if (!uploaded) {
    const auto known = object_md5(request, wanted);
    if (!known || !is_upload_id(request.parameter("uploadId"))) co_return uploaded.error();
    version.set_etag(*known);
    co_return version;
  }
  CO_TRY(const auto parts, choose_parts(request, *uploaded, wanted));
  CO_TRY(const auto etag, object_md5(request, wanted));
  version.MergeFrom(uploaded->upload.attributes());
  version.set_etag(etag);
  CO_CHECK(describe_object(request, uploaded->upload, parts, version));
  CO_CHECK(check_object_checksum(request, version));
  co_return version;
}

task<S3Result<std::vector<PartToComplete>>> read_request(Request& request) {
  PayloadOptions options;
  options.checksum_is_of_object = true;
  CO_TRY(auto payload, Payload::open(request.exchange, request.authentication, options));
  CO_TRY(auto body, co_await payload->read_all(kBodyMax));
  CO_TRY(auto wanted, parse_complete(std::move(body)));
  CO_CHECK(check_order(request, wanted));
  co_return wanted;
}

}  // namespace

task<S3Result<>> complete_multipart_upload(const Service& service, Request& request) {
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(const auto wanted, co_await read_request(request));
  CO_TRY(auto version, co_await plan_object(service, request, bucket.id(), wanted));
  auto command = complete_command(request, bucket.id(), wanted);
  *command.mutable_complete_upload()->mutable_version() = std::move(version);
  CO_TRY(const auto result, co_await commit(service, request, std::move(command)));
  set_encryption_header(request);
  co_return co_await respond_xml(request, to_xml(request, result.version()));
}

}  // namespace gabion::gateway::s3
