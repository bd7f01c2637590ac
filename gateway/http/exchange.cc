#include "gateway/http/exchange.h"

#include <algorithm>

#include "gateway/http/grammar.h"

namespace gabion::gateway::http {

std::string_view RequestHead::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::string_view RequestHead::query() const {
  const std::size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

const std::string* RequestHead::find(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return &header.value;
  }
  return nullptr;
}

std::string_view RequestHead::get(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string_view() : std::string_view(*value);
}

std::string sanitize_header_value(std::string_view value) {
  std::string out(value);
  std::replace_if(out.begin(), out.end(), is_control, ' ');
  return out;
}

}  // namespace gabion::gateway::http
