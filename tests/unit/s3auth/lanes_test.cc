#include <catch2/catch_test_macros.hpp>

#include "common/digest.h"
#include "common/rng.h"
#include "gateway/s3/auth/md5_lanes.h"
#include "tests/support/sim.h"

using namespace gabion;
using namespace gabion::gateway::s3;

namespace {

std::string random_text(Rng& rng, std::size_t size) {
  std::string text(size, '\0');
  rng.fill(std::as_writable_bytes(std::span(text)));
  return text;
}

struct Digests {
  std::string md5;
  std::string sha256;
};

// One body that arrives in pieces of random sizes, with the odd small one that does not wait for others.
task<Digests> hash_body(Md5Lanes& lanes, std::string body, bool with_sha256, std::uint64_t seed) {
  SeededRng rng(seed);
  Md5Stream md5_stream;
  Sha256Stream sha256_stream;
  ByteView rest = as_bytes(body);
  while (!rest.empty()) {
    const std::size_t most = rng.below(3) == 0 ? 200 : 100000;
    const ByteView piece = rest.first(std::min<std::size_t>(rest.size(), 1 + rng.below(most)));
    rest = rest.subspan(piece.size());
    co_await lanes.update(md5_stream, with_sha256 ? &sha256_stream : nullptr, piece);
  }
  Digests out;
  out.md5 = md5_stream.finish();
  if (with_sha256) out.sha256 = as_text(sha256_stream.finish());
  co_return out;
}

task<std::vector<Digests>> hash_all(Md5Lanes& lanes, std::vector<std::string> bodies, std::uint64_t seed) {
  std::vector<task<Digests>> tasks;
  for (std::size_t i = 0; i < bodies.size(); ++i) tasks.push_back(hash_body(lanes, bodies[i], i % 3 != 0, seed + i));
  co_return co_await gather(std::move(tasks));
}

void check_kernel(const Md5LaneKernel* kernel) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    sim::SimWorld world(seed);
    Md5Lanes lanes(world.executor(), kernel);
    std::vector<std::string> bodies;
    const std::size_t count = 1 + world.rng().below(40);
    for (std::size_t i = 0; i < count; ++i) bodies.push_back(random_text(world.rng(), world.rng().below(400000)));
    const auto digests = world.run(hash_all(lanes, bodies, seed * 100));
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(digests[i].md5 == md5(as_bytes(bodies[i])));
      if (i % 3 != 0) REQUIRE(digests[i].sha256 == sha256(as_bytes(bodies[i])));
    }
  }
}

}  // namespace

TEST_CASE("every kernel that this processor has gives the MD5 of RFC 1321 in all lanes") {
  SeededRng rng(3);
  for (const Md5LaneKernel& kernel : md5_lane_kernels()) {
    INFO(kernel.name);
    const std::size_t blocks = 37;
    std::vector<std::string> bodies;
    std::vector<const std::byte*> data;
    for (std::size_t i = 0; i < kernel.lanes; ++i) bodies.push_back(random_text(rng, blocks * kHashBlock));
    for (const std::string& body : bodies) data.push_back(as_bytes(body).data());
    std::vector<Md5State> expected(kernel.lanes);
    std::vector<std::uint32_t> state(4 * kernel.lanes);
    for (std::size_t i = 0; i < kernel.lanes; ++i) {
      for (std::size_t word = 0; word < 4; ++word) {
        expected[i][word] = state[word * kernel.lanes + i] = static_cast<std::uint32_t>(rng.next());
      }
      md5_blocks(expected[i], data[i], blocks);
    }
    kernel.run(state.data(), data.data(), blocks);
    for (std::size_t i = 0; i < kernel.lanes; ++i) {
      for (std::size_t word = 0; word < 4; ++word) REQUIRE(state[word * kernel.lanes + i] == expected[i][word]);
    }
  }
}

TEST_CASE("two SHA-256 side by side are two SHA-256") {
  if (!has_sha256_pair()) SKIP("this processor has no SHA instructions");
  SeededRng rng(4);
  for (const std::size_t blocks : {0, 1, 2, 3, 50}) {
    const std::string a = random_text(rng, blocks * kHashBlock);
    const std::string b = random_text(rng, blocks * kHashBlock);
    Sha256State state_a;
    Sha256State state_b;
    for (std::uint32_t& word : state_a) word = static_cast<std::uint32_t>(rng.next());
    for (std::uint32_t& word : state_b) word = static_cast<std::uint32_t>(rng.next());
    Sha256State expected_a = state_a;
    Sha256State expected_b = state_b;
    sha256_blocks(expected_a, as_bytes(a).data(), blocks);
    sha256_blocks(expected_b, as_bytes(b).data(), blocks);
    sha256_pair_blocks(state_a, state_b, as_bytes(a).data(), as_bytes(b).data(), blocks);
    CHECK(state_a == expected_a);
    CHECK(state_b == expected_b);
  }
}

TEST_CASE("MD5 and SHA-256 over the same blocks are what they are apart") {
  SeededRng rng(5);
  const std::string text = random_text(rng, 20 * kHashBlock + 7);
  Md5State md5_state{1, 2, 3, 4};
  Sha256State sha256_state{1, 2, 3, 4, 5, 6, 7, 8};
  Md5State expected_md5 = md5_state;
  Sha256State expected_sha256 = sha256_state;
  const std::byte* const data = as_bytes(text).data();
  md5_blocks(expected_md5, data, 20);
  sha256_blocks(expected_sha256, data + 7, 20);
  md5_sha256_blocks(md5_state, sha256_state, data, data + 7, 20);
  CHECK(md5_state == expected_md5);
  CHECK(sha256_state == expected_sha256);
}

TEST_CASE("bodies hashed together in any interleaving have their own digests") {
  for (const Md5LaneKernel& kernel : md5_lane_kernels()) {
    INFO(kernel.name);
    check_kernel(&kernel);
  }
}

TEST_CASE("without lanes every body is hashed alone, with the same result") { check_kernel(nullptr); }

TEST_CASE("lanes may go while a turn is still posted") {
  sim::SimWorld world(1);
  SeededRng rng(1);
  {
    Md5Lanes lanes(world.executor());
    std::vector<std::string> bodies(kLanesMax, random_text(rng, 100000));
    const auto digests = world.run(hash_all(lanes, bodies, 9));
    CHECK(digests.size() == bodies.size());
  }
  while (world.step()) {
  }
}
