// What is put: bytes that say of themselves what they are, so that any process can check any object at any
// time. A payload is the first `size` bytes of a header (magic, size, seed, key) followed by a stream that
// the seed decides. The stream is strewn together from pieces of one random pool, so that making it costs
// nothing and no two blocks of any payloads are alike. The pool is immutable; Payload and Verifier borrow it.
#pragma once

#include <boost/asio/buffer.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/digest.h"

namespace gabion::bench {

class Pool {
 public:
  Pool();
  static constexpr std::size_t kPieceBytes = 256 * KiB;
  // Piece `index` of the stream of `seed`.
  ByteView piece(std::uint64_t seed, std::uint64_t index) const;

 private:
  std::vector<std::byte> bytes_;
};

std::string payload_header(std::string_view key, std::uint64_t size, std::uint64_t seed);

class Payload {
 public:
  // `offset` and `length` choose a part of the payload of `size` bytes, for multipart uploads.
  Payload(const Pool& pool, std::string_view key, std::uint64_t size, std::uint64_t seed,
          std::uint64_t offset, std::uint64_t length);
  // A body that is not of the pool, such as an XML document.
  explicit Payload(std::string text);
  Payload(const Payload&) = delete;
  Payload& operator=(const Payload&) = delete;
  const std::vector<boost::asio::const_buffer>& buffers() const { return buffers_; }
  std::uint64_t length() const { return length_; }
  std::string sha256_hex(Digest& digest) const;

 private:
  std::string header_;
  std::uint64_t length_;
  std::vector<boost::asio::const_buffer> buffers_;
};

// Compares a payload that arrives piece by piece.
class Verifier {
 public:
  Verifier(const Pool& pool, std::string_view key, std::uint64_t size)
      : pool_(pool), key_(key), size_(size) {}
  // False once anything differs from what the header, the key and the size say.
  bool feed(ByteView bytes);
  // Whether all of it came.
  bool complete() const { return offset_ == size_; }

 private:
  bool feed_header(ByteView& bytes);
  const Pool& pool_;
  std::string_view key_;
  std::uint64_t size_;
  std::uint64_t offset_ = 0;
  std::uint64_t seed_ = 0;
  std::string header_;
};

}  // namespace gabion::bench
