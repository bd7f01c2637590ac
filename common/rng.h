// Rng is the only source of randomness. SystemRng draws from the operating system's generator and is fit for keys and
// nonces; SeededRng repeats exactly for a seed and belongs to simulations and tests. SystemRng is thread-safe,
// SeededRng is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace gabion {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(std::span<std::byte> out) = 0;
  std::uint64_t next();
  // Uniform in [0, bound); bound must not be 0. The bias is below 2^-32 for bounds under 2^32.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
};

class SystemRng final : public Rng {
 public:
  void fill(std::span<std::byte> out) override;
};

class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace gabion
