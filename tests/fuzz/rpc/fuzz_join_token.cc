// Texts for the parsers of what strangers and operators hand in: join tokens, names of nodes, certificate requests. Demands: no
// crash, and a token that is accepted reads as the same again.
#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/pki/authority.h"
#include "common/pki/join_token.h"

namespace {

using namespace gabion;
using namespace gabion::pki;

struct Signer {
  RealClock clock;
  SeededRng rng{1};
  Authority authority = Authority::create(ClusterId{{1}}, clock, rng);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Signer signer;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto token = parse_join_token(text)) {
    const auto again = parse_join_token(to_text(*token));
    GABION_CHECK(again && again->secret == token->secret && again->authority == token->authority, "a token changes");
  }
  if (const auto node = parse_node_name(text)) GABION_CHECK(to_string(*node) == text, "a node has two names");
  (void)read_certificate(text);
  (void)signer.authority.issue(text, NodeId{7}, signer.clock, signer.rng);
  return 0;
}
