#include "tools/admin/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/text.h"
#include "tools/span_text.h"

namespace gabion::admin {

int Session::show(const Answer& answer, const std::function<std::string(const boost::json::object&)>& text) {
  if (answer.exit != Exit::ok) return fail(answer);
  terminal.out(options.json ? boost::json::serialize(answer.body) + "\n" : text(answer.body));
  return static_cast<int>(Exit::ok);
}

int Session::show_table(const Answer& answer, const std::function<Table(const boost::json::object&)>& table) {
  return show(answer, [&](const boost::json::object& body) {
    const Table filled = table(body);
    return terminal.out_is_terminal ? filled.aligned() : filled.tab_separated();
  });
}

int Session::fail(const Answer& answer) {
  if (options.json && !answer.body.empty()) terminal.out(boost::json::serialize(answer.body) + "\n");
  return fail(answer.exit, answer.message);
}

int Session::fail(Exit exit, std::string_view message) {
  const std::string_view prefix = exit == Exit::refused ? "REFUSED " : "";
  terminal.err(fmt::format("gabion admin: {}{}\n", prefix, message));
  return static_cast<int>(exit);
}

void Session::note(std::string_view text) {
  if (!options.quiet) terminal.err(text);
}

std::string Session::size(std::uint64_t bytes) const { return options.bytes ? std::to_string(bytes) : format_size(bytes); }

std::string Session::size_of(const boost::json::object& object, std::string_view name) const {
  return is_told(object, name) ? size(number_of(object, name)) : "-";
}

bool is_told(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_null();
}

std::string used_percent(const boost::json::object& space) {
  if (!is_told(space, "rawBytes")) return "-";
  const std::uint64_t raw = number_of(space, "rawBytes"), used = number_of(space, "usedBytes");
  return percent(raw == 0 ? 0 : static_cast<double>(used) / static_cast<double>(raw));
}

std::string text_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_string() ? std::string() : std::string(value->get_string());
}

std::uint64_t number_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  boost::system::error_code code;
  const auto number = value == nullptr ? 0 : value->to_number<std::uint64_t>(code);
  return code ? 0 : number;
}

double real_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  boost::system::error_code code;
  const auto number = value == nullptr ? 0 : value->to_number<double>(code);
  return code ? 0 : number;
}

bool flag_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

const boost::json::object& object_of(const boost::json::object& object, std::string_view name) {
  static const boost::json::object kNone;
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_object() ? kNone : value->get_object();
}

const boost::json::array& list_of(const boost::json::object& object, std::string_view name) {
  static const boost::json::array kNone;
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_array() ? kNone : value->get_array();
}

std::string joined(const boost::json::array& texts, std::string_view separator) {
  std::string out;
  for (const auto& text : texts) {
    if (!text.is_string()) continue;
    if (!out.empty()) out += separator;
    out += std::string_view(text.get_string());
  }
  return out;
}

std::string percent(double part) { return fmt::format("{:.1f}%", part * 100); }

std::string ago(std::string_view date, WallMicros now) {
  const auto then = parse_iso_date(date);
  if (!then) return "-";
  return span_text((now - std::min(now, *then)) / 1'000'000) + " ago";
}

std::string progress_bar(double part, std::size_t cells) {
  const auto full = static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(cells) + 0.5);
  std::string out;
  for (std::size_t i = 0; i < cells; ++i) out += i < full ? "█" : "░";
  return out;
}

}  // namespace gabion::admin
