// MD5 (RFC 1321) of eight messages, one per 32-bit lane of a 256-bit register.
#include "gateway/s3/auth/lane_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define GABION_AVX2 __attribute__((target("avx2")))

namespace gabion::gateway::s3::detail {
namespace {

constexpr std::size_t kLanes = 8;

// Eight words of all messages, from `offset`: an 8 by 8 transposition within halves, then of the halves.
GABION_AVX2 inline void load_words(__m256i* words, const std::byte* const* data, std::size_t offset) {
  __m256i mixed[kLanes];
  for (std::size_t g = 0; g < kLanes; g += 4) {
    const auto row = [&](std::size_t i) GABION_AVX2 {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data[g + i] + offset));
    };
    const __m256i low01 = _mm256_unpacklo_epi32(row(0), row(1));
    const __m256i high01 = _mm256_unpackhi_epi32(row(0), row(1));
    const __m256i low23 = _mm256_unpacklo_epi32(row(2), row(3));
    const __m256i high23 = _mm256_unpackhi_epi32(row(2), row(3));
    mixed[g] = _mm256_unpacklo_epi64(low01, low23);
    mixed[g + 1] = _mm256_unpackhi_epi64(low01, low23);
    mixed[g + 2] = _mm256_unpacklo_epi64(high01, high23);
    mixed[g + 3] = _mm256_unpackhi_epi64(high01, high23);
  }
  for (std::size_t k = 0; k < 4; ++k) {
    words[k] = _mm256_permute2x128_si256(mixed[k], mixed[k + 4], 0x20);
    words[k + 4] = _mm256_permute2x128_si256(mixed[k], mixed[k + 4], 0x31);
  }
}

struct F {
  GABION_AVX2 static __m256i of(__m256i b, __m256i c, __m256i d) {
    return _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)));
  }
};
struct G {
  GABION_AVX2 static __m256i of(__m256i b, __m256i c, __m256i d) { return F::of(d, b, c); }
};
struct H {
  GABION_AVX2 static __m256i of(__m256i b, __m256i c, __m256i d) { return _mm256_xor_si256(b, _mm256_xor_si256(c, d)); }
};
struct I {
  GABION_AVX2 static __m256i of(__m256i b, __m256i c, __m256i d) {
    const __m256i not_d = _mm256_xor_si256(d, _mm256_set1_epi32(-1));
    return _mm256_xor_si256(c, _mm256_or_si256(b, not_d));
  }
};

template <class Function, int kShift>
GABION_AVX2 inline __m256i step(__m256i a, __m256i b, __m256i c, __m256i d, __m256i word, std::uint32_t constant) {
  const __m256i early = _mm256_add_epi32(a, _mm256_add_epi32(word, _mm256_set1_epi32(static_cast<int>(constant))));
  const __m256i sum = _mm256_add_epi32(early, Function::of(b, c, d));
  const __m256i turned = _mm256_or_si256(_mm256_slli_epi32(sum, kShift), _mm256_srli_epi32(sum, 32 - kShift));
  return _mm256_add_epi32(b, turned);
}

// Sixteen steps; step i takes word (kStart + kStride * i) mod 16.
template <class Function, std::size_t kStart, std::size_t kStride, int kS0, int kS1, int kS2, int kS3>
GABION_AVX2 inline void round(__m256i (&v)[4], const __m256i* words, const std::uint32_t* constants) {
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 16; i += 4) {
    v[0] = step<Function, kS0>(v[0], v[1], v[2], v[3], words[(kStart + kStride * i) % 16], constants[i]);
    v[3] = step<Function, kS1>(v[3], v[0], v[1], v[2], words[(kStart + kStride * (i + 1)) % 16], constants[i + 1]);
    v[2] = step<Function, kS2>(v[2], v[3], v[0], v[1], words[(kStart + kStride * (i + 2)) % 16], constants[i + 2]);
    v[1] = step<Function, kS3>(v[1], v[2], v[3], v[0], words[(kStart + kStride * (i + 3)) % 16], constants[i + 3]);
  }
}

}  // namespace

GABION_AVX2 void md5_lanes_avx2(std::uint32_t* state, const std::byte* const* data, std::size_t blocks) {
  auto* const stored = reinterpret_cast<__m256i*>(state);
  __m256i sum[4];
  for (std::size_t i = 0; i < 4; ++i) sum[i] = _mm256_loadu_si256(stored + i);
  for (std::size_t block = 0; block < blocks; ++block) {
    __m256i words[16];
    load_words(words, data, block * kHashBlock);
    load_words(words + 8, data, block * kHashBlock + 32);
    __m256i v[4] = {sum[0], sum[1], sum[2], sum[3]};
    round<F, 0, 1, 7, 12, 17, 22>(v, words, kMd5Constants);
    round<G, 1, 5, 5, 9, 14, 20>(v, words, kMd5Constants + 16);
    round<H, 5, 3, 4, 11, 16, 23>(v, words, kMd5Constants + 32);
    round<I, 0, 7, 6, 10, 15, 21>(v, words, kMd5Constants + 48);
    for (std::size_t i = 0; i < 4; ++i) sum[i] = _mm256_add_epi32(sum[i], v[i]);
  }
  for (std::size_t i = 0; i < 4; ++i) _mm256_storeu_si256(stored + i, sum[i]);
}

}  // namespace gabion::gateway::s3::detail
#endif
