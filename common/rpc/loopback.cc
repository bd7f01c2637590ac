#include "common/rpc/loopback.h"

#include <algorithm>
#include <optional>

#include "common/check.h"
#include "common/rpc/message.h"

namespace gabion::rpc {
namespace {

std::string to_wire(OutgoingFrame frame, TimePoint now) {
  frame.head.deadline_ms = remaining_ms(frame.deadline, now);
  std::string wire = encode_frame(frame.head, frame.meta, frame.payload);
  for (const Bytes& piece : frame.payload) wire += piece.text();
  return wire;
}

Frame from_wire(std::string_view wire) {
  FrameDecoder decoder;
  while (true) {
    const MutableBytes room = decoder.room();
    GABION_CHECK(room.size() <= wire.size(), "an encoded frame ends early");
    std::memcpy(room.data(), wire.data(), room.size());
    wire.remove_prefix(room.size());
    const auto complete = decoder.commit(room.size());
    GABION_CHECK(complete.has_value(), "an encoded frame cannot be decoded");
    if (*complete) return decoder.take();
  }
}

}  // namespace

// One call, shared by its caller, its handler and its deadline: whichever of the last two comes first settles it.
struct LoopbackChannel::Exchange {
  std::string question;
  TimePoint deadline;
  std::mutex mutex;
  std::optional<Result<Reply>> result;
  Event done;

  void settle(Result<Reply> reply) {
    {
      const std::lock_guard lock(mutex);
      if (result) return;
      result.emplace(std::move(reply));
    }
    done.set();
  }
  bool settled() {
    const std::lock_guard lock(mutex);
    return result.has_value();
  }
};

task<void> LoopbackChannel::serve(std::shared_ptr<Exchange> exchange) {
  Frame frame = from_wire(exchange->question);
  const FrameHead head = frame.head;
  auto question = read_question(std::move(frame), clock_.now());
  GABION_CHECK(question.has_value(), "an encoded question cannot be read");
  auto reply = co_await handler_.handle(question->ctx, self_, question->method, std::move(question->header),
                                        std::move(question->payload));
  exchange->settle(read_answer(from_wire(to_wire(make_answer(head, std::move(reply)), clock_.now()))));
}

task<void> LoopbackChannel::watch(std::shared_ptr<Exchange> exchange) {
  while (!exchange->settled()) {
    const TimePoint now = clock_.now();
    if (now >= exchange->deadline) {
      exchange->settle(Error(Errc::deadline, to_string(self_.node) + " has had no answer in time"));
    } else {
      co_await clock_.sleep(std::min<Duration>(kTick, exchange->deadline - now));
    }
  }
}

task<Result<Reply>> LoopbackChannel::call(Context ctx, Method method, std::string header, std::vector<Bytes> payload) {
  CO_TRY(auto frame, make_question(FrameKind::call, ctx, method, std::move(header), std::move(payload)));
  auto exchange = std::make_shared<Exchange>();
  exchange->deadline = ctx.deadline;
  exchange->question = to_wire(std::move(frame), clock_.now());
  if (!spawn(executor_, gate_, "loopback call", serve(exchange))) {
    co_return Error(Errc::unavailable, "the channel is stopped");
  }
  if (ctx.deadline != TimePoint::max()) spawn(executor_, gate_, "loopback deadline", watch(exchange));
  co_await exchange->done.wait();
  co_return std::move(*exchange->result);
}

void LoopbackChannel::post(Method method, std::string header, std::vector<Bytes> payload) {
  auto frame = make_question(FrameKind::post, {}, method, std::move(header), std::move(payload));
  if (!frame) return;
  auto exchange = std::make_shared<Exchange>();
  exchange->question = to_wire(std::move(*frame), clock_.now());
  spawn(executor_, gate_, "loopback post", serve(std::move(exchange)));
}

}  // namespace gabion::rpc
