#include "common/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>

namespace gabion::log {
namespace {

std::atomic<Level> g_level{Level::info};
std::atomic<bool> g_json{::isatty(STDERR_FILENO) == 0};

spdlog::level::level_enum spd_level(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error:
    case Level::off: break;
  }
  return spdlog::level::err;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error:
    case Level::off: break;
  }
  return "error";
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("gabion");
    made->set_level(spdlog::level::trace);
    made->set_pattern(g_json ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

// JSON string escaping; also used in text so that no value can forge a line.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out.append(fmt::format("\\u{:04x}", static_cast<unsigned char>(c)));
    } else {
      out.push_back(c);
    }
  }
}

std::string json_line(Level level, std::string_view module, std::string_view message, std::initializer_list<Field> fields) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const std::time_t seconds = micros / 1000000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  std::string line = fmt::format(R"({{"time":"{}.{:06}Z","level":"{}","module":"{}","message":")", stamp,
                                 micros % 1000000, name_of(level), module);
  append_escaped(line, message);
  line.push_back('"');
  for (const Field& f : fields) {
    line.append(",\"").append(f.key).append("\":");
    if (f.quoted) line.push_back('"');
    append_escaped(line, f.value);
    if (f.quoted) line.push_back('"');
  }
  line.push_back('}');
  return line;
}

std::string text_line(std::string_view module, std::string_view message, std::initializer_list<Field> fields) {
  std::string line = fmt::format("{:<11} ", module);
  append_escaped(line, message);
  for (const Field& f : fields) {
    const bool plain = !f.value.empty() && f.value.find_first_of(" \"=") == std::string::npos;
    line.append(" ").append(f.key).append(plain ? "=" : "=\"");
    append_escaped(line, f.value);
    if (!plain) line.push_back('"');
  }
  return line;
}

}  // namespace

bool enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }
void set_level(Level level) { g_level = level; }

bool set_level(std::string_view name) {
  for (const Level level : {Level::debug, Level::info, Level::warn, Level::error}) {
    if (name == name_of(level)) {
      set_level(level);
      return true;
    }
  }
  return false;
}

void set_format(Format format) {
  if (format != Format::automatic) g_json = format == Format::json;
}

void write(Level level, std::string_view module, std::string_view message, std::initializer_list<Field> fields) {
  const std::string line = g_json ? json_line(level, module, message, fields) : text_line(module, message, fields);
  logger().log(spd_level(level), "{}", line);
}

}  // namespace gabion::log
