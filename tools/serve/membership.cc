#include "tools/serve/membership.h"

#include <fmt/format.h>

#include <cstring>

#include "common/crc.h"
#include "common/log.h"

namespace gabion::serve {
namespace {

constexpr std::size_t kMembershipMax = 16 * MiB;
constexpr std::string_view kMagic = "gabion-membership-1\n";

// magic | CRC32C of the rest, little-endian | protobuf
std::string encode(const Membership& membership) {
  const std::string body = membership.SerializeAsString();
  const std::uint32_t crc = crc32c(0, as_bytes(body));
  std::string out(kMagic);
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(crc >> shift));
  return out + body;
}

std::optional<Membership> decode(std::string_view content) {
  if (!content.starts_with(kMagic) || content.size() < kMagic.size() + 4) return std::nullopt;
  const std::string_view body = content.substr(kMagic.size() + 4);
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < 4; ++i) crc |= std::uint32_t{static_cast<unsigned char>(content[kMagic.size() + i])} << (8 * i);
  Membership membership;
  if (crc != crc32c(0, as_bytes(body)) || !membership.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return std::nullopt;
  }
  return membership;
}

}  // namespace

Result<std::optional<Membership>> read_membership(const std::vector<Disk*>& drives) {
  std::optional<Membership> newest;
  for (Disk* drive : drives) {
    const auto content = read_file(*drive, kMembershipFile, kMembershipMax);
    if (!content) continue;
    auto membership = decode(*content);
    if (!membership) continue;
    if (newest && (membership->node() != newest->node() || membership->cluster() != newest->cluster())) {
      return Error(Errc::invalid, fmt::format("the drives given belong to two nodes, {} and {}: give each node its own",
                                              to_string(node_of(*newest)), to_string(node_of(*membership))));
    }
    if (!newest || membership->version() > newest->version()) newest = std::move(membership);
  }
  return newest;
}

Result<void> write_membership(const std::vector<Disk*>& drives, const Membership& membership) {
  const std::string content = encode(membership);
  Result<void> last = Error(Errc::unavailable, "no drive can take the membership of this node");
  bool written = false;
  for (Disk* drive : drives) {
    if (auto done = replace_file(*drive, kMembershipFile, content); done) {
      written = true;
    } else {
      LOG(warn, "serve", "the membership was not written to a drive", field("error", done.error().message));
      last = done.error();
    }
  }
  return written ? Result<void>() : last;
}

}  // namespace gabion::serve
