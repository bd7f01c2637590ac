// Where to connect: a URL in its parts, and the range of object sizes as the options give them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/rng.h"

namespace gabion::bench {

struct Endpoint {
  bool secure = false;  // https
  std::string host;  // without brackets
  std::string port;
  std::string authority;  // what the Host header says
  std::string path;       // "" or "/..."
};

// "http://host[:port][/path]", or https. invalid, with a text that says what to write instead, for anything else.
Result<Endpoint> parse_endpoint(std::string_view url);

class Sizes {
 public:
  // "64MiB" or "4KiB-8MiB".
  static Result<Sizes> parse(std::string_view text);
  std::uint64_t choose(Rng& rng) const;
  std::uint64_t largest() const { return most_; }

 private:
  std::uint64_t least_ = 0;
  std::uint64_t most_ = 0;
};

}  // namespace gabion::bench
