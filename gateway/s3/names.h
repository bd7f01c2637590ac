// What a bucket and a key may be called. Pure functions.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, object-keys.html
#pragma once

#include <string_view>

#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

inline constexpr std::size_t kKeyBytesMax = 1024;

// A name that may be created: DNS rules and AWS's reserved prefixes and suffixes. "health" and "minio" are reserved here,
// as their paths answer health checks.
bool is_valid_bucket_name(std::string_view name);
// A name worth looking up: what any S3 bucket ever could be called. Others are refused with InvalidBucketName at once.
bool is_addressable_bucket_name(std::string_view name);
// InvalidURI for what is not UTF-8 or has a NUL, which no listing could show; KeyTooLongError past 1024 bytes.
S3Result<> check_key(std::string_view key);

}  // namespace gabion::gateway::s3
