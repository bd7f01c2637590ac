#include "erasure/codec.h"

#include <algorithm>
#include <bit>
#include <catch2/catch_test_macros.hpp>

#include "common/rng.h"

namespace gabion::erasure {
namespace {

using Shards = std::vector<std::vector<std::byte>>;

// All k+m shards of random data.
Shards encoded(const Codec& codec, std::size_t length, std::uint64_t seed) {
  SeededRng rng(seed);
  Shards shards(codec.profile().total(), std::vector<std::byte>(length));
  std::vector<ByteView> data;
  std::vector<MutableBytes> parity;
  for (unsigned i = 0; i < shards.size(); ++i) {
    if (i < codec.profile().data) {
      rng.fill(shards[i]);
      data.emplace_back(shards[i]);
    } else {
      parity.emplace_back(shards[i]);
    }
  }
  codec.encode(data, parity);
  return shards;
}

// Rebuilds the shards of `lost` (bits) from the first k others and says whether they came back right.
bool rebuilds(const Codec& codec, const Shards& shards, unsigned lost) {
  std::vector<Codec::Present> present;
  std::vector<Codec::Wanted> wanted;
  Shards back(shards.size(), std::vector<std::byte>(shards[0].size(), std::byte{0x5a}));
  for (unsigned i = 0; i < shards.size(); ++i) {
    if (lost >> i & 1) {
      wanted.push_back({i, back[i]});
    } else if (present.size() < codec.profile().data) {
      present.push_back({i, shards[i]});
    }
  }
  // The order in which survivors arrive must not matter.
  std::reverse(present.begin(), present.end());
  if (codec.reconstruct(present, wanted).has_error()) return false;
  for (const auto& shard : wanted) {
    if (back[shard.index] != shards[shard.index]) return false;
  }
  return true;
}

TEST_CASE("every loss of up to m shards is rebuilt, for every default profile") {
  for (const std::size_t drives : {1, 2, 3, 4, 6, 11}) {
    const Codec codec(default_profile(drives));
    const Shards shards = encoded(codec, 259, drives);
    unsigned patterns = 0;
    for (unsigned lost = 0; lost < 1u << codec.profile().total(); ++lost) {
      if (std::popcount(lost) > static_cast<int>(codec.profile().parity)) continue;
      ++patterns;
      INFO(to_string(codec.profile()) << ", lost " << lost);
      REQUIRE(rebuilds(codec, shards, lost));
    }
    CHECK(patterns >= 1 + (codec.profile().parity > 0 ? codec.profile().total() : 0));
  }
}

TEST_CASE("losses of m shards are rebuilt for every profile there is") {
  SeededRng rng(7);
  for (unsigned k = 1; k <= 32; ++k) {
    for (unsigned m = 0; m <= 8; ++m) {
      const Codec codec(Profile{.data = k, .parity = m});
      const Shards shards = encoded(codec, 40, k * 16 + m);
      for (int round = 0; round < 8; ++round) {
        std::uint64_t lost = 0;
        while (std::popcount(lost) < static_cast<int>(m)) lost |= 1ull << rng.below(k + m);
        std::vector<Codec::Present> present;
        std::vector<Codec::Wanted> wanted;
        Shards back = shards;
        for (unsigned i = 0; i < k + m; ++i) {
          if (lost >> i & 1) {
            std::fill(back[i].begin(), back[i].end(), std::byte{0});
            wanted.push_back({i, back[i]});
          } else {
            present.push_back({i, shards[i]});
          }
        }
        REQUIRE(codec.reconstruct(present, wanted).has_value());
        REQUIRE(back == shards);
      }
    }
  }
}

TEST_CASE("lengths that are no multiple of a vector register, and empty shards, are coded right") {
  const Codec codec(Profile{.data = 4, .parity = 2});
  for (const std::size_t length : {0u, 1u, 15u, 31u, 32u, 33u, 63u, 64u, 65u, 127u, 4095u, 65536u, 65537u}) {
    CHECK(rebuilds(codec, encoded(codec, length, length), 0b000011));
    CHECK(rebuilds(codec, encoded(codec, length, length), 0b100100));
  }
}

TEST_CASE("with one data shard every parity shard is a copy") {
  const Codec codec(Profile{.data = 1, .parity = 3});
  const Shards shards = encoded(codec, 100, 1);
  for (const auto& shard : shards) CHECK(shard == shards[0]);
}

TEST_CASE("with one parity shard it is not the data, and zero data has zero parity") {
  const Codec codec(Profile{.data = 3, .parity = 2});
  Shards shards(5, std::vector<std::byte>(64));
  const std::vector<ByteView> data{shards[0], shards[1], shards[2]};
  shards[3].assign(64, std::byte{1});
  const std::vector<MutableBytes> parity{shards[3], shards[4]};
  codec.encode(data, parity);
  CHECK(shards[3] == shards[0]);
  CHECK(shards[4] == shards[0]);
}

TEST_CASE("parity is linear: the parity of a sum is the sum of the parities") {
  const Codec codec(Profile{.data = 4, .parity = 2});
  const Shards a = encoded(codec, 77, 1);
  const Shards b = encoded(codec, 77, 2);
  Shards sum = a;
  std::vector<ByteView> data;
  std::vector<MutableBytes> parity;
  for (unsigned i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 77; ++j) sum[i][j] ^= b[i][j];
    data.emplace_back(sum[i]);
  }
  for (unsigned i = 4; i < 6; ++i) parity.emplace_back(sum[i]);
  codec.encode(data, parity);
  for (unsigned i = 4; i < 6; ++i) {
    for (std::size_t j = 0; j < 77; ++j) REQUIRE(sum[i][j] == (a[i][j] ^ b[i][j]));
  }
}

// What is on disk today must be readable for ever: the code's bytes are part of the format.
TEST_CASE("the parity of known data never changes") {
  const Codec codec(Profile{.data = 4, .parity = 2});
  Shards shards(6, std::vector<std::byte>(4));
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned j = 0; j < 4; ++j) shards[i][j] = static_cast<std::byte>(i * 4 + j + 1);
  }
  std::vector<ByteView> data(shards.begin(), shards.begin() + 4);
  std::vector<MutableBytes> parity(shards.begin() + 4, shards.end());
  codec.encode(data, parity);
  // Checked against the definition: the sum of data j over (i xor j) in GF(256) with polynomial 0x11d.
  const std::vector<std::vector<unsigned>> expected = {{26, 122, 90, 61}, {154, 250, 218, 60}};
  for (unsigned i = 0; i < 2; ++i) {
    for (unsigned j = 0; j < 4; ++j) CHECK(std::to_integer<unsigned>(shards[4 + i][j]) == expected[i][j]);
  }
}

TEST_CASE("wrong input to reconstruct is invalid") {
  const Codec codec(Profile{.data = 2, .parity = 1});
  const Shards shards = encoded(codec, 32, 3);
  std::vector<std::byte> into(32), short_into(31);
  auto refused = [&](std::vector<Codec::Present> present, std::vector<Codec::Wanted> wanted) {
    const auto result = codec.reconstruct(present, wanted);
    return result.has_error() && result.error().code == Errc::invalid;
  };
  CHECK(refused({}, {{0, into}}));
  CHECK(refused({{1, shards[1]}}, {{0, into}}));
  CHECK(refused({{0, shards[0]}, {1, shards[1]}, {2, shards[2]}}, {}));
  CHECK(refused({{1, shards[1]}, {1, shards[1]}}, {{0, into}}));
  CHECK(refused({{1, shards[1]}, {3, shards[2]}}, {{0, into}}));
  CHECK(refused({{1, shards[1]}, {2, shards[2]}}, {{3, into}}));
  CHECK(refused({{1, shards[1]}, {2, shards[2]}}, {{1, into}}));
  CHECK(refused({{1, shards[1]}, {2, shards[2]}}, {{0, into}, {0, into}}));
  CHECK(refused({{1, shards[1]}, {2, shards[2]}}, {{0, short_into}}));
  CHECK(refused({{1, shards[1]}, {2, ByteView(shards[2]).first(31)}}, {{0, into}}));
  CHECK(codec.reconstruct(std::vector<Codec::Present>{{1, shards[1]}, {2, shards[2]}}, {}).has_value());
}

}  // namespace
}  // namespace gabion::erasure
