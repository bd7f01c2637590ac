#include "gateway/s3/names.h"

#include <algorithm>

#include "common/encoding.h"
#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kBucketNameMin = 3;
constexpr std::size_t kBucketNameMax = 63;
constexpr std::size_t kLegacyNameMax = 255;
constexpr std::string_view kReservedPrefixes[] = {"xn--", "sthree-", "amzn-s3-demo-"};
constexpr std::string_view kReservedSuffixes[] = {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"};
constexpr std::string_view kReservedNames[] = {"health", "minio"};

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool looks_like_ipv4(std::string_view name) {
  const auto labels = split(name, '.');
  return labels.size() == 4 && std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
           return !label.empty() && label.size() <= 3 &&
                  std::all_of(label.begin(), label.end(), [](char c) { return c >= '0' && c <= '9'; });
         });
}

bool is_reserved(std::string_view name) {
  for (const auto prefix : kReservedPrefixes) {
    if (name.starts_with(prefix)) return true;
  }
  for (const auto suffix : kReservedSuffixes) {
    if (name.ends_with(suffix)) return true;
  }
  return std::find(std::begin(kReservedNames), std::end(kReservedNames), name) != std::end(kReservedNames);
}

}  // namespace

bool is_valid_bucket_name(std::string_view name) {
  if (name.size() < kBucketNameMin || name.size() > kBucketNameMax) return false;
  if (!is_lower_or_digit(name.front()) || !is_lower_or_digit(name.back())) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!is_lower_or_digit(c) && c != '.' && c != '-') return false;
    if (c == '.' && (name[i - 1] == '.' || name[i - 1] == '-' || name[i + 1] == '-')) return false;
  }
  return !looks_like_ipv4(name) && !is_reserved(name);
}

bool is_addressable_bucket_name(std::string_view name) {
  if (name.empty() || name.size() > kLegacyNameMax) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
  });
}

S3Result<> check_key(std::string_view key) {
  if (key.find('\0') != std::string_view::npos || !is_valid_utf8(key)) return S3Error(kInvalidURI);
  if (key.size() > kKeyBytesMax) {
    return S3Error(kKeyTooLongError)
        .with("Size", std::to_string(key.size()))
        .with("MaxSizeAllowed", std::to_string(kKeyBytesMax));
  }
  return {};
}

}  // namespace gabion::gateway::s3
