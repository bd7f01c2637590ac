// The buffer of a connection keeps bytes in order while it moves and grows, and large ones are counted.
#include "gateway/http/input_buffer.h"

#include <catch2/catch_test_macros.hpp>

namespace gabion::gateway::http {
namespace {

void put(InputBuffer& buffer, std::string_view text, std::size_t capacity) {
  while (!text.empty()) {
    const MutableBytes room = buffer.room(capacity);
    const std::size_t n = std::min(room.size(), text.size());
    std::memcpy(room.data(), text.data(), n);
    buffer.commit(n);
    text.remove_prefix(n);
  }
}

}  // namespace

TEST_CASE("bytes stay in order while the buffer is compacted, grows and shrinks") {
  LargeBufferQuota quota;
  InputBuffer buffer(quota);
  std::string expected, text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i);
  for (std::size_t at = 0, step = 1; at < text.size(); at += step, step = step * 3 % 5000 + 1) {
    const std::string piece = text.substr(at, step);
    put(buffer, piece, InputBuffer::kIdleBytes);
    expected += piece;
    const std::size_t gone = expected.size() * 2 / 3;
    buffer.consume(gone);
    expected.erase(0, gone);
    if (step % 2 == 0) buffer.shrink(InputBuffer::kIdleBytes);
    REQUIRE(as_text(buffer.view()) == expected);
  }
}

TEST_CASE("a full buffer always offers room") {
  LargeBufferQuota quota{0};
  InputBuffer buffer(quota);
  put(buffer, std::string(100'000, 'x'), 1);
  CHECK(buffer.size() == 100'000);
  CHECK(!buffer.room(1).empty());
}

TEST_CASE("only so many buffers are large at once, and the others work with small ones") {
  LargeBufferQuota quota{2};
  {
    InputBuffer a(quota), b(quota), c(quota);
    CHECK(a.room(InputBuffer::kLargeBytes).size() == InputBuffer::kLargeBytes);
    CHECK(b.room(InputBuffer::kLargeBytes).size() == InputBuffer::kLargeBytes);
    CHECK(c.room(InputBuffer::kLargeBytes).size() == InputBuffer::kSmallBytes);
    CHECK(quota.left == 0);
    a.shrink(InputBuffer::kSmallBytes);
    CHECK(a.room(1).size() == InputBuffer::kSmallBytes);
    CHECK(c.room(InputBuffer::kLargeBytes).size() == InputBuffer::kLargeBytes);
  }
  CHECK(quota.left == 2);
}

TEST_CASE("what does not fit is not lost by shrinking") {
  LargeBufferQuota quota;
  InputBuffer buffer(quota);
  put(buffer, std::string(50'000, 'x'), InputBuffer::kLargeBytes);
  buffer.shrink(InputBuffer::kIdleBytes);
  CHECK(buffer.size() == 50'000);
  CHECK(quota.left == LargeBufferQuota().left - 1);
}

}  // namespace gabion::gateway::http
