#include "common/rng.h"

#include <openssl/rand.h>

#include <cstring>

#include "common/check.h"

namespace gabion {

std::uint64_t Rng::next() {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

void SystemRng::fill(std::span<std::byte> out) {
  const int ok = RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  GABION_CHECK(ok == 1, "the system's random generator failed");
}

void SeededRng::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t value = engine_();
    const std::size_t n = std::min(out.size(), sizeof value);
    std::memcpy(out.data(), &value, n);
    out = out.subspan(n);
  }
}

}  // namespace gabion
