// Feeds authenticate() a raw head: the request line, then headers. No input may crash it, and none may be accepted as
// signed: no input holds a secret, so an acceptance is a forgery.
#include <cstdlib>

#include "common/text.h"
#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/auth/payload.h"

using namespace gabion;
using namespace gabion::gateway;

namespace {

class Credentials final : public s3::CredentialSource {
 public:
  std::optional<s3::Credential> find(std::string_view access_key) const override {
    if (access_key != "AKIAIOSFODNN7EXAMPLE") return std::nullopt;
    return s3::Credential{std::string(access_key), "a secret that no corpus was signed with", "tenant"};
  }
};

http::RequestHead parse(std::string_view text) {
  http::RequestHead head;
  bool first = true;
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (first) {
      const auto words = split(line, ' ');
      head.method = words[0];
      if (words.size() > 1) head.target = words[1];
      first = false;
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    head.headers.push_back({to_lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
  }
  head.content_length = parse_u64(head.get("content-length"));
  return head;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const http::RequestHead head = parse({reinterpret_cast<const char*>(data), size});
  constexpr WallMicros kNow = 1369353600000000;
  s3::AuthConfig config;
  config.domains = {"s3.amazonaws.com"};
  const auto result = s3::authenticate(head, Credentials(), config, kNow);
  if (result && !result->anonymous) std::abort();
  return 0;
}
