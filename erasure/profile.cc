#include <fmt/format.h>

#include "common/text.h"
#include "erasure/codec.h"

namespace gabion::erasure {
namespace {

constexpr unsigned kDataMax = 32;
constexpr unsigned kParityMax = 8;

}  // namespace

Profile default_profile(std::size_t drives) {
  if (drives <= 1) return {.data = 1, .parity = 0};
  if (drives == 2) return {.data = 1, .parity = 1};
  if (drives == 3) return {.data = 2, .parity = 1};
  if (drives <= 5) return {.data = 2, .parity = 2};
  if (drives <= 10) return {.data = 4, .parity = 2};
  return {.data = 8, .parity = 3};
}

Result<Profile> parse_profile(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '+');
  const auto data = parts.size() == 2 ? parse_u64(parts[0]) : std::nullopt;
  const auto parity = parts.size() == 2 ? parse_u64(parts[1]) : std::nullopt;
  if (!data || !parity || *data < 1 || *data > kDataMax || *parity > kParityMax) {
    return Error(Errc::invalid,
                 fmt::format("'{}' is not a storage profile: write data+parity, as in 4+2, with 1 to {} "
                             "data and 0 to {} parity shards",
                             text.substr(0, 32), kDataMax, kParityMax));
  }
  return Profile{.data = static_cast<unsigned>(*data), .parity = static_cast<unsigned>(*parity)};
}

std::string to_string(Profile profile) { return fmt::format("{}+{}", profile.data, profile.parity); }

}  // namespace gabion::erasure
