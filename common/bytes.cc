#include "common/bytes.h"

#include <new>

namespace gabion {

Buffer::Buffer(std::size_t size)
    : memory_(static_cast<std::byte*>(::operator new(size, std::align_val_t{64})),
              [](std::byte* p) { ::operator delete(p, std::align_val_t{64}); }),
      size_(size) {}

Bytes Bytes::copy_of(ByteView view) {
  Buffer buffer(view.size());
  if (!view.empty()) std::memcpy(buffer.data(), view.data(), view.size());
  return Bytes(buffer);
}

}  // namespace gabion
