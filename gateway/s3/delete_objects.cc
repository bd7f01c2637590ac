// DeleteObjects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/names.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/request_bodies.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kBodyMax = 2 * MiB;

// What became of each key, in the order of the request.
struct Deletion {
  explicit Deletion(KeyToDelete k) : key(std::move(k)) {}
  KeyToDelete key;
  std::optional<S3Error> error;
};

std::optional<S3Error> check(const KeyToDelete& key) {
  if (auto valid = check_key(key.key); !valid) return valid.error();
  if (key.version_id && *key.version_id != "null") return S3Error(kNoSuchVersion);
  return std::nullopt;
}

metadata::DeleteObject to_command(metadata::BucketId bucket, const KeyToDelete& key) {
  metadata::DeleteObject out;
  out.set_bucket(bucket);
  out.set_key(key.key);
  if (key.etag) {
    EtagList list = EtagList::parse(*key.etag);
    if (!list.any && list.tags.empty()) list.tags.emplace_back();  // a condition that nothing meets
    out.mutable_conditions()->set_if_match_any(list.any);
    for (const auto& tag : list.tags) out.mutable_conditions()->add_if_match(tag);
  }
  if (key.size) out.set_if_size(*key.size);
  if (key.modified) out.set_if_modified_us(*key.modified);
  return out;
}

std::string to_xml(const std::vector<Deletion>& deletions, bool quiet) {
  XmlWriter xml("DeleteResult", XmlWriter::Namespace::s3, 256 + deletions.size() * 128);
  for (const Deletion& deletion : deletions) {
    if (!deletion.error && quiet) continue;
    xml.open(deletion.error ? "Error" : "Deleted");
    xml.text("Key", deletion.key.key);
    if (deletion.key.version_id) xml.text("VersionId", *deletion.key.version_id);
    if (deletion.error) {
      xml.text("Code", deletion.error->code->name);
      xml.text("Message", deletion.error->message);
    }
    xml.close(deletion.error ? "Error" : "Deleted");
  }
  return std::move(xml).finish();
}

// One command for all keys; refusals are per key.
task<S3Result<>> commit_all(const Service& service, const Request& request, metadata::BucketId bucket,
                            std::vector<Deletion>& deletions) {
  metadata::Command command;
  auto& all = *command.mutable_delete_objects();
  std::vector<Deletion*> sent;
  for (Deletion& deletion : deletions) {
    deletion.error = check(deletion.key);
    if (deletion.error) continue;
    *all.add_objects() = to_command(bucket, deletion.key);
    sent.push_back(&deletion);
  }
  if (sent.empty()) co_return S3Result<>();
  CO_TRY(const auto result, co_await commit(service, request, std::move(command)));
  for (int i = 0; i < result.each_size() && static_cast<std::size_t>(i) < sent.size(); ++i) {
    const auto& each = result.each(i);
    if (each.outcome() != metadata::APPLIED && each.outcome() != metadata::NO_SUCH_KEY) {
      sent[static_cast<std::size_t>(i)]->error = refusal(request, each);
    }
  }
  co_return S3Result<>();
}

}  // namespace

task<S3Result<>> delete_objects(const Service& service, Request& request) {
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(auto payload, Payload::open(request.exchange, request.authentication, PayloadOptions()));
  if (!payload->has_client_checksum()) {
    co_return S3Error(kInvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  CO_TRY(auto body, co_await payload->read_all(kBodyMax));
  CO_TRY(auto wanted, parse_delete(std::move(body)));
  std::vector<Deletion> deletions;
  deletions.reserve(wanted.keys.size());
  for (auto& key : wanted.keys) deletions.emplace_back(std::move(key));
  CO_CHECK(co_await commit_all(service, request, bucket.id(), deletions));
  co_return co_await respond_xml(request, to_xml(deletions, wanted.quiet));
}

}  // namespace gabion::gateway::s3
