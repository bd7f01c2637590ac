#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "common/text.h"
#include "erasure/codec.h"

namespace gabion::erasure {
namespace {

constexpr unsigned kDataMax = 32;
constexpr unsigned kParityMax = 8;
constexpr Profile kWidestFirst[] = {{8, 3}, {4, 2}, {2, 2}, {2, 1}, {1, 1}};
constexpr std::size_t kEnoughDomains = 3;  // for one of them to be given up

}  // namespace

Profile default_profile(std::size_t drives) {
  if (drives <= 1) return {.data = 1, .parity = 0};
  if (drives == 2) return {.data = 1, .parity = 1};
  if (drives == 3) return {.data = 2, .parity = 1};
  if (drives <= 5) return {.data = 2, .parity = 2};
  if (drives <= 10) return {.data = 4, .parity = 2};
  return {.data = 8, .parity = 3};
}

std::optional<unsigned> most_in_one(std::span<const std::size_t> domains, unsigned width) {
  if (std::accumulate(domains.begin(), domains.end(), std::size_t{0}) < width) return std::nullopt;
  for (unsigned most = 0;; ++most) {
    std::size_t places = 0;
    for (const std::size_t drives : domains) places += std::min<std::size_t>(drives, most);
    if (places >= width) return most;
  }
}

Profile default_profile(std::span<const std::size_t> domains) {
  const std::size_t drives = std::accumulate(domains.begin(), domains.end(), std::size_t{0});
  const auto used = std::count_if(domains.begin(), domains.end(), [](std::size_t count) { return count != 0; });
  if (used < 2) return default_profile(drives);
  const std::size_t left = drives - *std::max_element(domains.begin(), domains.end());
  const std::size_t room = static_cast<std::size_t>(used) < kEnoughDomains ? drives : left;
  for (const Profile& profile : kWidestFirst) {
    const auto most = most_in_one(domains, profile.total());
    if (most && *most <= profile.parity && profile.total() <= room) return profile;
  }
  return default_profile(std::size_t{2});  // of two nodes or more each has a drive
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
