#include "gateway/s3/auth/uri.h"

#include <algorithm>

#include "common/encoding.h"
#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

std::optional<QueryParameter> parse_parameter(std::string_view raw) {
  QueryParameter parameter;
  const auto equals = raw.find('=');
  parameter.raw_name = raw.substr(0, equals);
  if (equals != std::string_view::npos) parameter.raw_value = raw.substr(equals + 1);
  auto name = percent_decode(parameter.raw_name, Plus::space);
  auto value = percent_decode(parameter.raw_value, Plus::space);
  if (!name || !value) return std::nullopt;
  parameter.name = std::move(*name);
  parameter.value = std::move(*value);
  return parameter;
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

S3Result<RequestTarget> RequestTarget::parse(std::string_view target) {
  RequestTarget out;
  const auto question = target.find('?');
  out.raw_path = target.substr(0, question);
  auto path = percent_decode(out.raw_path, Plus::literal);
  if (!path || !path->starts_with('/') || path->find('\0') != std::string::npos || !is_valid_utf8(*path)) {
    return S3Error(kInvalidURI).with("URI", std::string(out.raw_path));
  }
  out.path = std::move(*path);
  if (question == std::string_view::npos) return out;
  for (const std::string_view raw : split(target.substr(question + 1), '&')) {
    if (raw.empty()) continue;
    auto parameter = parse_parameter(raw);
    if (!parameter) return S3Error(kInvalidURI).with("URI", std::string(out.raw_path));
    out.query.push_back(std::move(*parameter));
  }
  return out;
}

const QueryParameter* RequestTarget::find(std::string_view name) const {
  for (const QueryParameter& parameter : query) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

std::string canonical_path(const RequestTarget& target) { return percent_encode(target.path, Slash::keep); }

std::string canonical_query(const RequestTarget& target, std::string_view without) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(target.query.size());
  for (const QueryParameter& parameter : target.query) {
    if (!without.empty() && parameter.name == without) continue;
    encoded.emplace_back(percent_encode(parameter.name, Slash::encode), percent_encode(parameter.value, Slash::encode));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out.push_back('&');
    out.append(name).append("=").append(value);
  }
  return out;
}

std::optional<std::string> bucket_of_host(std::string_view host, const std::vector<std::string>& domains) {
  const std::string name = to_lower(without_port(host));
  std::string_view best;
  for (const std::string& domain : domains) {
    const std::string_view d = domain;
    if (equals_ignoring_case(name, d)) return std::nullopt;  // a domain itself, though perhaps below another one
    // "a" + "." + domain is the shortest name below it.
    if (d.size() <= best.size() || name.size() < d.size() + 2) continue;
    if (equals_ignoring_case(std::string_view(name).substr(name.size() - d.size()), d) &&
        name[name.size() - d.size() - 1] == '.') {
      best = d;
    }
  }
  if (best.empty()) return std::nullopt;
  return name.substr(0, name.size() - best.size() - 1);
}

}  // namespace gabion::gateway::s3
