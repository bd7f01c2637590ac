#include "common/rpc/connection.h"

#include "common/check.h"
#include "common/log.h"
#include "common/rpc/status.h"

namespace gabion::rpc {
namespace {

constexpr Duration kLastWords = std::chrono::milliseconds(100);
// Strangers have no business with anything large.
constexpr FrameLimits kStrangerLimits{.meta = 64 * KiB, .payload = 0};

std::size_t size_of(const Question& question) { return question.header.size() + question.payload.size(); }

FrameLimits frame_limits(Peer peer) { return peer.node == NodeId{} ? kStrangerLimits : FrameLimits{}; }

}  // namespace

// Lives in the frame of call(). The sweeper ends it at its deadline.
struct Connection::PendingCall final : net::DeadlineTarget {
  PendingCall(Connection& c, std::uint64_t number, std::size_t size, TimePoint deadline)
      : DeadlineTarget(c.host_.sweeper), connection(c), id(number), bytes(size) {
    start_deadline(deadline);
  }
  void expire() override {
    if (!result) connection.settle(*this, Error(Errc::deadline, connection.name_ + " has not answered in time"));
  }
  Connection& connection;
  const std::uint64_t id;
  const std::size_t bytes;
  bool sent = false;
  std::optional<Result<Reply>> result;
  Event done;
};

Connection::Connection(ConnectionHost& host, std::unique_ptr<net::ByteStream> stream, Peer peer, std::string name,
                       Handler* handler)
    : DeadlineTarget(host.sweeper),
      host_(host),
      stream_(std::move(stream)),
      peer_(peer),
      name_(std::move(name)),
      handler_(handler),
      writer_(*stream_, host.clock, [this](std::uint64_t id) { return mark_sent(id); }, host.metrics.bytes_out) {}

Connection::~Connection() { GABION_CHECK(pending_.empty() && serving_ == 0, "a connection is destroyed with calls under way"); }

task<void> Connection::run() {
  host_.metrics.connections.add(1);
  start_deadline(host_.clock.now() + host_.limits.ping_interval);
  spawn(host_.executor, gate_, "rpc writer", write_loop());
  co_await read_loop();
  co_await gate_.close();
  start_deadline(TimePoint::max());
  host_.metrics.connections.add(-1);
}

task<void> Connection::read_loop() {
  FrameDecoder decoder(frame_limits(peer_));
  while (!ended_) {
    const auto n = co_await stream_->read_some(decoder.room());
    if (!n) co_return end(n.error());
    heard_ = true;
    host_.metrics.bytes_in.add(*n);
    const auto complete = decoder.commit(*n);
    if (!complete) co_return end(complete.error());
    if (!*complete) continue;
    const auto accepted = accept(decoder.take());
    if (!accepted) co_return end(accepted.error());
  }
}

task<void> Connection::write_loop() {
  const auto written = co_await writer_.run();
  if (!written) {
    // The peer may have answered before it closed: the reader gets a moment to find that.
    write_failed_ = written.error();
    if (!ended_) start_deadline(host_.clock.now() + kLastWords);
    co_return;
  }
  if (!ended_) co_await stream_->close();  // everything is sent: an orderly end
  end(Error(Errc::end_of_stream, "the connection was closed"));
}

Result<void> Connection::accept(Frame frame) {
  switch (frame.head.kind) {
    case FrameKind::call:
    case FrameKind::post: return accept_question(std::move(frame));
    case FrameKind::answer:
    case FrameKind::error: accept_answer(std::move(frame)); return {};
    case FrameKind::ping: return {};
    case FrameKind::goodbye:
      peer_leaves_ = true;
      finish_when_idle();
      return {};
    case FrameKind::refusal: return decode_error(frame.meta);
    case FrameKind::hello: break;
  }
  return Error(Errc::invalid, "a second greeting");
}

// --- Calling ---

Result<void> Connection::may_call(std::size_t bytes) const {
  if (ended_) return Error(Errc::unavailable, name_ + ": " + why_.message);
  if (!open()) return Error(Errc::unavailable, name_ + ": the connection is being closed");
  const bool full = pending_.size() >= host_.limits.calls ||
                    (pending_bytes_ != 0 && pending_bytes_ + bytes > host_.limits.bytes);
  if (!full) return {};
  host_.metrics.exhausted.add();
  return Error(Errc::exhausted, "too much is under way to " + name_);
}

task<Result<Reply>> Connection::call(Context ctx, Method method, std::string header, std::vector<Bytes> payload) {
  CO_TRY(auto frame, make_question(FrameKind::call, ctx, method, std::move(header), std::move(payload)));
  frame.head.id = ++last_id_;
  if (ctx.deadline <= host_.clock.now()) co_return Error(Errc::deadline, "no time was left to ask " + name_);
  CO_CHECK(may_call(frame.size()));

  PendingCall pending(*this, frame.head.id, frame.size(), ctx.deadline);
  pending_.emplace(pending.id, &pending);
  pending_bytes_ += pending.bytes;
  host_.metrics.calls.add();
  writer_.push(std::move(frame));
  co_await pending.done.wait();
  co_return std::move(*pending.result);
}

void Connection::post(Method method, std::string header, std::vector<Bytes> payload) {
  auto frame = make_question(FrameKind::post, {}, method, std::move(header), std::move(payload));
  if (!frame || !open() || writer_.queued_posts() + frame->size() > host_.limits.posts) {
    host_.metrics.posts_dropped.add();
    return;
  }
  writer_.push(std::move(*frame));
}

bool Connection::mark_sent(std::uint64_t id) {
  const auto it = pending_.find(id);
  if (it == pending_.end()) return false;
  it->second->sent = true;
  return true;
}

void Connection::accept_answer(Frame frame) {
  const auto it = pending_.find(frame.head.id);
  if (it == pending_.end()) return;  // its caller has given up
  PendingCall& call = *it->second;
  settle(call, read_answer(std::move(frame)));
}

void Connection::settle(PendingCall& call, Result<Reply> result) {
  pending_.erase(call.id);
  pending_bytes_ -= call.bytes;
  call.result.emplace(std::move(result));
  call.done.set();
  finish_when_idle();
}

// --- Serving ---

Result<void> Connection::accept_question(Frame frame) {
  if (handler_ == nullptr) return Error(Errc::invalid, "the peer calls where nothing is served");
  const FrameHead head = frame.head;
  TRY(auto question, read_question(std::move(frame), host_.clock.now()));
  const auto refused = may_be_served(question);
  if (!refused) {
    // Refusals take memory too, when nobody reads them.
    if (is_stranger() && writer_.queued_bytes() > host_.limits.bytes) return refused;
    if (head.kind == FrameKind::call) writer_.push(make_answer(head, refused.error()));
    if (refused.error().code == Errc::denied) drain();
    return {};
  }
  ++serving_;
  serving_bytes_ += size_of(question);
  host_.metrics.served.add();
  spawn(host_.executor, gate_, "rpc call", serve(head, std::move(question)));
  return {};
}

Result<void> Connection::may_be_served(const Question& question) const {
  if (is_stranger() && question.method != Method::join) {
    return Error(Errc::denied, "a node without a certificate may only join");
  }
  if (draining_) return Error(Errc::unavailable, "the node is stopping");
  const bool full = serving_ >= host_.limits.calls ||
                    (serving_bytes_ != 0 && serving_bytes_ + size_of(question) > host_.limits.bytes) ||
                    writer_.queued_bytes() > host_.limits.bytes;
  if (!full) return {};
  host_.metrics.exhausted.add();
  return Error(Errc::exhausted, "the node has too much under way for this peer");
}

task<void> Connection::serve(FrameHead head, Question question) {
  const std::size_t bytes = size_of(question);
  auto reply = co_await handler_->handle(question.ctx, peer_, question.method, std::move(question.header),
                                         std::move(question.payload));
  --serving_;
  serving_bytes_ -= bytes;
  if (head.kind == FrameKind::call) writer_.push(make_answer(head, std::move(reply)));
  finish_when_idle();
}

// --- The end ---

void Connection::drain() {
  if (ended_ || std::exchange(draining_, true)) return;
  OutgoingFrame goodbye;
  goodbye.head.kind = FrameKind::goodbye;
  writer_.push(std::move(goodbye));
  finish_when_idle();
}

void Connection::finish_when_idle() {
  if ((draining_ || peer_leaves_) && pending_.empty() && serving_ == 0) writer_.finish();
}

void Connection::end(Error why) {
  if (std::exchange(ended_, true)) return;
  const bool orderly = (draining_ || peer_leaves_) && pending_.empty() && serving_ == 0;
  if (!orderly) host_.metrics.broken.add();
  LOG(debug, "rpc", "connection ended", field("peer", name_), field("why", why.message));
  why_ = std::move(why);
  while (!pending_.empty()) {
    PendingCall& call = *pending_.begin()->second;
    if (call.sent) {
      settle(call, Error(Errc::unknown_outcome, name_ + ": the connection broke before the answer: " + why_.message));
    } else {
      settle(call, Error(Errc::unavailable, name_ + ": " + why_.message));
    }
  }
  writer_.stop();
  stream_->abort();
}

// Every half second: say something, and see whether the peer did. Its intervals are counted and not its time, so that a
// pause of this very process does not make all its peers look dead.
void Connection::expire() {
  if (ended_) return;
  if (write_failed_) return end(*write_failed_);
  silent_looks_ = std::exchange(heard_, false) ? 0 : silent_looks_ + 1;
  if (silent_looks_ >= host_.limits.silent_intervals) {
    silent_ = true;
    end(Error(Errc::unavailable, "nothing was heard from it for too long"));
    return;
  }
  writer_.ping();
  start_deadline(host_.clock.now() + host_.limits.ping_interval);
}

// --- Metrics ---

void RpcMetrics::register_with(MetricsRegistry& registry, const std::string& labels) const {
  registry.add("gabion_rpc_connections", "Open connections between nodes.", labels, connections);
  registry.add("gabion_rpc_accepted_total", "Connections accepted from nodes.", labels, accepted);
  registry.add("gabion_rpc_refused_total", "Connections refused: wrong cluster, wrong certificate or no greeting.", labels,
               refused);
  registry.add("gabion_rpc_calls_total", "Calls asked of other nodes.", labels, calls);
  registry.add("gabion_rpc_served_total", "Calls and posts of other nodes that were handled.", labels, served);
  registry.add("gabion_rpc_posts_dropped_total", "One-way messages dropped.", labels, posts_dropped);
  registry.add("gabion_rpc_exhausted_total", "Calls refused because too much was under way.", labels, exhausted);
  registry.add("gabion_rpc_broken_total", "Connections that broke.", labels, broken);
  registry.add("gabion_rpc_received_bytes_total", "Bytes received from nodes, without TLS.", labels, bytes_in);
  registry.add("gabion_rpc_sent_bytes_total", "Bytes sent to nodes, without TLS.", labels, bytes_out);
}

}  // namespace gabion::rpc
