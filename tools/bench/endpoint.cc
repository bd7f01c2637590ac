#include "tools/bench/endpoint.h"

#include <cmath>

#include "common/bytes.h"
#include "common/text.h"

namespace gabion::bench {

Result<Endpoint> parse_endpoint(std::string_view url) {
  const Error malformed(Errc::invalid, fmt::format("'{}' is not an endpoint; write http://HOST:PORT", url));
  Endpoint endpoint;
  endpoint.secure = url.starts_with("https://");
  if (!endpoint.secure && !url.starts_with("http://")) return malformed;
  url.remove_prefix(endpoint.secure ? 8 : 7);
  const std::size_t slash = url.find('/');
  std::string_view authority = url.substr(0, slash);
  if (slash != url.npos) endpoint.path = url.substr(slash);
  while (endpoint.path.ends_with('/')) endpoint.path.pop_back();
  endpoint.authority = authority;

  // The colons of an IPv6 address stand in brackets.
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  endpoint.port = colon == authority.npos ? (endpoint.secure ? "443" : "80") : std::string(authority.substr(colon + 1));
  std::string_view host = authority.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  endpoint.host = host;
  const auto port = parse_u64(endpoint.port);
  if (host.empty() || !port || *port == 0 || *port > 65535) return malformed;
  return endpoint;
}

Result<Sizes> Sizes::parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto least = parse_size(trim(text.substr(0, dash)));
  const auto most = dash == text.npos ? least : parse_size(trim(text.substr(dash + 1)));
  constexpr std::uint64_t kMost = 5 * TiB;
  if (!least || !most || *least > *most || *most > kMost) {
    return Error(Errc::invalid,
                 fmt::format("'{}' is not a size; write one, as 64MiB, or a range, as 4KiB-8MiB", text));
  }
  Sizes sizes;
  sizes.least_ = *least;
  sizes.most_ = *most;
  return sizes;
}

std::uint64_t Sizes::choose(Rng& rng) const {
  if (least_ == most_) return least_;
  const double unit = static_cast<double>(rng.next() >> 11) * 0x1p-53;
  const double low = std::log(static_cast<double>(least_) + 1);
  const double high = std::log(static_cast<double>(most_) + 1);
  const double size = std::exp(low + unit * (high - low)) - 1;
  return std::clamp(static_cast<std::uint64_t>(std::max(size, 0.0)), least_, most_);
}

}  // namespace gabion::bench
