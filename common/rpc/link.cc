#include "common/rpc/link.h"

#include <algorithm>

#include "common/log.h"

namespace gabion::rpc {
namespace {

constexpr Duration kFirstBackoff = std::chrono::milliseconds(50);
constexpr Duration kLastBackoff = std::chrono::seconds(1);
// A failure older than this says nothing any more: a call then waits for an attempt again.
constexpr Duration kMemory = std::chrono::seconds(2);

}  // namespace

// Lives in the frame of connected().
struct Link::Waiter final : net::DeadlineTarget {
  Waiter(net::DeadlineSweeper& sweeper, TimePoint deadline) : DeadlineTarget(sweeper) { start_deadline(deadline); }
  void expire() override { done.set(); }
  using DeadlineTarget::expired;
  Event done;
};

task<Result<Reply>> Link::call(Context ctx, Method method, std::string header, std::vector<Bytes> payload) {
  CO_TRY(const auto connection, co_await connected(ctx));
  co_return co_await connection->call(ctx, method, std::move(header), std::move(payload));
}

void Link::post(Method method, std::string header, std::vector<Bytes> payload) {
  if (Connection* connection = open_connection()) {
    connection->post(method, std::move(header), std::move(payload));
  } else {
    host_.connections.metrics.posts_dropped.add();
    attempt();
  }
}

void Link::check_address() {
  if (!connection_ || connected_to_ == address_.get()) return;
  connection_->drain();
  connection_.reset();
}

void Link::abort() {
  for (Connection* connection : living_) connection->abort();
}

Connection* Link::open_connection() {
  check_address();
  return connection_ && connection_->open() ? connection_.get() : nullptr;
}

Error Link::unreachable_error() const {
  if (failed_at_address_) return Error(Errc::unavailable, failure_.message);
  return Error(Errc::unavailable, to_string(node_) + " is not connected");
}

// During an attempt that follows a failure it is still the failure that is known.
bool Link::is_unreachable() const {
  if (!failed_at_address_ || failed_at_address_ != address_.get()) return false;
  return attempting_ || host_.dialer.clock.now() < failed_at_ + std::max(backoff_, kMemory);
}

task<Result<std::shared_ptr<Connection>>> Link::connected(Context ctx) {
  if (open_connection() != nullptr) co_return connection_;
  if (!address_.get()) co_return Error(Errc::unavailable, to_string(node_) + " is not a node of the cluster any more");
  const bool hopeless = is_unreachable();
  attempt();
  if (hopeless || !attempting_) co_return unreachable_error();
  if (waiters_.size() >= host_.connections.limits.calls) {
    host_.connections.metrics.exhausted.add();
    co_return Error(Errc::exhausted, "too many calls wait for a connection to " + to_string(node_));
  }
  const TimePoint patience = host_.dialer.clock.now() + host_.connect_time + std::chrono::seconds(1);
  Waiter waiter(host_.connections.sweeper, std::min(ctx.deadline, patience));
  waiters_.push_back(&waiter);
  co_await waiter.done.wait();
  std::erase(waiters_, &waiter);
  if (open_connection() != nullptr) co_return connection_;
  if (waiter.expired() && attempting_) co_return Error(Errc::deadline, "no connection to " + to_string(node_) + " in time");
  co_return unreachable_error();
}

void Link::attempt() {
  auto address = address_.get();
  if (attempting_ || !address || host_.stopping) return;
  const bool too_early = address == failed_at_address_ && host_.dialer.clock.now() < failed_at_ + backoff_;
  if (too_early) return;
  attempting_ = true;
  if (!spawn(host_.connections.executor, host_.gate, "rpc link", live(std::move(address)))) attempting_ = false;
}

task<void> Link::live(CurrentAddress::Pointer address) {
  auto stream = co_await dial(host_.dialer, *address, host_.dialer.clock.now() + host_.connect_time);
  attempting_ = false;
  if (address != address_.get() && !host_.stopping) {
    if (stream) (*stream)->abort();
    attempt();
    if (!attempting_) wake_waiters();
    co_return;
  }
  if (!stream || host_.stopping) {
    note_failure(stream ? Error(Errc::cancelled, "this node is stopping") : stream.error());
    failed_at_address_ = std::move(address);
    wake_waiters();
    co_return;
  }
  auto connection =
      std::make_shared<Connection>(host_.connections, std::move(*stream), Peer{node_}, to_string(*address), nullptr);
  connection_ = connection;
  connected_to_ = address;
  failed_at_address_.reset();
  backoff_ = {};
  wake_waiters();
  living_.insert(connection.get());
  co_await connection->run();
  living_.erase(connection.get());
  if (connection_ == connection) connection_.reset();
  if (connection->peer_was_silent()) {
    note_failure(Error(Errc::unavailable, to_string(*address) + " does not answer any more"));
    failed_at_address_ = std::move(address);
  }
}

void Link::note_failure(Error error) {
  const bool first = backoff_ == Duration{};
  backoff_ = first ? kFirstBackoff : std::min(2 * backoff_, kLastBackoff);
  failed_at_ = host_.dialer.clock.now();
  if (first && !host_.stopping) {
    LOG(info, "rpc", "a peer cannot be reached", field("peer", to_string(node_)), field("why", error.message));
  }
  failure_ = std::move(error);
}

void Link::wake_waiters() {
  for (Waiter* waiter : std::exchange(waiters_, {})) waiter->done.set();
}

}  // namespace gabion::rpc
