#include "tools/bench/payload.h"

#include <catch2/catch_test_macros.hpp>

#include "common/encoding.h"
#include "common/rng.h"

namespace gabion::bench {
namespace {

std::string bytes_of(const Payload& payload) {
  std::string bytes;
  for (const auto& buffer : payload.buffers())
    bytes.append(static_cast<const char*>(buffer.data()), buffer.size());
  return bytes;
}

bool verifies(const Pool& pool, std::string_view key, std::uint64_t size, std::string_view bytes,
              std::size_t step) {
  Verifier verifier(pool, key, size);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!verifier.feed(as_bytes(bytes.substr(at, step)))) return false;
  }
  return verifier.complete();
}

TEST_CASE("a payload of any size verifies in pieces of any size") {
  const Pool pool;
  SeededRng rng(1);
  for (const std::uint64_t size :
       {0u, 1u, 7u, 16u, 23u, 24u, 25u, 30u, 31u, 1024u, 262144u, 262200u, 1000000u}) {
    const Payload payload(pool, "a/key", size, rng.next(), 0, size);
    const std::string bytes = bytes_of(payload);
    REQUIRE(bytes.size() == size);
    for (const std::size_t step : {1u, 5u, 4096u, 70000u, 2000000u}) {
      if (size / step > 100000) continue;
      INFO("size " << size << ", step " << step);
      CHECK(verifies(pool, "a/key", size, bytes, step));
    }
  }
}

TEST_CASE("parts put together are the whole") {
  const Pool pool;
  const std::uint64_t size = 700'001;
  const std::string whole = bytes_of(Payload(pool, "key", size, 9, 0, size));
  for (const std::uint64_t part : {10u, 29u, 100'000u, 262'144u, 600'000u}) {
    std::string joined;
    for (std::uint64_t at = 0; at < size; at += part) {
      joined += bytes_of(Payload(pool, "key", size, 9, at, std::min(part, size - at)));
    }
    CHECK(joined == whole);
  }
}

TEST_CASE("a flipped bit, another key, another length or a missing end does not verify") {
  const Pool pool;
  const std::uint64_t size = 300'000;
  const std::string bytes = bytes_of(Payload(pool, "key", size, 7, 0, size));
  REQUIRE(verifies(pool, "key", size, bytes, 5000));
  for (const std::size_t at : {0u, 9u, 17u, 25u, 1000u, 262'180u, 299'999u}) {
    std::string bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    CHECK_FALSE(verifies(pool, "key", size, bad, 5000));
  }
  CHECK_FALSE(verifies(pool, "kez", size, bytes, 5000));
  CHECK_FALSE(verifies(pool, "key", size, bytes.substr(0, size - 1), 5000));
  CHECK_FALSE(verifies(pool, "key", size - 1, bytes, 5000));
  CHECK_FALSE(verifies(pool, "key", size + 1, bytes + "x", 5000));
}

TEST_CASE("the hash of a payload is that of its bytes") {
  const Pool pool;
  Digest digest(DigestKind::sha256);
  const Payload payload(pool, "key", 300'000, 3, 0, 300'000);
  CHECK(payload.sha256_hex(digest) == hex_encode(as_bytes(sha256(as_bytes(bytes_of(payload))))));
}

TEST_CASE("payloads of different seeds have no block in common") {
  const Pool pool;
  const std::string a = bytes_of(Payload(pool, "key", 1 << 20, 1, 0, 1 << 20));
  const std::string b = bytes_of(Payload(pool, "key", 1 << 20, 2, 0, 1 << 20));
  for (std::size_t at = 0; at < a.size(); at += 65536) CHECK(a.substr(at, 65536) != b.substr(at, 65536));
}

}  // namespace
}  // namespace gabion::bench
