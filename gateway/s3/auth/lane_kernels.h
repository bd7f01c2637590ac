// Hash several messages at once on one core: MD5 is bound by the latency of its chain, so sixteen chains side by side
// cost little more than one. Which kernels run is decided by the processor at run time. Pure, thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gateway/s3/auth/streams.h"

namespace gabion::gateway::s3 {

inline constexpr std::size_t kLanesMax = 16;

struct Md5LaneKernel {
  const char* name;
  std::size_t lanes;
  // With fewer messages than this, one after the other is faster.
  std::size_t worth_from;
  // Adds `blocks` blocks of data[i] to message i, for every lane; state is [4][lanes].
  void (*run)(std::uint32_t* state, const std::byte* const* data, std::size_t blocks);
};

// Those that this processor can run, best first.
const std::vector<Md5LaneKernel>& md5_lane_kernels();

// Two messages at once; true when this processor has what it takes.
bool has_sha256_pair();
void sha256_pair_blocks(Sha256State& a, Sha256State& b, const std::byte* data_a, const std::byte* data_b,
                        std::size_t blocks);

// One MD5 and one SHA-256 over the same data, block by block: the two chains overlap in the processor.
void md5_sha256_blocks(Md5State& md5, Sha256State& sha256, const std::byte* md5_data, const std::byte* sha256_data,
                       std::size_t blocks);

namespace detail {
inline constexpr std::uint32_t kMd5Constants[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

// Defined in lane_md5_avx512.cc and lane_md5_avx2.cc; they may only be called where the processor has the instructions.
void md5_lanes_avx512(std::uint32_t* state, const std::byte* const* data, std::size_t blocks);
void md5_lanes_avx2(std::uint32_t* state, const std::byte* const* data, std::size_t blocks);
}  // namespace detail

}  // namespace gabion::gateway::s3
