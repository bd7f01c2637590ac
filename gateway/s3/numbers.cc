#include "gateway/s3/numbers.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::uint64_t kPageMax = 1000;

}  // namespace

S3Result<std::uint32_t> parse_part_number(std::string_view text) {
  const auto number = parse_u64(text);
  if (number && *number >= 1 && *number <= kPartNumberMax) return static_cast<std::uint32_t>(*number);
  return S3Error(kInvalidArgument, "Part number must be an integer between 1 and 10000, inclusive")
      .with("ArgumentName", "partNumber")
      .with("ArgumentValue", std::string(text));
}

S3Result<std::size_t> parse_page_limit(const Request& request, std::string_view name) {
  const std::string* text = request.find_parameter(name);
  if (!text || text->empty()) return kPageMax;
  const auto number = parse_u64(*text);
  if (number && *number <= 0x7fffffff) return std::min(*number, kPageMax);
  return S3Error(kInvalidArgument, fmt::format("Provided {} not an integer or within integer range", name))
      .with("ArgumentName", std::string(name))
      .with("ArgumentValue", *text);
}

}  // namespace gabion::gateway::s3
