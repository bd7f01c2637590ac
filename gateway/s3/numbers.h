// Numbers in requests with S3's own texts for what is wrong with them. Pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/s3/request.h"

namespace gabion::gateway::s3 {

inline constexpr std::uint32_t kPartNumberMax = 10000;

// The partNumber parameter: 1 to 10000.
S3Result<std::uint32_t> parse_part_number(std::string_view text);
// How many entries a listing may have: the parameter `name`, 1000 when it is absent and at most.
S3Result<std::size_t> parse_page_limit(const Request& request, std::string_view name);

}  // namespace gabion::gateway::s3
