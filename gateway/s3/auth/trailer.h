// The lines behind the last chunk of an aws-chunked body. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

struct BodyTrailer {
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case, values trimmed; without the signature
  std::string signature;                                    // x-amz-trailer-signature; empty when absent
  // What the signature covers: "name:value\n" of each field.
  std::string canonical() const;
};

// SDKs disagree on how many line ends surround the lines, so empty lines do not count, and "\n" ends a line as "\r\n"
// does. MalformedTrailerError for a line that is not "name:value", or anything behind the signature.
S3Result<BodyTrailer> parse_trailer(std::string_view text);

}  // namespace gabion::gateway::s3
