// Frames survive the trip, and nothing else passes for one: every truncation waits, every flipped bit is noticed, and no
// length is believed before it is checked.
#include "common/rpc/frame.h"

#include <catch2/catch_test_macros.hpp>

#include "common/crc.h"
#include "common/rpc/message.h"
#include "common/rpc/status.h"

namespace gabion::rpc {
namespace {

std::string wire_of(FrameHead head, std::string_view meta, std::string_view payload) {
  const Bytes piece = Bytes::copy_of(payload);
  return encode_frame(head, meta, {&piece, 1}) + std::string(payload);
}

// Feeds at most `step` bytes at a time. The frame, nothing when bytes are missing, or the error.
Result<std::optional<Frame>> decode(std::string_view wire, std::size_t step = SIZE_MAX, FrameLimits limits = {}) {
  FrameDecoder decoder(limits);
  while (!wire.empty()) {
    const MutableBytes room = decoder.room();
    const std::size_t n = std::min({room.size(), wire.size(), step});
    std::memcpy(room.data(), wire.data(), n);
    wire.remove_prefix(n);
    TRY(const bool complete, decoder.commit(n));
    if (complete) return std::optional(decoder.take());
  }
  return std::optional<Frame>();
}

FrameHead sample_head() {
  FrameHead head;
  head.kind = FrameKind::call;
  head.priority = Priority::background;
  head.method = 33;
  head.id = 0x1122334455667788;
  head.deadline_ms = 1234;
  return head;
}

// The head's checksum made right again after a field was changed, as a hostile peer would.
std::string resealed(std::string wire, std::size_t meta_length) {
  store_le<std::uint32_t>(wire.data() + 28, 0);
  const std::uint32_t crc = crc32c(0, as_bytes(std::string_view(wire).substr(0, kFrameHeadBytes + meta_length)));
  store_le(wire.data() + 28, crc);
  return wire;
}

}  // namespace

TEST_CASE("the bytes of a frame are as documented") {
  const std::string wire = wire_of(sample_head(), "meta", "payload");
  CHECK(wire.size() == kFrameHeadBytes + 4 + 7);
  CHECK(wire.substr(0, 4) == "GBRP");
  CHECK(wire[4] == 1);
  CHECK(wire[5] == static_cast<char>(FrameKind::call));
  CHECK(load_le<std::uint16_t>(wire.data() + 6) == 33);
  CHECK(load_le<std::uint64_t>(wire.data() + 8) == 0x1122334455667788);
  CHECK(load_le<std::uint32_t>(wire.data() + 16) == 4);
  CHECK(load_le<std::uint32_t>(wire.data() + 20) == 7);
  CHECK(load_le<std::uint32_t>(wire.data() + 24) == 1234);
  CHECK(load_le<std::uint32_t>(wire.data() + 32) == crc32c(0, as_bytes("payload")));
  CHECK(wire[36] == 1);
  CHECK(wire.substr(kFrameHeadBytes) == "metapayload");
  CHECK(resealed(wire, 4) == wire);
}

TEST_CASE("frames are decoded whole, byte by byte, and one after the other") {
  const std::string big(300'000, 'm');
  const std::string payload(1'000'000, 'p');
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, SIZE_MAX}) {
    const auto frame = decode(wire_of(sample_head(), big, payload), step);
    REQUIRE(frame.has_value());
    REQUIRE(frame->has_value());
    CHECK((*frame)->meta == big);
    CHECK((*frame)->payload.text() == payload);
    CHECK((*frame)->head.id == sample_head().id);
    CHECK((*frame)->head.method == 33);
    CHECK((*frame)->head.deadline_ms == 1234);
    CHECK((*frame)->head.priority == Priority::background);
  }
  const auto empty = decode(wire_of({}, "", ""));
  REQUIRE(empty->has_value());
  CHECK((*empty)->head.kind == FrameKind::ping);
  CHECK((*empty)->payload.empty());
}

TEST_CASE("a frame cut anywhere is incomplete, never wrong") {
  const std::string wire = wire_of(sample_head(), "some meta", "some payload");
  for (std::size_t length = 0; length < wire.size(); ++length) {
    const auto frame = decode(std::string_view(wire).substr(0, length));
    REQUIRE(frame.has_value());
    CHECK(!frame->has_value());
  }
}

TEST_CASE("every flipped bit is an error, or leaves the frame incomplete") {
  const std::string wire = wire_of(sample_head(), "some meta", "some payload");
  for (std::size_t bit = 0; bit < wire.size() * 8; ++bit) {
    std::string flipped = wire;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto frame = decode(flipped);
    CHECK((!frame || !frame->has_value()));
  }
}

TEST_CASE("lengths over the limit are refused before their bytes arrive, whatever the checksum says") {
  std::string wire = wire_of(sample_head(), "meta", "");
  store_le<std::uint32_t>(wire.data() + 16, kHeaderMax + kTraceBytes + 1);
  CHECK(decode(resealed(wire, 4)).error().code == Errc::too_large);
  wire = wire_of(sample_head(), "meta", "");
  store_le<std::uint32_t>(wire.data() + 20, kPayloadMax + 1);
  CHECK(decode(resealed(wire, 4)).error().code == Errc::too_large);
  store_le<std::uint32_t>(wire.data() + 20, 0xffffffff);
  CHECK(decode(resealed(wire, 4)).error().code == Errc::too_large);

  const FrameLimits small{.meta = 10, .payload = 0};
  CHECK(decode(wire_of({}, "0123456789", ""), SIZE_MAX, small)->has_value());
  CHECK(decode(wire_of({}, "0123456789a", ""), SIZE_MAX, small).error().code == Errc::too_large);
  CHECK(decode(wire_of({}, "", "x"), SIZE_MAX, small).error().code == Errc::too_large);
}

TEST_CASE("memory for meta follows what has arrived, and none is taken for a payload whose head is not intact") {
  std::string wire = wire_of(sample_head(), std::string(kHeaderMax, 'm'), "");
  FrameDecoder decoder;
  std::memcpy(decoder.room().data(), wire.data(), kFrameHeadBytes);
  REQUIRE(!*decoder.commit(kFrameHeadBytes));
  std::size_t arrived = 0;
  while (arrived < 1 * MiB) {
    const std::size_t room = decoder.room().size();
    CHECK(room <= std::max<std::size_t>(arrived, 16 * KiB));
    arrived += room;
    REQUIRE(!*decoder.commit(room));
  }
  wire = wire_of(sample_head(), "meta", "");
  store_le<std::uint32_t>(wire.data() + 20, kPayloadMax);
  CHECK(decode(wire).error().code == Errc::corrupt);
}

TEST_CASE("other protocols, versions and kinds are told by name") {
  CHECK(decode("GET / HTTP/1.1\r\nHost: somewhere.example\r\n\r\n").error().code == Errc::invalid);
  std::string wire = wire_of(sample_head(), "", "");
  wire[4] = 2;
  CHECK(decode(resealed(wire, 0)).error().message.find("version 2") != std::string::npos);
  wire[4] = 1;
  for (const char kind : {0, 9, -1}) {
    wire[5] = kind;
    CHECK(decode(resealed(wire, 0)).error().code == Errc::invalid);
  }
  // A later version may use the reserved bytes.
  wire = wire_of(sample_head(), "", "");
  wire[37] = 1;
  CHECK(decode(resealed(wire, 0))->has_value());
}

TEST_CASE("errors keep code and text; a code of a newer version is internal") {
  for (int code = static_cast<int>(Errc::not_found); code <= static_cast<int>(Errc::internal); ++code) {
    const Error error(static_cast<Errc>(code), "because of " + std::to_string(code));
    const Error back = decode_error(encode_error(error));
    CHECK(back.code == error.code);
    CHECK(back.message == error.message);
  }
  CHECK(encode_error(Error(Errc::not_leader, "x")) == std::string("\x0d\0x", 3));
  const Error newer = decode_error(std::string("\x99\x00what", 6));
  CHECK(newer.code == Errc::internal);
  CHECK(newer.message.find("what") != std::string::npos);
  CHECK(decode_error("").code == Errc::internal);
  CHECK(decode_error(encode_error(Error(Errc::invalid, std::string(1 * MiB, 'x')))).message.size() == 4 * KiB);
}

TEST_CASE("deadlines travel as what is left, rounded up, and come back as a moment") {
  const TimePoint now = TimePoint(std::chrono::seconds(1000));
  CHECK(remaining_ms(TimePoint::max(), now) == kNoDeadline);
  CHECK(remaining_ms(now, now) == 0);
  CHECK(remaining_ms(now - std::chrono::seconds(1), now) == 0);
  CHECK(remaining_ms(now + std::chrono::microseconds(1), now) == 1);
  CHECK(remaining_ms(now + std::chrono::milliseconds(70), now) == 70);
  CHECK(remaining_ms(now + std::chrono::hours(24 * 365), now) == kNoDeadline - 1);

  Context ctx{now + std::chrono::seconds(2), 42, Priority::background};
  auto question = make_question(FrameKind::call, ctx, Method::heartbeat, "header", {});
  REQUIRE(question.has_value());
  Frame frame{question->head, question->meta, {}};
  frame.head.deadline_ms = remaining_ms(question->deadline, now);
  const auto read = read_question(std::move(frame), now);
  REQUIRE(read.has_value());
  CHECK(read->ctx.deadline == ctx.deadline);
  CHECK(read->ctx.trace == 42);
  CHECK(read->ctx.priority == Priority::background);
  CHECK(read->header == "header");
  CHECK(read_question(Frame{{}, "short", {}}, now).error().code == Errc::invalid);
}

TEST_CASE("messages over the limits are not made") {
  CHECK(make_question(FrameKind::call, {}, Method::join, std::string(kHeaderMax, 'x'), {}).has_value());
  CHECK(make_question(FrameKind::call, {}, Method::join, std::string(kHeaderMax + 1, 'x'), {}).error().code ==
        Errc::too_large);
  const Bytes half = Bytes(Buffer(kPayloadMax / 2));
  CHECK(make_question(FrameKind::call, {}, Method::join, "", {half, half}).has_value());
  CHECK(make_question(FrameKind::call, {}, Method::join, "", {half, half, Bytes::copy_of("x")}).error().code ==
        Errc::too_large);
  CHECK(make_answer({}, Reply{std::string(kHeaderMax + 1, 'x'), {}}).head.kind == FrameKind::error);
}

}  // namespace gabion::rpc
