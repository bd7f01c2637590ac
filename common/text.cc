#include "common/text.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <ctime>

namespace gabion {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::size_t kExpansionMax = 1024;
constexpr std::uint64_t kMicros = 1000000;

struct Civil {
  int year, month, day, hour, minute, second, weekday;
};

Civil civil(WallMicros at) {
  const std::chrono::sys_seconds when{std::chrono::seconds(at / kMicros)};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day ymd(day);
  const auto seconds = static_cast<int>((when - day).count());
  return {static_cast<int>(ymd.year()), static_cast<int>(static_cast<unsigned>(ymd.month())),
          static_cast<int>(static_cast<unsigned>(ymd.day())), seconds / 3600, seconds / 60 % 60, seconds % 60,
          static_cast<int>(std::chrono::weekday(day).c_encoding())};
}

std::optional<WallMicros> to_wall(int year, int month, int day, int hour, int minute, int second) {
  const std::chrono::year_month_day ymd{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                        std::chrono::day(static_cast<unsigned>(day))};
  if (!ymd.ok() || year < 1970 || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days(ymd).time_since_epoch().count();
  return (static_cast<WallMicros>(days) * 86400 + static_cast<WallMicros>(hour * 3600 + minute * 60 + second)) * kMicros;
}

// Reads text against a pattern of literals and fields. Each take_ moves forward or fails for good.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  int number(std::size_t digits) {
    int value = 0;
    if (text_.size() < digits) return fail();
    for (std::size_t i = 0; i < digits; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return fail();
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return value;
  }
  void literal(std::string_view expected) {
    if (!text_.starts_with(expected)) ok_ = false;
    else text_.remove_prefix(expected.size());
  }
  bool maybe(std::string_view expected) {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    return true;
  }
  int month() {
    for (std::size_t i = 0; i < kMonths.size(); ++i) {
      if (maybe(kMonths[i])) return static_cast<int>(i) + 1;
    }
    return fail();
  }
  void skip_past(std::string_view mark) {
    const auto at = text_.find(mark);
    if (at == std::string_view::npos) ok_ = false;
    else text_.remove_prefix(at + mark.size());
  }
  void skip_digits() {
    while (!text_.empty() && text_.front() >= '0' && text_.front() <= '9') text_.remove_prefix(1);
  }
  bool done() const { return ok_ && text_.empty(); }

 private:
  int fail() {
    ok_ = false;
    return 0;
  }
  std::string_view text_;
  bool ok_ = true;
};

std::optional<WallMicros> parse_imf_date(std::string_view text) {  // Sun, 06 Nov 1994 08:49:37 GMT
  Scanner s(text);
  s.skip_past(", ");
  const int day = s.number(2);
  s.literal(" ");
  const int month = s.month();
  s.literal(" ");
  const int year = s.number(4);
  s.literal(" ");
  const int hour = s.number(2);
  s.literal(":");
  const int minute = s.number(2);
  s.literal(":");
  const int second = s.number(2);
  if (!s.maybe(" GMT") && !s.maybe(" UTC")) s.literal(" +0000");
  return s.done() ? to_wall(year, month, day, hour, minute, second) : std::nullopt;
}

std::optional<WallMicros> parse_rfc850_date(std::string_view text) {  // Sunday, 06-Nov-94 08:49:37 GMT
  Scanner s(text);
  s.skip_past(", ");
  const int day = s.number(2);
  s.literal("-");
  const int month = s.month();
  s.literal("-");
  const int short_year = s.number(2);
  s.literal(" ");
  const int hour = s.number(2);
  s.literal(":");
  const int minute = s.number(2);
  s.literal(":");
  const int second = s.number(2);
  s.literal(" GMT");
  const int year = short_year + (short_year < 70 ? 2000 : 1900);
  return s.done() ? to_wall(year, month, day, hour, minute, second) : std::nullopt;
}

std::optional<WallMicros> parse_asctime_date(std::string_view text) {  // Sun Nov  6 08:49:37 1994
  Scanner s(text);
  s.skip_past(" ");
  const int month = s.month();
  s.literal(" ");
  const int day = s.maybe(" ") ? s.number(1) : s.number(2);
  s.literal(" ");
  const int hour = s.number(2);
  s.literal(":");
  const int minute = s.number(2);
  s.literal(":");
  const int second = s.number(2);
  s.literal(" ");
  const int year = s.number(4);
  return s.done() ? to_wall(year, month, day, hour, minute, second) : std::nullopt;
}

void append_two(std::string& out, int value) {
  out.push_back(static_cast<char>('0' + value / 10));
  out.push_back(static_cast<char>('0' + value % 10));
}

}  // namespace

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  text = trim(text);
  const auto digits_end = text.find_first_not_of("0123456789");
  const auto number = parse_u64(text.substr(0, digits_end));
  if (!number) return std::nullopt;
  if (digits_end == std::string_view::npos) return number;
  const std::string unit = to_lower(trim(text.substr(digits_end)));
  static constexpr std::string_view kPrefixes = "kmgtp";
  if (unit == "b") return number;
  const auto power = kPrefixes.find(unit.front());
  if (power == std::string_view::npos) return std::nullopt;
  const std::string_view rest = std::string_view(unit).substr(1);
  if (rest != "" && rest != "b" && rest != "ib") return std::nullopt;
  std::uint64_t value = *number;
  for (std::size_t i = 0; i <= power; ++i) {
    if (__builtin_mul_overflow(value, rest == "b" ? 1000u : 1024u, &value)) return std::nullopt;
  }
  return value;
}

std::string format_size(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string http_date(WallMicros at) {
  const Civil c = civil(at);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(c.weekday)], c.day,
                     kMonths[static_cast<std::size_t>(c.month - 1)], c.year, c.hour, c.minute, c.second);
}

void append_iso_date(std::string& out, WallMicros at) {
  const Civil c = civil(at);
  append_two(out, c.year / 100);
  append_two(out, c.year % 100);
  out.push_back('-');
  append_two(out, c.month);
  out.push_back('-');
  append_two(out, c.day);
  out.push_back('T');
  append_two(out, c.hour);
  out.push_back(':');
  append_two(out, c.minute);
  out.push_back(':');
  append_two(out, c.second);
  out.append(".000Z");
}

std::string iso_date(WallMicros at) {
  std::string out;
  append_iso_date(out, at);
  return out;
}

std::string amz_date(WallMicros at) {
  const Civil c = civil(at);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

std::optional<WallMicros> parse_http_date(std::string_view text) {
  if (const auto at = parse_imf_date(text)) return at;
  if (const auto at = parse_rfc850_date(text)) return at;
  return parse_asctime_date(text);
}

std::optional<WallMicros> parse_iso_date(std::string_view text) {
  Scanner s(text);
  const int year = s.number(4);
  s.literal("-");
  const int month = s.number(2);
  s.literal("-");
  const int day = s.number(2);
  s.literal("T");
  const int hour = s.number(2);
  s.literal(":");
  const int minute = s.number(2);
  s.literal(":");
  const int second = s.number(2);
  if (s.maybe(".")) s.skip_digits();
  if (!s.maybe("Z")) s.literal("+00:00");
  return s.done() ? to_wall(year, month, day, hour, minute, second) : std::nullopt;
}

std::optional<WallMicros> parse_amz_date(std::string_view text) {
  Scanner s(text);
  const int year = s.number(4);
  const int month = s.number(2);
  const int day = s.number(2);
  s.literal("T");
  const int hour = s.number(2);
  const int minute = s.number(2);
  const int second = s.number(2);
  s.literal("Z");
  return s.done() ? to_wall(year, month, day, hour, minute, second) : std::nullopt;
}

Result<std::vector<std::string>> expand_braces(std::string_view pattern) {
  const auto open = pattern.find('{');
  if (open == std::string_view::npos) return std::vector<std::string>{std::string(pattern)};
  const auto close = pattern.find('}', open);
  const auto malformed = [&] {
    return Error(Errc::invalid, fmt::format("'{}' is not a pattern like /disk{{1...4}}", pattern));
  };
  if (close == std::string_view::npos) return malformed();
  const std::string_view range = pattern.substr(open + 1, close - open - 1);
  const auto dots = range.find("...");
  if (dots == std::string_view::npos) return malformed();
  const auto first = parse_u64(range.substr(0, dots));
  const auto last = parse_u64(range.substr(dots + 3));
  if (!first || !last || *first > *last || *last - *first >= kExpansionMax) return malformed();
  const std::size_t width = range.starts_with('0') ? dots : 0;
  TRY(const auto tails, expand_braces(pattern.substr(close + 1)));
  std::vector<std::string> out;
  for (std::uint64_t i = *first; i <= *last; ++i) {
    for (const std::string& tail : tails) {
      out.push_back(fmt::format("{}{:0{}}{}", pattern.substr(0, open), i, width, tail));
      if (out.size() > kExpansionMax) return malformed();
    }
  }
  return out;
}

}  // namespace gabion
