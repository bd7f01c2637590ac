#include "common/rpc/frame.h"

#include <algorithm>

#include "common/check.h"
#include "common/crc.h"

namespace gabion::rpc {
namespace {

// What the sender's word is taken for before any of its bytes are there.
constexpr std::size_t kMetaStep = 16 * KiB;

// The head as it lies on the wire.
struct Wire {
  std::uint32_t magic;
  std::uint8_t version;
  std::uint8_t kind;
  std::uint16_t method;
  std::uint64_t id;
  std::uint32_t meta_length;
  std::uint32_t payload_length;
  std::uint32_t deadline_ms;
  std::uint32_t meta_crc;
  std::uint32_t payload_crc;
  std::uint8_t priority;
  std::uint8_t reserved[3];
};
static_assert(sizeof(Wire) == kFrameHeadBytes);
static_assert(offsetof(Wire, id) == 8 && offsetof(Wire, meta_length) == 16 && offsetof(Wire, deadline_ms) == 24);
static_assert(offsetof(Wire, meta_crc) == 28 && offsetof(Wire, payload_crc) == 32 && offsetof(Wire, priority) == 36);

ByteView bytes_of(const Wire& wire) { return std::as_bytes(std::span(&wire, 1)); }

std::uint32_t meta_crc(Wire wire, std::string_view meta) {
  wire.meta_crc = 0;
  return crc32c(crc32c(0, bytes_of(wire)), as_bytes(meta));
}

bool is_known(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(FrameKind::hello) && kind <= static_cast<std::uint8_t>(FrameKind::goodbye);
}

}  // namespace

std::size_t total_size(std::span<const Bytes> payload) {
  std::size_t total = 0;
  for (const Bytes& piece : payload) total += piece.size();
  return total;
}

std::string encode_frame(FrameHead head, std::string_view meta, std::span<const Bytes> payload) {
  Wire wire{};
  wire.magic = kFrameMagic;
  wire.version = kFrameVersion;
  wire.kind = static_cast<std::uint8_t>(head.kind);
  wire.method = head.method;
  wire.id = head.id;
  wire.meta_length = static_cast<std::uint32_t>(meta.size());
  wire.payload_length = static_cast<std::uint32_t>(total_size(payload));
  wire.deadline_ms = head.deadline_ms;
  for (const Bytes& piece : payload) wire.payload_crc = crc32c(wire.payload_crc, piece.view());
  wire.priority = static_cast<std::uint8_t>(head.priority);
  wire.meta_crc = meta_crc(wire, meta);
  std::string out;
  out.reserve(kFrameHeadBytes + meta.size());
  out += as_text(bytes_of(wire));
  out += meta;
  return out;
}

// --- Decoder ---

MutableBytes FrameDecoder::room() {
  switch (stage_) {
    case Stage::head: return MutableBytes(bytes_).subspan(filled_);
    case Stage::meta:
      if (filled_ == meta_.size()) {
        meta_.resize(std::min<std::size_t>(head_.meta_length, std::max(2 * filled_, kMetaStep)));
      }
      return std::as_writable_bytes(std::span(meta_)).subspan(filled_);
    case Stage::payload: return payload_.span().subspan(filled_);
    case Stage::complete: break;
  }
  GABION_CHECK(false, "a complete frame must be taken before the next one is read");
}

Result<bool> FrameDecoder::commit(std::size_t n) {
  filled_ += n;
  if (stage_ == Stage::head && filled_ == kFrameHeadBytes) {
    TRY_OK(parse_head());
    stage_ = Stage::meta;
    filled_ = 0;
  }
  if (stage_ == Stage::meta && filled_ == head_.meta_length) {
    TRY_OK(finish_meta());
    stage_ = Stage::payload;
    filled_ = 0;
  }
  if (stage_ == Stage::payload && filled_ == head_.payload_length) {
    TRY_OK(finish_payload());
    stage_ = Stage::complete;
  }
  return stage_ == Stage::complete;
}

Result<void> FrameDecoder::parse_head() {
  const auto wire = load_le<Wire>(bytes_.data());
  if (wire.magic != kFrameMagic) return Error(Errc::invalid, "the peer does not speak this protocol");
  if (wire.version != kFrameVersion) {
    return Error(Errc::invalid, "the peer sends frames of version " + std::to_string(wire.version) + ", known is " +
                                    std::to_string(kFrameVersion));
  }
  if (!is_known(wire.kind)) return Error(Errc::invalid, "a frame of unknown kind " + std::to_string(wire.kind));
  if (wire.meta_length > limits_.meta) {
    return Error(Errc::too_large, "a message header of " + std::to_string(wire.meta_length) + " bytes; the most is " +
                                      std::to_string(limits_.meta));
  }
  if (wire.payload_length > limits_.payload) {
    return Error(Errc::too_large, "a payload of " + std::to_string(wire.payload_length) + " bytes; the most is " +
                                      std::to_string(limits_.payload));
  }
  head_.kind = static_cast<FrameKind>(wire.kind);
  head_.priority = wire.priority == 0 ? Priority::interactive : Priority::background;
  head_.method = wire.method;
  head_.id = wire.id;
  head_.deadline_ms = wire.deadline_ms;
  head_.meta_length = wire.meta_length;
  head_.payload_length = wire.payload_length;
  return {};
}

Result<void> FrameDecoder::finish_meta() {
  const auto wire = load_le<Wire>(bytes_.data());
  if (meta_crc(wire, meta_) != wire.meta_crc) return Error(Errc::corrupt, "a frame's head does not match its checksum");
  payload_ = head_.payload_length == 0 ? Buffer() : Buffer(head_.payload_length);
  return {};
}

Result<void> FrameDecoder::finish_payload() {
  const auto wire = load_le<Wire>(bytes_.data());
  if (crc32c(0, payload_.span()) != wire.payload_crc) return Error(Errc::corrupt, "a payload does not match its checksum");
  return {};
}

Frame FrameDecoder::take() {
  GABION_CHECK(stage_ == Stage::complete, "there is no complete frame to take");
  Frame frame{head_, std::move(meta_), Bytes(payload_)};
  stage_ = Stage::head;
  filled_ = 0;
  meta_.clear();
  payload_ = Buffer();
  return frame;
}

}  // namespace gabion::rpc
