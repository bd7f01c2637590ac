// Ring::decode on any bytes: with the checksum as given and with it made right, so that the checks behind are
// reached.
#include <cstdlib>

#include "common/crc.h"
#include "ring/ring.h"

namespace {

void decode(std::string_view input) {
  const auto ring = gabion::ring::Ring::decode(input);
  if (ring.has_value() && ring->encode() != input) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string input(reinterpret_cast<const char*>(data), size);
  decode(input);
  if (size < 20) return 0;
  gabion::store_le<std::uint64_t>(input.data() + 8, size - 4);
  gabion::store_le<std::uint32_t>(
      input.data() + size - 4,
      gabion::crc32c(0, gabion::as_bytes(std::string_view(input).substr(0, size - 4))));
  decode(input);
  return 0;
}
