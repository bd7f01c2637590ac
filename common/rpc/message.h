// What the frames of calls and their answers hold: the forms of rpc.h on one side, FrameHead and meta on the other. Pure
// functions, shared by Connection and LoopbackChannel.
#pragma once

#include <string>
#include <vector>

#include "common/context.h"
#include "common/rpc/frame.h"
#include "common/rpc/rpc.h"

namespace gabion::rpc {

struct OutgoingFrame {
  FrameHead head;
  std::string meta;
  std::vector<Bytes> payload;
  TimePoint deadline = TimePoint::max();  // the head's deadline is what is left when it is sent
  std::size_t size() const { return kFrameHeadBytes + meta.size() + total_size(payload); }
};

// A call, or a post, which has no id. too_large: over the limits of rpc.h.
Result<OutgoingFrame> make_question(FrameKind kind, Context ctx, Method method, std::string header, std::vector<Bytes> payload);
// An answer too large to send becomes an error.
OutgoingFrame make_answer(const FrameHead& question, Result<Reply> reply);
// Rounded up: a deadline that has not passed is never sent as one that has.
std::uint32_t remaining_ms(TimePoint deadline, TimePoint now);

struct Question {
  Context ctx;
  Method method{};
  std::string header;
  Bytes payload;
};
Result<Question> read_question(Frame frame, TimePoint now);
// Of an answer or an error.
Result<Reply> read_answer(Frame frame);

}  // namespace gabion::rpc
