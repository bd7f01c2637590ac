#define OPENSSL_SUPPRESS_DEPRECATED
#include "gateway/s3/auth/lane_kernels.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>

#include "common/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gabion::gateway::s3 {
namespace {

std::vector<Md5LaneKernel> find_kernels() {
  std::vector<Md5LaneKernel> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) found.push_back({"AVX-512", 16, 3, detail::md5_lanes_avx512});
  if (__builtin_cpu_supports("avx2")) found.push_back({"AVX2", 8, 4, detail::md5_lanes_avx2});
#endif
  return found;
}

#if defined(__x86_64__)

#define GABION_SHA __attribute__((target("sha,sse4.1,ssse3")))

constexpr std::uint32_t kSha256Constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// One message in the layout of the SHA instructions: the state words A B E F and C D G H, and the last 16 words of the
// message schedule.
struct ShaLane {
  __m128i abef, cdgh;
  __m128i words[4];
};

GABION_SHA inline void load_state(ShaLane& lane, const Sha256State& state) {
  const __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data())), 0xb1);
  const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data() + 4)), 0x1b);
  lane.abef = _mm_alignr_epi8(dcba, hgfe, 8);
  lane.cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);
}

GABION_SHA inline void store_state(const ShaLane& lane, Sha256State& state) {
  const __m128i feba = _mm_shuffle_epi32(lane.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(lane.cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data()), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data() + 4), _mm_alignr_epi8(dchg, feba, 8));
}

GABION_SHA inline void load_block(ShaLane& lane, const std::byte* data) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (std::size_t i = 0; i < 4; ++i) {
    const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i));
    lane.words[i] = _mm_shuffle_epi8(raw, big_endian);
  }
}

// Four rounds with words 4 * group and on; words[group % 4] then becomes those of sixteen rounds later.
GABION_SHA inline void four_rounds(ShaLane& lane, std::size_t group) {
  __m128i& now = lane.words[group % 4];
  const __m128i constants = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSha256Constants + 4 * group));
  const __m128i sum = _mm_add_epi32(now, constants);
  lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
  lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32(sum, 0x0e));
  if (group >= 12) return;
  const __m128i next = lane.words[(group + 1) % 4];
  const __m128i after = lane.words[(group + 2) % 4];
  const __m128i last = lane.words[(group + 3) % 4];
  const __m128i mixed = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8(last, after, 4));
  now = _mm_sha256msg2_epu32(mixed, last);
}

GABION_SHA void sha256_pair_ni(Sha256State& a, Sha256State& b, const std::byte* data_a, const std::byte* data_b,
                               std::size_t blocks) {
  ShaLane lane_a;
  ShaLane lane_b;
  load_state(lane_a, a);
  load_state(lane_b, b);
  for (std::size_t block = 0; block < blocks; ++block) {
    const ShaLane start_a = lane_a;
    const ShaLane start_b = lane_b;
    load_block(lane_a, data_a + block * kHashBlock);
    load_block(lane_b, data_b + block * kHashBlock);
#pragma GCC unroll 16
    for (std::size_t group = 0; group < 16; ++group) {
      four_rounds(lane_a, group);
      four_rounds(lane_b, group);
    }
    lane_a.abef = _mm_add_epi32(lane_a.abef, start_a.abef);
    lane_a.cdgh = _mm_add_epi32(lane_a.cdgh, start_a.cdgh);
    lane_b.abef = _mm_add_epi32(lane_b.abef, start_b.abef);
    lane_b.cdgh = _mm_add_epi32(lane_b.cdgh, start_b.cdgh);
  }
  store_state(lane_a, a);
  store_state(lane_b, b);
}

// CPUID leaf 7, EBX bit 29; compilers differ in whether __builtin_cpu_supports knows the name.
bool has_sha_instructions() {
  unsigned eax = 7, ebx = 0, ecx = 0, edx = 0;
  __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return (ebx >> 29 & 1) != 0 && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

#else

bool has_sha_instructions() { return false; }
void sha256_pair_ni(Sha256State&, Sha256State&, const std::byte*, const std::byte*, std::size_t) {}

#endif

}  // namespace

const std::vector<Md5LaneKernel>& md5_lane_kernels() {
  static const std::vector<Md5LaneKernel> kernels = find_kernels();
  return kernels;
}

bool has_sha256_pair() {
  static const bool has = has_sha_instructions();
  return has;
}

void sha256_pair_blocks(Sha256State& a, Sha256State& b, const std::byte* data_a, const std::byte* data_b,
                        std::size_t blocks) {
  GABION_CHECK(has_sha256_pair(), "the caller asks first");
  sha256_pair_ni(a, b, data_a, data_b, blocks);
}

void md5_sha256_blocks(Md5State& md5, Sha256State& sha256, const std::byte* md5_data, const std::byte* sha256_data,
                       std::size_t blocks) {
  MD5_CTX m{};
  SHA256_CTX s{};
  m.A = md5[0];
  m.B = md5[1];
  m.C = md5[2];
  m.D = md5[3];
  std::copy(sha256.begin(), sha256.end(), s.h);
  for (std::size_t i = 0; i < blocks; ++i) {
    MD5_Transform(&m, reinterpret_cast<const unsigned char*>(md5_data + i * kHashBlock));
    SHA256_Transform(&s, reinterpret_cast<const unsigned char*>(sha256_data + i * kHashBlock));
  }
  md5 = {m.A, m.B, m.C, m.D};
  std::copy(s.h, s.h + sha256.size(), sha256.begin());
}

}  // namespace gabion::gateway::s3
