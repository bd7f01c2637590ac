// The XML bodies that requests carry, as values. Parsers of bytes from outside: bounded, and MalformedXML for whatever is
// not as S3's schema has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/s3/error.h"
#include "metadata/records.pb.h"

namespace gabion::gateway::s3 {

struct KeyToDelete {
  KeyToDelete() = default;
  std::string key;
  std::optional<std::string> version_id;
  std::optional<std::string> etag;
  std::optional<std::uint64_t> size;
  std::optional<WallMicros> modified;
};

struct DeleteBody {
  DeleteBody() = default;
  bool quiet = false;
  std::vector<KeyToDelete> keys;  // 1 to 1000
};
S3Result<DeleteBody> parse_delete(std::string body);

struct PartToComplete {
  PartToComplete() = default;
  std::uint32_t number = 0;
  std::string etag;  // without quotes
  metadata::Checksum checksum;
};
// In the order given, which the caller checks. At least one.
S3Result<std::vector<PartToComplete>> parse_complete(std::string body);

// The location constraint, empty when there is none. NotImplemented for a directory bucket or tags.
S3Result<std::string> parse_create_bucket(std::string body);

// Whether the policy grants FULL_CONTROL to `owner_id` and nothing else: the only ACL there is.
S3Result<bool> is_private_acl(std::string body, std::string_view owner_id);

}  // namespace gabion::gateway::s3
