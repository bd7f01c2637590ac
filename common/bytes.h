// Bytes is an immutable, reference-counted slice of memory: cheap to pass by value, safe to keep, the unit of zero-copy.
// Buffer is the mutable memory it is made from. Reference counting is thread-safe; a Buffer is written by one thread
// before it is shared. Little-endian load and store helpers for everything that reaches disk or wire live here too.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gabion {

inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;
inline constexpr std::uint64_t GiB = 1024 * MiB;
inline constexpr std::uint64_t TiB = 1024 * GiB;

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Uninitialised memory of a fixed size, aligned to 64 bytes. `owner` lets a pool take the memory back.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size);
  Buffer(std::shared_ptr<std::byte> memory, std::size_t size) : memory_(std::move(memory)), size_(size) {}

  std::byte* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }
  MutableBytes span() const { return {data(), size_}; }
  const std::shared_ptr<std::byte>& memory() const { return memory_; }

 private:
  std::shared_ptr<std::byte> memory_;
  std::size_t size_ = 0;
};

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(const Buffer& buffer) : memory_(buffer.memory()), view_(buffer.span()) {}
  Bytes(std::shared_ptr<const std::byte> memory, ByteView view) : memory_(std::move(memory)), view_(view) {}

  static Bytes copy_of(ByteView view);
  static Bytes copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
  // A slice that owns nothing: the caller keeps the memory alive as long as the slice is used.
  static Bytes unowned(ByteView view) { return Bytes(nullptr, view); }

  const std::byte* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  ByteView view() const { return view_; }
  std::string_view text() const { return as_text(view_); }
  Bytes slice(std::size_t offset, std::size_t length) const { return {memory_, view_.subspan(offset, length)}; }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.text() == b.text(); }

 private:
  std::shared_ptr<const std::byte> memory_;
  ByteView view_;
};

static_assert(std::endian::native == std::endian::little, "on-disk integers are little-endian and used in place");

template <class Int>
Int load_le(const void* from) {
  Int value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class Int>
void store_le(void* to, Int value) {
  std::memcpy(to, &value, sizeof value);
}
// Big-endian forms, for keys whose byte order must be their numeric order.
inline std::uint64_t load_be64(const void* from) { return __builtin_bswap64(load_le<std::uint64_t>(from)); }
inline void append_be64(std::string& out, std::uint64_t value) {
  value = __builtin_bswap64(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void append_be32(std::string& out, std::uint32_t value) {
  value = __builtin_bswap32(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace gabion
