#include "tools/serve/administration.h"

namespace gabion::serve {
namespace {

// A node that does not answer an operator's question in this time is as good as gone.
constexpr Duration kAnswerTime = std::chrono::seconds(20);

task<Result<AdminAnswer>> ask(rpc::Peers* peers, TimePoint latest, Context ctx, NodeId node, AdminRequest request) {
  if (peers == nullptr) co_return Error(Errc::unavailable, "this node is alone");
  ctx.deadline = std::min(ctx.deadline, latest);
  co_return co_await ask_node(*peers, ctx, node, std::move(request));
}

}  // namespace

AskNode Administration::ask_through(rpc::Peers* peers, Clock* clock) {
  return [peers, clock](Context ctx, NodeId node, AdminRequest request) {
    return ask(peers, clock->now() + kAnswerTime, ctx, node, std::move(request));
  };
}

ClusterControlOptions Administration::with_ask(ClusterControlOptions options, AskNode ask) {
  options.ask = std::move(ask);
  return options;
}

Administration::Administration(Options options)
    : control_(with_ask(options.control, ask_through(options.peers, options.control.clock))),
      api_(control_, ask_through(options.peers, options.control.clock)),
      front_(api_, *options.credentials, options.region, *options.control.clock) {}

task<Result<rpc::Reply>> Administration::handle(Context ctx, rpc::Peer peer, rpc::Method, std::string header, Bytes) {
  return answer_node(api_, ctx, peer, std::move(header));
}

}  // namespace gabion::serve
