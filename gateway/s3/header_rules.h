// Headers that S3 knows and that change what a request means: each is supported, truthfully satisfied as things are, or
// refused with NotImplemented. Nothing is silently ignored. Pure.
#pragma once

#include <string>

#include "gateway/s3/request.h"

namespace gabion::gateway::s3 {

// NotImplemented (with the header's name) or InvalidArgument for the first header that cannot be honoured.
S3Result<> check_headers(const Request& request);

// The table of the rules, for docs/s3-compatibility.md.
std::string header_rules_markdown();

}  // namespace gabion::gateway::s3
