// Conditional requests: entity tags and dates against the version there is. Reads are decided here; the conditions of
// writes travel to the metadata, which decides them atomically. Pure functions.
// Source: https://www.rfc-editor.org/rfc/rfc9110#section-13, and AWS's pages of each operation for its deviations.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/s3/request.h"
#include "metadata/records.pb.h"

namespace gabion::gateway::s3 {

// The entity tag of a version without quotes: hex, with "-N" for multipart objects.
std::string etag_text(std::string_view md5, std::uint32_t parts);
inline std::string etag_text(const metadata::Version& version) { return etag_text(version.etag(), version.etag_parts()); }
inline std::string quoted(std::string_view etag) { return "\"" + std::string(etag) + "\""; }
// Without the quotes and a weak mark, if there are any.
std::string_view unquoted(std::string_view etag);

// The value of If-Match or If-None-Match: "*" or a list of tags, quoted or not.
struct EtagList {
  EtagList() = default;
  static EtagList parse(std::string_view value);
  bool matches(std::string_view etag) const;
  bool any = false;
  std::vector<std::string> tags;
};

enum class ReadOutcome { proceed, not_modified };

// The conditions of GET and HEAD. PreconditionFailed names the condition.
S3Result<ReadOutcome> check_read_conditions(const Request& request, const metadata::Version& version, WallMicros now);
// The x-amz-copy-source-if-* conditions, where every failure is PreconditionFailed.
S3Result<> check_copy_conditions(const Request& request, const metadata::Version& source, WallMicros now);
// Whether a range applies: If-Range is absent, or names this very version.
bool range_applies(const Request& request, const metadata::Version& version);

// If-Match and If-None-Match of a write, for the metadata to decide. nullopt when there are none.
std::optional<metadata::Preconditions> write_conditions(const Request& request);

}  // namespace gabion::gateway::s3
