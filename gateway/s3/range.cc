#include "gateway/s3/range.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kUnit = "bytes=";

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A number of any length; what does not fit is as large as can be.
std::optional<std::uint64_t> parse_position(std::string_view text) {
  if (!all_digits(text)) return std::nullopt;
  return parse_u64(text).value_or(std::numeric_limits<std::uint64_t>::max());
}

S3Error unsatisfiable(std::string_view header, std::uint64_t size) {
  return S3Error(kInvalidRange)
      .with("RangeRequested", std::string(header))
      .with("ActualObjectSize", std::to_string(size));
}

}  // namespace

S3Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t size) {
  const std::optional<ByteRange> whole;
  if (!header.starts_with(kUnit)) return whole;
  const std::string_view spec = trim(header.substr(kUnit.size()));
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view first_text = spec.substr(0, dash);
  const std::string_view last_text = spec.substr(dash + 1);
  const auto last = parse_position(last_text);
  if (first_text.empty()) {
    if (!last) return whole;
    if (*last == 0 || size == 0) return unsatisfiable(header, size);
    const std::uint64_t length = std::min(*last, size);
    return std::optional(ByteRange(size - length, length));
  }
  const auto first = parse_position(first_text);
  if (!first || (!last && !last_text.empty()) || (last && *last < *first)) return whole;
  if (*first >= size) return unsatisfiable(header, size);
  const std::uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return std::optional(ByteRange(*first, end - *first + 1));
}

S3Result<ByteRange> parse_copy_range(std::string_view header, std::uint64_t size) {
  const auto malformed = [&] {
    return S3Error(kInvalidArgument,
                   "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
                   "zero-based offsets of the first and last bytes to copy")
        .with("ArgumentName", "x-amz-copy-source-range")
        .with("ArgumentValue", std::string(header));
  };
  if (!header.starts_with(kUnit)) return malformed();
  const std::string_view spec = header.substr(kUnit.size());
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos) return malformed();
  const auto first = parse_position(spec.substr(0, dash));
  const auto last = parse_position(spec.substr(dash + 1));
  if (!first || !last || *last < *first) return malformed();
  if (*first >= size) return S3Error(kInvalidRequest, "The specified copy range is invalid for the source object size");
  if (*last >= size) {
    return S3Error(kInvalidArgument, fmt::format("Range specified is not valid for source object of size: {}", size))
        .with("ArgumentName", "x-amz-copy-source-range")
        .with("ArgumentValue", std::string(header));
  }
  return ByteRange(*first, *last - *first + 1);
}

std::string content_range(const ByteRange& range, std::uint64_t size) {
  return fmt::format("bytes {}-{}/{}", range.offset, range.offset + range.length - 1, size);
}

}  // namespace gabion::gateway::s3
