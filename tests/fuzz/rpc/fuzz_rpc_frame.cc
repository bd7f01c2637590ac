// Feeds bytes to the decoder of frames and what it gives to the readers of its kinds. The first byte says how many bytes
// arrive at a time, and whether the checksums are made right first, as a hostile peer would: random bytes hardly ever carry
// one. Demands: no crash, no memory beyond what has arrived and its bounds, and a frame that encodes to what was read.
#include <algorithm>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/crc.h"
#include "common/rpc/frame.h"
#include "common/rpc/hello.h"
#include "common/rpc/message.h"
#include "common/rpc/status.h"

namespace {

using namespace gabion;
using namespace gabion::rpc;

// Lays magic, version and right checksums over every frame that the lengths of its head allow.
void seal(std::string& stream) {
  std::size_t at = 0;
  while (at + kFrameHeadBytes <= stream.size()) {
    char* head = stream.data() + at;
    store_le(head, kFrameMagic);
    head[4] = kFrameVersion;
    const std::size_t left = stream.size() - at - kFrameHeadBytes;
    const std::size_t meta = load_le<std::uint32_t>(head + 16) % (left + 1);
    const std::size_t payload = load_le<std::uint32_t>(head + 20) % (left - meta + 1);
    store_le(head + 16, static_cast<std::uint32_t>(meta));
    store_le(head + 20, static_cast<std::uint32_t>(payload));
    const std::string_view body = std::string_view(stream).substr(at + kFrameHeadBytes);
    store_le(head + 32, crc32c(0, as_bytes(body.substr(meta, payload))));
    store_le<std::uint32_t>(head + 28, 0);
    const std::string_view covered = std::string_view(stream).substr(at, kFrameHeadBytes + meta);
    store_le(head + 28, crc32c(0, as_bytes(covered)));
    at += kFrameHeadBytes + meta + payload;
  }
}

void read(const Frame& frame, std::string_view wire) {
  const std::string again = encode_frame(frame.head, frame.meta, {&frame.payload, 1});
  GABION_CHECK(wire.substr(8, 20) == std::string_view(again).substr(8, 20), "a frame's head changes on the way");
  GABION_CHECK(wire.substr(kFrameHeadBytes, frame.meta.size()) == frame.meta, "a frame's meta changes on the way");
  GABION_CHECK(wire.substr(kFrameHeadBytes + frame.meta.size()) == frame.payload.text(), "a payload changes on the way");
  (void)decode_hello(frame.meta);
  (void)decode_error(frame.meta);
  (void)read_question(frame, TimePoint{});
  (void)read_answer(frame);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string stream(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & 1) != 0) seal(stream);
  const std::size_t step = 1 + data[0] / 2u;
  FrameDecoder decoder(FrameLimits{.meta = 64 * KiB, .payload = 64 * KiB});
  std::size_t begin = 0;
  for (std::size_t at = 0; at < stream.size();) {
    const MutableBytes room = decoder.room();
    GABION_CHECK(!room.empty() && room.size() <= 64 * KiB, "room for what cannot come");
    const std::size_t n = std::min({room.size(), stream.size() - at, step});
    std::copy_n(as_bytes(stream).data() + at, n, room.data());
    at += n;
    const auto complete = decoder.commit(n);
    if (!complete) return 0;
    if (!*complete) continue;
    read(decoder.take(), std::string_view(stream).substr(begin, at - begin));
    begin = at;
  }
  return 0;
}
