// MD5 (RFC 1321) of sixteen messages, one per 32-bit lane of a 512-bit register. The three-input functions of the rounds
// are one instruction each, as is the rotation.
#include "gateway/s3/auth/lane_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define GABION_AVX512 __attribute__((target("avx512f")))

namespace gabion::gateway::s3::detail {
namespace {

constexpr std::size_t kLanes = 16;

// Truth tables for _mm512_ternarylogic_epi32: bit 4x + 2y + z of the table is the result for the bits x, y, z.
constexpr int kF = 0xca;  // x ? y : z
constexpr int kG = 0xe4;  // z ? x : y
constexpr int kH = 0x96;  // x ^ y ^ z
constexpr int kI = 0x39;  // y ^ (x | ~z)

// Word k of all messages in one register, for all sixteen words of a block: a 16 by 16 transposition in two stages, first
// within quarters of 128 bits, then of the quarters.
GABION_AVX512 inline void load_words(__m512i* words, const std::byte* const* data, std::size_t offset) {
  __m512i rows[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) rows[i] = _mm512_loadu_si512(data[i] + offset);
  __m512i mixed[kLanes];  // mixed[4g + k]: word k of every quarter, for messages 4g to 4g + 3
  for (std::size_t g = 0; g < kLanes; g += 4) {
    const __m512i low01 = _mm512_unpacklo_epi32(rows[g], rows[g + 1]);
    const __m512i high01 = _mm512_unpackhi_epi32(rows[g], rows[g + 1]);
    const __m512i low23 = _mm512_unpacklo_epi32(rows[g + 2], rows[g + 3]);
    const __m512i high23 = _mm512_unpackhi_epi32(rows[g + 2], rows[g + 3]);
    mixed[g] = _mm512_unpacklo_epi64(low01, low23);
    mixed[g + 1] = _mm512_unpackhi_epi64(low01, low23);
    mixed[g + 2] = _mm512_unpacklo_epi64(high01, high23);
    mixed[g + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
  for (std::size_t k = 0; k < 4; ++k) {
    const __m512i even_a = _mm512_shuffle_i32x4(mixed[k], mixed[k + 4], 0x88);
    const __m512i odd_a = _mm512_shuffle_i32x4(mixed[k], mixed[k + 4], 0xdd);
    const __m512i even_b = _mm512_shuffle_i32x4(mixed[k + 8], mixed[k + 12], 0x88);
    const __m512i odd_b = _mm512_shuffle_i32x4(mixed[k + 8], mixed[k + 12], 0xdd);
    words[k] = _mm512_shuffle_i32x4(even_a, even_b, 0x88);
    words[k + 8] = _mm512_shuffle_i32x4(even_a, even_b, 0xdd);
    words[k + 4] = _mm512_shuffle_i32x4(odd_a, odd_b, 0x88);
    words[k + 12] = _mm512_shuffle_i32x4(odd_a, odd_b, 0xdd);
  }
}

template <int kTable, int kShift>
GABION_AVX512 inline __m512i step(__m512i a, __m512i b, __m512i c, __m512i d, __m512i word, std::uint32_t constant) {
  const __m512i early = _mm512_add_epi32(a, _mm512_add_epi32(word, _mm512_set1_epi32(static_cast<int>(constant))));
  const __m512i sum = _mm512_add_epi32(early, _mm512_ternarylogic_epi32(b, c, d, kTable));
  return _mm512_add_epi32(b, _mm512_rol_epi32(sum, kShift));
}

// Sixteen steps; step i takes word (kStart + kStride * i) mod 16.
template <int kTable, std::size_t kStart, std::size_t kStride, int kS0, int kS1, int kS2, int kS3>
GABION_AVX512 inline void round(__m512i (&v)[4], const __m512i* words, const std::uint32_t* constants) {
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 16; i += 4) {
    v[0] = step<kTable, kS0>(v[0], v[1], v[2], v[3], words[(kStart + kStride * i) % 16], constants[i]);
    v[3] = step<kTable, kS1>(v[3], v[0], v[1], v[2], words[(kStart + kStride * (i + 1)) % 16], constants[i + 1]);
    v[2] = step<kTable, kS2>(v[2], v[3], v[0], v[1], words[(kStart + kStride * (i + 2)) % 16], constants[i + 2]);
    v[1] = step<kTable, kS3>(v[1], v[2], v[3], v[0], words[(kStart + kStride * (i + 3)) % 16], constants[i + 3]);
  }
}

}  // namespace

GABION_AVX512 void md5_lanes_avx512(std::uint32_t* state, const std::byte* const* data, std::size_t blocks) {
  __m512i sum[4];
  for (std::size_t i = 0; i < 4; ++i) sum[i] = _mm512_loadu_si512(state + i * kLanes);
  for (std::size_t block = 0; block < blocks; ++block) {
    __m512i words[16];
    load_words(words, data, block * kHashBlock);
    __m512i v[4] = {sum[0], sum[1], sum[2], sum[3]};
    round<kF, 0, 1, 7, 12, 17, 22>(v, words, kMd5Constants);
    round<kG, 1, 5, 5, 9, 14, 20>(v, words, kMd5Constants + 16);
    round<kH, 5, 3, 4, 11, 16, 23>(v, words, kMd5Constants + 32);
    round<kI, 0, 7, 6, 10, 15, 21>(v, words, kMd5Constants + 48);
    for (std::size_t i = 0; i < 4; ++i) sum[i] = _mm512_add_epi32(sum[i], v[i]);
  }
  for (std::size_t i = 0; i < 4; ++i) _mm512_storeu_si512(state + i * kLanes, sum[i]);
}

}  // namespace gabion::gateway::s3::detail
#endif
