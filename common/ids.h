// Strong identifiers: sixteen random bytes each, distinct types so that a block is not a drive. Plain values.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/rng.h"

namespace gabion {

template <class Tag>
struct Id {
  std::array<std::uint8_t, 16> bytes{};

  static Id random(Rng& rng) {
    Id id;
    rng.fill(std::as_writable_bytes(std::span(id.bytes)));
    return id;
  }
  // From exactly sixteen raw bytes; anything else gives nullopt.
  static std::optional<Id> from_raw(std::string_view raw) {
    if (raw.size() != 16) return std::nullopt;
    Id id;
    std::memcpy(id.bytes.data(), raw.data(), 16);
    return id;
  }
  // From the 32 lower-case hex digits that to_hex() gives.
  static std::optional<Id> from_hex(std::string_view hex);
  std::string_view raw() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  std::string to_hex() const;
  bool is_zero() const { return bytes == std::array<std::uint8_t, 16>{}; }

  friend auto operator<=>(const Id&, const Id&) = default;
};

using BlockId = Id<struct BlockTag>;      // its leading bits are its ring partition
using DriveId = Id<struct DriveTag>;      // kept by a drive for life
using ClusterId = Id<struct ClusterTag>;

// A node's number in its cluster: 1 and up, given when it joins, never given again. 0: no node.
enum class NodeId : std::uint32_t {};
inline std::string to_string(NodeId node) { return "n" + std::to_string(static_cast<std::uint32_t>(node)); }

std::string id_to_hex(const std::array<std::uint8_t, 16>& bytes);
bool id_from_hex(std::string_view hex, std::array<std::uint8_t, 16>& bytes);

template <class Tag>
std::string Id<Tag>::to_hex() const {
  return id_to_hex(bytes);
}
template <class Tag>
std::optional<Id<Tag>> Id<Tag>::from_hex(std::string_view hex) {
  Id id;
  if (!id_from_hex(hex, id.bytes)) return std::nullopt;
  return id;
}

}  // namespace gabion

template <class Tag>
struct std::hash<gabion::Id<Tag>> {
  std::size_t operator()(const gabion::Id<Tag>& id) const noexcept {
    std::size_t value;
    std::memcpy(&value, id.bytes.data() + 8, sizeof value);
    return value;
  }
};
