// A handler whose header says what to do: "echo", "drop", "fail", "hang" (until release()), "sleep <ms>", "big <bytes>",
// "deadline" (answers the milliseconds left), "peer", "note <text>".
#pragma once

#include <atomic>
#include <string>

#include "common/async.h"
#include "common/clock.h"
#include "common/rpc/rpc.h"

namespace gabion::test {

class ScriptedHandler final : public rpc::Handler {
 public:
  explicit ScriptedHandler(Clock& clock) : clock_(clock) {}

  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override {
    ++calls;
    const int now = ++under_way;
    most_under_way = std::max<int>(most_under_way, now);
    auto reply = co_await act(ctx, peer, method, std::move(header), std::move(payload));
    --under_way;
    co_return reply;
  }
  void release() { released_ = true; }

  std::atomic<int> calls{0}, under_way{0}, most_under_way{0};
  std::atomic<std::uint64_t> last_trace{0};
  std::atomic<Priority> last_priority{Priority::interactive};
  std::string noted;  // of "note ...", in order; for one thread

 private:
  task<Result<rpc::Reply>> act(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) {
    last_trace = ctx.trace;
    last_priority = ctx.priority;
    if (header.starts_with("note ")) {
      noted += header.substr(5);
      co_return rpc::Reply{};
    }
    if (header == "fail") co_return Error(Errc::not_leader, "ask n2");
    if (header == "drop") co_return rpc::Reply{};
    if (header == "peer") co_return rpc::Reply{to_string(peer.node), {}};
    if (header == "deadline") {
      const auto left = std::chrono::round<std::chrono::milliseconds>(ctx.deadline - clock_.now());
      co_return rpc::Reply{std::to_string(left.count()), {}};
    }
    if (header == "hang") {
      while (!released_) co_await clock_.sleep(std::chrono::milliseconds(5));
    }
    if (header.starts_with("sleep ")) co_await clock_.sleep(std::chrono::milliseconds(std::stoi(header.substr(6))));
    if (header.starts_with("big ")) {
      const std::string bytes(std::stoul(header.substr(4)), 'b');
      co_return rpc::Reply{"", Bytes::copy_of(bytes)};
    }
    co_return rpc::Reply{header + "/" + std::to_string(static_cast<int>(method)), std::move(payload)};
  }

  Clock& clock_;
  std::atomic<bool> released_{false};
};

}  // namespace gabion::test
