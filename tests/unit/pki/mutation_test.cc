// The fuzz target of tokens and requests over small changes of good ones, from a seed.
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/pki/authority.h"
#include "common/pki/join_token.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace gabion::pki {

TEST_CASE("changed tokens and requests are refused or mean the same") {
  SeededRng rng(3);
  RealClock clock;
  const std::string key = make_key();
  const Authority authority = Authority::create(ClusterId{{1}}, clock, rng);
  const std::vector<std::string> seeds{to_text(make_join_token(sha256(as_bytes("x")), rng)), "n17", *make_request(key),
                                       *authority.issue(*make_request(key), NodeId{7}, clock, rng)};
  for (int i = 0; i < 4000; ++i) {
    std::string input = seeds[rng.below(seeds.size())];
    const std::size_t at = rng.below(input.size());
    switch (rng.below(4)) {
      case 0: input[at] = static_cast<char>(rng.next()); break;
      case 1: input.erase(at, 1 + rng.below(8)); break;
      case 2: input.insert(at, 1 + rng.below(8), input[rng.below(input.size())]); break;
      default: break;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  }
}

}  // namespace gabion::pki
