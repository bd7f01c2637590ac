#include "common/crc.h"

#include <isa-l.h>

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gabion {
namespace {

constexpr std::uint32_t kCrc32Reflected = 0xedb88320;
constexpr std::uint32_t kCrc32cReflected = 0x82f63b78;
constexpr std::uint64_t kCrc64NvmeReflected = 0x9a6c9329ac4bc9b5;

// Multiplies two polynomials modulo `poly`, all in reflected bit order (the top bit is x^0).
template <class Int>
constexpr Int multiply(Int a, Int b, Int poly) {
  constexpr Int kTop = Int{1} << (sizeof(Int) * 8 - 1);
  Int product = 0;
  for (Int mask = kTop; mask != 0; mask >>= 1) {
    if (a & mask) product ^= b;
    b = b & 1 ? b >> 1 ^ poly : b >> 1;
  }
  return product;
}

// x^(8 * bytes) modulo `poly`.
template <class Int>
Int power_of_bytes(std::uint64_t bytes, Int poly) {
  constexpr Int kTop = Int{1} << (sizeof(Int) * 8 - 1);
  Int result = kTop;
  Int square = kTop >> 8;
  for (; bytes != 0; bytes >>= 1) {
    if (bytes & 1) result = multiply(result, square, poly);
    square = multiply(square, square, poly);
  }
  return result;
}

template <class Int>
Int combine(Int a, Int b, std::uint64_t b_length, Int poly) {
  return multiply(power_of_bytes(b_length, poly), a, poly) ^ b;
}

// CRC64NVME, which ISA-L 2.30 (Debian 12) does not have: by tables, eight bytes at a time, where the processor has no
// carry-less multiplication, and for short or remaining bytes.
using Crc64Tables = std::array<std::array<std::uint64_t, 256>, 8>;

constexpr Crc64Tables make_crc64_tables() {
  Crc64Tables tables{};
  for (std::uint64_t i = 0; i < 256; ++i) {
    std::uint64_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ kCrc64NvmeReflected : crc >> 1;
    tables[0][i] = crc;
  }
  for (std::size_t i = 0; i < 256; ++i) {
    for (std::size_t t = 1; t < 8; ++t) tables[t][i] = tables[0][tables[t - 1][i] & 255] ^ tables[t - 1][i] >> 8;
  }
  return tables;
}

constexpr Crc64Tables kCrc64Tables = make_crc64_tables();

// Takes and gives the register, not the finished value.
std::uint64_t crc64_by_tables(std::uint64_t crc, const std::byte* p, std::size_t left) {
  for (; left >= 8; left -= 8, p += 8) {
    const std::uint64_t word = crc ^ load_le<std::uint64_t>(p);
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= kCrc64Tables[7 - i][word >> (8 * i) & 255];
  }
  for (; left > 0; --left, ++p) crc = kCrc64Tables[0][(crc ^ static_cast<std::uint8_t>(*p)) & 255] ^ crc >> 8;
  return crc;
}

#if defined(__x86_64__)

// Folding: a block of 128 bits B may be replaced by any polynomial congruent to B * x^n that is added to the block n bits
// further on. Of the reflected halves, `low` is the coefficient of x^64; the carry-less product of two reflected words is
// that of the polynomials times x, hence n - 1.
// Source: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009.
constexpr std::uint64_t power_of_x(std::uint64_t n) {
  std::uint64_t result = 1ull << 63;
  std::uint64_t square = 1ull << 62;
  for (; n != 0; n >>= 1) {
    if (n & 1) result = multiply(result, square, kCrc64NvmeReflected);
    square = multiply(square, square, kCrc64NvmeReflected);
  }
  return result;
}

// The factors for the low and the high half of blocks that move on by kBits.
template <std::uint64_t kBits>
struct Fold {
  static constexpr auto kLow = static_cast<long long>(power_of_x(kBits + 63));
  static constexpr auto kHigh = static_cast<long long>(power_of_x(kBits - 1));
};

#define GABION_FOLD __attribute__((target("pclmul,sse4.1")))
#define GABION_FOLD_WIDE __attribute__((target("avx512f,vpclmulqdq,pclmul")))

template <std::uint64_t kBits>
GABION_FOLD inline __m128i fold(__m128i block, __m128i onto) {
  const __m128i by = _mm_set_epi64x(Fold<kBits>::kHigh, Fold<kBits>::kLow);
  const __m128i low = _mm_clmulepi64_si128(block, by, 0x00);
  const __m128i high = _mm_clmulepi64_si128(block, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

// `size` is a multiple of 64, and not 0. Four blocks at a time hide the latency of the multiplication.
GABION_FOLD std::uint64_t crc64_by_folding(std::uint64_t crc, const std::byte* p, std::size_t size) {
  const auto load = [](const std::byte* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  __m128i lanes[4] = {load(p), load(p + 16), load(p + 32), load(p + 48)};
  lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, static_cast<long long>(crc)));
  for (size -= 64; size != 0; size -= 64) {
    p += 64;
    for (std::size_t i = 0; i < 4; ++i) lanes[i] = fold<512>(lanes[i], load(p + 16 * i));
  }
  __m128i rest = lanes[0];
  for (std::size_t i = 1; i < 4; ++i) rest = fold<128>(rest, lanes[i]);
  alignas(16) std::byte last[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(last), rest);
  return crc64_by_tables(0, last, sizeof last);
}

// The same for processors that multiply four blocks with one instruction; `size` is a multiple of 256, and not 0.
GABION_FOLD_WIDE std::uint64_t crc64_by_wide_folding(std::uint64_t crc, const std::byte* p, std::size_t size) {
  const __m512i low_by = _mm512_set1_epi64(Fold<2048>::kLow);
  const __m512i high_by = _mm512_set1_epi64(Fold<2048>::kHigh);
  __m512i lanes[4];
  for (std::size_t i = 0; i < 4; ++i) lanes[i] = _mm512_loadu_si512(p + 64 * i);
  lanes[0] = _mm512_xor_si512(lanes[0], _mm512_zextsi128_si512(_mm_set_epi64x(0, static_cast<long long>(crc))));
  for (size -= 256; size != 0; size -= 256) {
    p += 256;
    for (std::size_t i = 0; i < 4; ++i) {
      const __m512i low = _mm512_clmulepi64_epi128(lanes[i], low_by, 0x00);
      const __m512i high = _mm512_clmulepi64_epi128(lanes[i], high_by, 0x11);
      lanes[i] = _mm512_xor_si512(_mm512_xor_si512(low, high), _mm512_loadu_si512(p + 64 * i));
    }
  }
  alignas(64) std::byte last[256];
  for (std::size_t i = 0; i < 4; ++i) _mm512_store_si512(last + 64 * i, lanes[i]);
  return crc64_by_folding(0, last, sizeof last);
}

// Consumes from the front of `bytes` what can be folded.
std::uint64_t crc64_fold(std::uint64_t crc, ByteView& bytes) {
  static const bool can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  static const bool can_fold_wide = can_fold && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
  const auto run = [&](auto function, std::size_t unit) {
    const std::size_t size = bytes.size() / unit * unit;
    crc = function(crc, bytes.data(), size);
    bytes = bytes.subspan(size);
  };
  if (can_fold_wide && bytes.size() >= 1024) run(crc64_by_wide_folding, 256);
  if (can_fold && bytes.size() >= 128) run(crc64_by_folding, 64);
  return crc;
}

#else

std::uint64_t crc64_fold(std::uint64_t crc, ByteView&) { return crc; }

#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t sofar, ByteView bytes) {
  auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
  return ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~sofar);
}

std::uint32_t crc32(std::uint32_t sofar, ByteView bytes) {
  return crc32_gzip_refl(sofar, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::uint64_t crc64nvme(std::uint64_t sofar, ByteView bytes) {
  const std::uint64_t crc = crc64_fold(~sofar, bytes);
  return ~crc64_by_tables(crc, bytes.data(), bytes.size());
}

std::uint64_t crc64nvme_by_tables(std::uint64_t sofar, ByteView bytes) {
  return ~crc64_by_tables(~sofar, bytes.data(), bytes.size());
}

std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_length) {
  return combine(a, b, b_length, kCrc32cReflected);
}
std::uint32_t crc32_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_length) {
  return combine(a, b, b_length, kCrc32Reflected);
}
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t b_length) {
  return combine(a, b, b_length, kCrc64NvmeReflected);
}

}  // namespace gabion
