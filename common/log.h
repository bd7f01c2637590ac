// Structured logging: one line per event with a level, the module, a message and key=value fields; text on a terminal,
// JSON lines otherwise, always on standard error. Levels mean: error = a person must act, warn = degraded but handled,
// info = state changes, debug = per request. Thread-safe. Log an error where it is handled, not where it is returned.
//
//   LOG(warn, "chunkserver", "drive failed", field("drive", id.to_hex()), field("error", error.message));
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace gabion::log {

enum class Level { debug, info, warn, error, off };  // off is a setting, not a level to log at

struct Field {
  std::string_view key;
  std::string value;
  bool quoted = true;  // numbers and booleans are not quoted in JSON
};

template <class T>
Field field(std::string_view key, const T& value) {
  if constexpr (std::is_arithmetic_v<T>) return {key, fmt::format("{}", value), false};
  else return {key, std::string(value), true};
}

bool enabled(Level level);
void set_level(Level level);
// debug, info, warn or error; false for anything else.
bool set_level(std::string_view name);
enum class Format { automatic, text, json };
void set_format(Format format);
void write(Level level, std::string_view module, std::string_view message, std::initializer_list<Field> fields);

}  // namespace gabion::log

#define LOG(level, module, message, ...)                                                       \
  do {                                                                                         \
    using ::gabion::log::field;                                                                \
    if (::gabion::log::enabled(::gabion::log::Level::level)) {                                 \
      ::gabion::log::write(::gabion::log::Level::level, module, message, {__VA_ARGS__});       \
    }                                                                                          \
  } while (false)
