#include "common/rpc/client.h"

#include <boost/asio/dispatch.hpp>
#include <set>

#include "common/check.h"
#include "common/rpc/link.h"

namespace gabion::rpc {
namespace {

// Posts on their way to the thread of the connection: more than this, and they are dropped.
constexpr std::size_t kHandedOverMax = 8 * MiB;
constexpr Duration kJoinTick = std::chrono::milliseconds(20);

}  // namespace

// Used on its own thread only.
struct PeerTable::Thread {
  Thread(PeerTable& table, Executor executor)
      : sweeper(table.clock_, table.options_.tick),
        tls(*table.options_.tls),
        host{{std::move(executor), table.clock_, sweeper, table.options_.limits, table.metrics_},
             {table.clock_, sweeper, tls, table.options_.self},
             table.options_.connect_time,
             table.gate_,
             table.stopping_} {}
  const Executor& executor() const { return host.connections.executor; }

  net::DeadlineSweeper sweeper;
  net::ThreadMutualTls tls;
  LinkHost host;
};

class PeerTable::PeerChannel final : public Channel {
 public:
  PeerChannel(PeerTable& table, NodeId node) : table_(table) {
    for (const auto& thread : table.threads_) links_.push_back(std::make_unique<Link>(thread->host, node, address_));
  }

  task<Result<Reply>> call(Context ctx, Method method, std::string header, std::vector<Bytes> payload) override {
    if (!table_.gate_.enter()) co_return Error(Errc::unavailable, "this node is stopping");
    const Executor home = co_await asio::this_coro::executor;
    const std::size_t own = thread_of(home);
    const std::size_t used = own < links_.size() ? own : 0;
    auto asked = links_[used]->call(ctx, method, std::move(header), std::move(payload));
    std::optional<Result<Reply>> reply;
    if (own == used) {
      reply.emplace(co_await std::move(asked));
    } else {
      reply.emplace(co_await run_on(table_.threads_[used]->executor(), std::move(asked)));
    }
    table_.gate_.leave();
    co_return std::move(*reply);
  }

  void post(Method method, std::string header, std::vector<Bytes> payload) override {
    const std::size_t bytes = header.size() + total_size(payload);
    const bool fits = handed_over_.fetch_add(bytes) + bytes <= kHandedOverMax;
    if (!fits || !table_.gate_.enter()) {
      handed_over_.fetch_sub(bytes);
      table_.metrics_.posts_dropped.add();
      return;
    }
    asio::dispatch(table_.threads_[0]->executor(),
                   [this, bytes, method, h = std::move(header), p = std::move(payload)]() mutable {
                     handed_over_.fetch_sub(bytes);
                     links_[0]->post(method, std::move(h), std::move(p));
                     table_.gate_.leave();
                   });
  }

  // nullopt: it is not known any more.
  void move_to(std::optional<PeerAddress> address) {
    const auto before = address_.get();
    if (before ? address == *before : !address) return;
    address_.set(address ? std::make_shared<const PeerAddress>(std::move(*address)) : nullptr);
    for (std::size_t i = 0; i < links_.size(); ++i) {
      if (!table_.gate_.enter()) return;
      asio::post(table_.threads_[i]->executor(), [this, i] {
        links_[i]->check_address();
        table_.gate_.leave();
      });
    }
  }

  Link& link(std::size_t thread) { return *links_[thread]; }

 private:
  std::size_t thread_of(const Executor& executor) const {
    std::size_t i = 0;
    while (i < links_.size() && table_.threads_[i]->executor() != executor) ++i;
    return i;
  }

  PeerTable& table_;
  CurrentAddress address_;
  std::vector<std::unique_ptr<Link>> links_;  // one for each thread, used there
  std::atomic<std::size_t> handed_over_{0};
};

PeerTable::PeerTable(std::vector<Executor> threads, Clock& clock, PeerTableOptions options, RpcMetrics& metrics)
    : clock_(clock), options_(std::move(options)), metrics_(metrics) {
  GABION_CHECK(!threads.empty() && options_.tls, "a table of peers needs a thread and credentials");
  for (Executor& executor : threads) threads_.push_back(std::make_unique<Thread>(*this, std::move(executor)));
}

PeerTable::~PeerTable() = default;

void PeerTable::start() {
  for (auto& thread : threads_) spawn(thread->executor(), loops_, "deadline sweeper", thread->sweeper.run());
}

std::vector<PeerTable::PeerChannel*> PeerTable::channels() const {
  std::vector<PeerChannel*> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [node, channel] : channels_) out.push_back(channel.get());
  return out;
}

void PeerTable::set_peers(std::vector<PeerAddress> peers) {
  std::set<NodeId> named;
  const std::lock_guard lock(mutex_);
  for (PeerAddress& peer : peers) {
    if (peer.node == options_.self.node || peer.node == NodeId{}) continue;
    named.insert(peer.node);
    auto& channel = channels_[peer.node];
    if (!channel) channel = std::make_unique<PeerChannel>(*this, peer.node);
    channel->move_to(std::move(peer));
  }
  for (auto& [node, channel] : channels_) {
    if (!named.contains(node)) channel->move_to(std::nullopt);
  }
}

Channel* PeerTable::find(NodeId node) {
  const std::lock_guard lock(mutex_);
  const auto it = channels_.find(node);
  return it == channels_.end() ? nullptr : it->second.get();
}

task<void> PeerTable::abort(Thread& thread) {
  const auto at = std::find_if(threads_.begin(), threads_.end(), [&](const auto& t) { return t.get() == &thread; });
  const auto index = static_cast<std::size_t>(at - threads_.begin());
  for (PeerChannel* channel : channels()) channel->link(index).abort();
  co_return;
}

task<void> PeerTable::stop() {
  stopping_.store(true);
  for (auto& thread : threads_) co_await run_on(thread->executor(), abort(*thread));
  co_await gate_.close();
  for (auto& thread : threads_) {
    Thread* t = thread.get();
    co_await offload(t->executor(), [t] { t->sweeper.stop(); });
  }
  co_await loops_.close();
}

// --- Joining ---

namespace {

task<Result<Reply>> join_over(ConnectionHost& host, std::unique_ptr<net::ByteStream> stream, Context ctx, std::string name,
                              std::string header) {
  Gate gate;
  Connection connection(host, std::move(stream), Peer{}, std::move(name), nullptr);
  spawn(host.executor, gate, "rpc join", connection.run());
  auto reply = co_await connection.call(ctx, Method::join, std::move(header), {});
  connection.abort();
  co_await gate.close();
  co_return reply;
}

}  // namespace

task<Result<Reply>> ask_to_join(Context ctx, PeerAddress at, std::string authority_prefix, std::string header, Clock& clock) {
  CO_TRY(const auto tls, net::MutualTls::for_stranger(std::move(authority_prefix), clock));
  const Executor executor = co_await asio::this_coro::executor;
  Gate gate;
  RpcMetrics metrics;
  net::DeadlineSweeper sweeper(clock, kJoinTick);
  net::ThreadMutualTls thread_tls(*tls);
  Dialer dialer{clock, sweeper, thread_tls, Identity{}};
  ConnectionHost host{executor, clock, sweeper, {}, metrics};
  spawn(executor, gate, "deadline sweeper", sweeper.run());

  Result<Reply> reply = Error(Errc::internal, "not asked");
  auto stream = co_await dial(dialer, at, ctx.deadline);
  if (stream) {
    reply = co_await join_over(host, std::move(*stream), ctx, to_string(at), std::move(header));
  } else {
    reply = stream.error();
  }
  sweeper.stop();
  co_await gate.close();
  co_return reply;
}

}  // namespace gabion::rpc
