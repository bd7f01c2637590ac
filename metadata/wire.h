// WireReader goes through the fields of an encoded protobuf message, for those who need little of it and often: listings, and
// whoever wants to know which operation a command has. Pure; the text must outlive it.
#pragma once

#include <cstdint>
#include <string_view>

namespace gabion::metadata {

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  std::uint64_t value = 0;   // of a varint
  std::string_view bytes;    // of a length-delimited field
};

class WireReader {
 public:
  explicit WireReader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}
  // False at the end and on malformed input, which ok() tells apart.
  bool next(Field& field) {
    if (at_ == end_) return false;
    std::uint64_t tag = 0;
    if (!varint(tag)) return fail();
    field.number = static_cast<std::uint32_t>(tag >> 3);
    switch (static_cast<Wire>(tag & 7)) {
      case Wire::varint: return varint(field.value) || fail();
      case Wire::fixed64: return skip(8) || fail();
      case Wire::fixed32: return skip(4) || fail();
      case Wire::bytes: {
        std::uint64_t length = 0;
        if (!varint(length) || length > static_cast<std::uint64_t>(end_ - at_)) return fail();
        field.bytes = {at_, length};
        at_ += length;
        return true;
      }
    }
    return fail();
  }
  bool ok() const { return ok_; }

 private:
  bool varint(std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool skip(std::size_t n) {
    if (static_cast<std::size_t>(end_ - at_) < n) return false;
    at_ += n;
    return true;
  }
  bool fail() {
    ok_ = false;
    return false;
  }
  const char* at_;
  const char* const end_;
  bool ok_ = true;
};

}  // namespace gabion::metadata
