// Two nodes in one process that call each other over TLS on loopback: the time of one small call, small calls a second with
// many under way, and bytes a second. Both sides share the processors.
#include <fmt/format.h>

#include "tests/unit/rpc/test_node.h"

namespace gabion::test {
namespace {

constexpr NodeId n1{1}, n2{2};

// Callers that each make their share of `calls`, one after the other, from both threads of `node`.
double seconds_for(TestNode& node, int callers, int calls, std::vector<Bytes> payload, const std::string& header) {
  std::atomic<int> running{callers};
  std::promise<void> done;
  const auto caller = [&]() -> task<void> {
    for (int i = 0; i < calls / callers; ++i) {
      const auto reply = co_await node.channel(n2).call({}, rpc::Method::shard_put, header, payload);
      GABION_CHECK(reply.has_value(), "a call fails");
    }
    if (--running == 0) done.set_value();
  };
  const TimePoint start = node.clock.now();
  for (int i = 0; i < callers; ++i) {
    asio::co_spawn(node.executors()[static_cast<std::size_t>(i % 2)], caller(), [](std::exception_ptr) {});
  }
  done.get_future().wait();
  return std::chrono::duration<double>(node.clock.now() - start).count();
}

int run() {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  a.knows({b.address()});
  seconds_for(a, 2, 1000, {}, "echo");
  fmt::print("one small call at a time    {:8.1f} us\n", seconds_for(a, 1, 20'000, {}, "echo") / 20'000 * 1e6);
  fmt::print("small calls, 64 under way   {:8.0f} /s\n", 128'000 / seconds_for(a, 64, 128'000, {}, "echo"));
  const Bytes piece = Bytes::copy_of(std::string(1 * MiB, 'x'));
  fmt::print("1 MiB sent, 16 under way    {:8.0f} MiB/s\n", 3200 / seconds_for(a, 16, 3200, {piece}, "drop"));
  fmt::print("1 MiB fetched, 16 under way {:8.0f} MiB/s\n", 3200 / seconds_for(a, 16, 3200, {}, "big 1048576"));
  return 0;
}

}  // namespace
}  // namespace gabion::test

int main() { return gabion::test::run(); }
