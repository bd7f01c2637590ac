#include "common/rpc/message.h"

#include <algorithm>

#include "common/rpc/status.h"

namespace gabion::rpc {

Result<OutgoingFrame> make_question(FrameKind kind, Context ctx, Method method, std::string header, std::vector<Bytes> payload) {
  if (header.size() > kHeaderMax || total_size(payload) > kPayloadMax) {
    return Error(Errc::too_large, "a message of " + std::to_string(header.size()) + " + " + std::to_string(total_size(payload)) +
                                      " bytes is over the limit");
  }
  OutgoingFrame frame;
  frame.head.kind = kind;
  frame.head.priority = ctx.priority;
  frame.head.method = static_cast<std::uint16_t>(method);
  frame.deadline = ctx.deadline;
  frame.meta = std::move(header);
  frame.meta.resize(frame.meta.size() + kTraceBytes);
  store_le(frame.meta.data() + frame.meta.size() - kTraceBytes, ctx.trace);
  frame.payload = std::move(payload);
  return frame;
}

OutgoingFrame make_answer(const FrameHead& question, Result<Reply> reply) {
  if (reply && (reply->header.size() > kHeaderMax || reply->payload.size() > kPayloadMax)) {
    reply = Error(Errc::internal, "the answer to method " + std::to_string(question.method) + " is too large to send");
  }
  OutgoingFrame frame;
  frame.head.priority = question.priority;
  frame.head.method = question.method;
  frame.head.id = question.id;
  if (reply) {
    frame.head.kind = FrameKind::answer;
    frame.meta = std::move(reply->header);
    if (!reply->payload.empty()) frame.payload.push_back(std::move(reply->payload));
  } else {
    frame.head.kind = FrameKind::error;
    frame.meta = encode_error(reply.error());
  }
  return frame;
}

std::uint32_t remaining_ms(TimePoint deadline, TimePoint now) {
  if (deadline == TimePoint::max()) return kNoDeadline;
  if (deadline <= now) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<std::uint32_t>(std::min<std::int64_t>(ms, kNoDeadline - 1));
}

Result<Question> read_question(Frame frame, TimePoint now) {
  if (frame.meta.size() < kTraceBytes) return Error(Errc::invalid, "a call without its trace id");
  const std::size_t header_size = frame.meta.size() - kTraceBytes;
  Question question;
  if (frame.head.deadline_ms != kNoDeadline) question.ctx.deadline = now + std::chrono::milliseconds(frame.head.deadline_ms);
  question.ctx.trace = load_le<std::uint64_t>(frame.meta.data() + header_size);
  question.ctx.priority = frame.head.priority;
  question.method = static_cast<Method>(frame.head.method);
  frame.meta.resize(header_size);
  question.header = std::move(frame.meta);
  question.payload = std::move(frame.payload);
  return question;
}

Result<Reply> read_answer(Frame frame) {
  if (frame.head.kind == FrameKind::error) return decode_error(frame.meta);
  return Reply{std::move(frame.meta), std::move(frame.payload)};
}

}  // namespace gabion::rpc
