#include "common/rpc/status.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "common/bytes.h"

namespace gabion::rpc {
namespace {

constexpr std::size_t kTextMax = 4 * KiB;

struct Code {
  Errc code;
  std::uint16_t number;
};
// Numbers are never changed and never used again: peers of other versions read them.
constexpr std::array kCodes = {
    Code{Errc::not_found, 1},    Code{Errc::already_exists, 2}, Code{Errc::conflict, 3},
    Code{Errc::invalid, 4},      Code{Errc::denied, 5},         Code{Errc::too_large, 6},
    Code{Errc::unavailable, 7},  Code{Errc::deadline, 8},       Code{Errc::exhausted, 9},
    Code{Errc::corrupt, 10},     Code{Errc::would_block, 11},   Code{Errc::unknown_outcome, 12},
    Code{Errc::not_leader, 13},  Code{Errc::cancelled, 14},     Code{Errc::end_of_stream, 15},
    Code{Errc::internal, 16},
    Code{Errc::moved, 17},
};

}  // namespace

std::string encode_error(const Error& error) {
  const auto* known = std::find_if(kCodes.begin(), kCodes.end(), [&](Code c) { return c.code == error.code; });
  std::string out(sizeof(std::uint16_t), '\0');
  store_le<std::uint16_t>(out.data(), known == kCodes.end() ? 16 : known->number);
  out.append(error.message, 0, kTextMax);
  return out;
}

Error decode_error(std::string_view meta) {
  if (meta.size() < sizeof(std::uint16_t)) return Error(Errc::internal, "the peer reports an error without a code");
  const auto number = load_le<std::uint16_t>(meta.data());
  const auto* known = std::find_if(kCodes.begin(), kCodes.end(), [&](Code c) { return c.number == number; });
  std::string text(meta.substr(sizeof number, kTextMax));
  if (known != kCodes.end()) return Error(known->code, std::move(text));
  return Error(Errc::internal, "error " + std::to_string(number) + " of a newer version: " + text);
}

}  // namespace gabion::rpc
