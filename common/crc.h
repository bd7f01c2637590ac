// Cyclic redundancy checks. CRC32C guards every stored byte; CRC32 and CRC64NVME are S3 checksums. Each function takes
// the value so far (0 to start) and gives the finished value, so calls chain over pieces. Pure, thread-safe.
#pragma once

#include <cstdint>

#include "common/bytes.h"

namespace gabion {

std::uint32_t crc32c(std::uint32_t sofar, ByteView bytes);     // Castagnoli; check("123456789") = e3069283
std::uint32_t crc32(std::uint32_t sofar, ByteView bytes);      // IEEE 802.3; check = cbf43926
std::uint64_t crc64nvme(std::uint64_t sofar, ByteView bytes);  // check = ae8b14860a799888
// The same on any processor, slowly: what crc64nvme() falls back to, and what tests hold it against.
std::uint64_t crc64nvme_by_tables(std::uint64_t sofar, ByteView bytes);

// The CRC of A followed by B from the CRCs of each and the length of B in bytes.
std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_length);
std::uint32_t crc32_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_length);
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t b_length);

}  // namespace gabion
