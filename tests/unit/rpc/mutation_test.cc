// The fuzz target of frames over its corpus and many small changes of it, from a seed: what libFuzzer does for longer where it
// is built.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "common/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace gabion::rpc {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(GABION_RPC_CORPUS)) {
    std::ifstream in(entry.path(), std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

void feed(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::string mutated(std::string input, const std::string& other, Rng& rng) {
  for (std::uint64_t changes = 1 + rng.below(4); changes > 0 && !input.empty(); --changes) {
    const std::size_t at = rng.below(input.size());
    switch (rng.below(5)) {
      case 0: input[at] = static_cast<char>(rng.next()); break;
      case 1: input[at] = static_cast<char>(input[at] ^ (1 << rng.below(8))); break;
      case 2: input.erase(at, 1 + rng.below(8)); break;
      case 3: input.insert(at, other.substr(rng.below(other.size()))); break;
      default: input.resize(at); break;
    }
  }
  return input;
}

}  // namespace

TEST_CASE("changed frames are errors or frames, whatever was changed") {
  const auto seeds = corpus();
  REQUIRE(seeds.size() >= 8);
  SeededRng rng(20);
  for (const std::string& seed : seeds) {
    REQUIRE(!seed.empty());
    feed(seed);
  }
  for (int i = 0; i < 50'000; ++i) {
    feed(mutated(seeds[rng.below(seeds.size())], seeds[rng.below(seeds.size())], rng));
  }
}

}  // namespace gabion::rpc
