// Continuation tokens: a position in a listing that clients only hand back, fit for a URL. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

std::string encode_token(std::string_view position);
// InvalidArgument for what encode_token() never gave.
S3Result<std::string> decode_token(std::string_view token);

}  // namespace gabion::gateway::s3
