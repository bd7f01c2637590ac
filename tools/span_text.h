// Spans of time for people: "42s", "12m", "3h10m", "4d". Pure.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace gabion {

inline std::string span_text(std::uint64_t seconds) {
  constexpr std::uint64_t kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < kMinute) return fmt::format("{}s", seconds);
  if (seconds < kHour) return fmt::format("{}m", seconds / kMinute);
  if (seconds >= 2 * kDay) return fmt::format("{}d", seconds / kDay);
  const std::uint64_t minutes = seconds % kHour / kMinute;
  return minutes == 0 ? fmt::format("{}h", seconds / kHour) : fmt::format("{}h{:02}m", seconds / kHour, minutes);
}

}  // namespace gabion
