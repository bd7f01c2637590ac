// Little-endian fields of journal records and messages: appended to a string, and read back with every bound checked. A read
// beyond the end gives zeros and makes the reader bad for good, so that a decoder looks once, at its end.
#pragma once

#include <string>
#include <string_view>

#include "common/bytes.h"

namespace gabion::metadata::raft {

template <class Int>
void append_field(std::string& out, Int value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : left_(bytes) {}

  template <class Int>
  Int read() {
    const std::string_view bytes = take(sizeof(Int));
    return good_ ? load_le<Int>(bytes.data()) : Int{};
  }
  std::string_view take(std::size_t size) {
    if (!good_ || size > left_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }
  std::string_view rest() { return take(left_.size()); }
  std::size_t left() const { return left_.size(); }
  bool good() const { return good_; }
  // Everything was there and nothing is left over.
  bool whole() const { return good_ && left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

}  // namespace gabion::metadata::raft
