// The bytes of RPC: every message is one frame, a fixed head of 40 bytes (little-endian), then `meta`, then the raw payload.
//
//   offset  0  magic u32         "GBRP"
//           4  version u8        of this layout: 1
//           5  kind u8           FrameKind
//           6  method u16        of calls and posts
//           8  id u64            of a call, repeated in its answer
//          16  meta_length u32
//          20  payload_length u32
//          24  deadline_ms u32   of a call: the caller's remaining time; kNoDeadline: none
//          28  meta_crc u32      CRC32C of the head, with this field as zero, and of meta
//          32  payload_crc u32   CRC32C of the payload
//          36  priority u8
//          37  reserved          zero when sent, ignored when received
//
// meta of a call or post is the message's header followed by the caller's trace id (u64); of an answer its header; of an
// error and a refusal a code (u16, see status.h) and a text.
//
// FrameDecoder is sans-IO: it says where the next bytes go, and checks what it gets before it believes it. Plain values, one
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/context.h"
#include "common/result.h"
#include "common/rpc/rpc.h"

namespace gabion::rpc {

inline constexpr std::size_t kFrameHeadBytes = 40;
inline constexpr std::uint32_t kFrameMagic = 0x50524247;  // "GBRP"
inline constexpr std::uint8_t kFrameVersion = 1;
inline constexpr std::uint32_t kNoDeadline = 0xffffffff;
inline constexpr std::size_t kTraceBytes = 8;

enum class FrameKind : std::uint8_t {
  hello = 1,  // the first of either side
  refusal,    // instead of a hello: the connection is not wanted, and why
  call,
  post,     // a call that wants no answer
  answer,   // of a call that went well
  error,    // of a call that did not
  ping,     // nothing, so that the other side hears something
  goodbye,  // no more calls, please: the sender is about to close
};

struct FrameHead {
  FrameKind kind = FrameKind::ping;
  Priority priority = Priority::interactive;
  std::uint16_t method = 0;
  std::uint64_t id = 0;
  std::uint32_t deadline_ms = kNoDeadline;
  std::uint32_t meta_length = 0;
  std::uint32_t payload_length = 0;
};

struct Frame {
  FrameHead head;
  std::string meta;
  Bytes payload;
};

// Head and meta of a frame whose payload the caller sends after them. The lengths of `head` are set here.
std::string encode_frame(FrameHead head, std::string_view meta, std::span<const Bytes> payload);

std::size_t total_size(std::span<const Bytes> payload);

struct FrameLimits {
  std::size_t meta = kHeaderMax + kTraceBytes;
  std::size_t payload = kPayloadMax;
};

class FrameDecoder {
 public:
  explicit FrameDecoder(FrameLimits limits = {}) : limits_(limits) {}

  // Where the next bytes of the stream go. Never empty, and never past the end of the frame. Memory for meta grows with what
  // has arrived; memory for the payload is taken when the head has proved to be intact.
  MutableBytes room();
  // The first n bytes of room() are filled. True when that completes a frame, to be taken before the next room(). After an
  // error the stream is of no more use. invalid: not a frame; too_large: over a limit; corrupt: a checksum does not match.
  Result<bool> commit(std::size_t n);
  Frame take();

 private:
  enum class Stage { head, meta, payload, complete };
  Result<void> parse_head();
  Result<void> finish_meta();
  Result<void> finish_payload();

  const FrameLimits limits_;
  Stage stage_ = Stage::head;
  std::size_t filled_ = 0;  // of the current stage
  std::array<std::byte, kFrameHeadBytes> bytes_{};
  FrameHead head_;
  std::string meta_;
  Buffer payload_;
};

}  // namespace gabion::rpc
