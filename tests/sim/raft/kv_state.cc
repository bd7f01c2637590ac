#include "tests/sim/raft/kv_state.h"

#include <fmt/format.h>

#include <sstream>

#include "common/check.h"

namespace gabion::metadata::raft::test {
namespace {

using namespace std::chrono_literals;

constexpr int kInstallTries = 40;

}  // namespace

std::string KvCommand::text() const {
  return fmt::format("{} {} {} {} {}", number, static_cast<char>(kind), key, value, expected);
}

KvCommand KvCommand::parse(const std::string& text) {
  std::istringstream in(text);
  KvCommand command;
  char kind = 0;
  in >> command.number >> kind >> command.key >> command.value >> command.expected;
  GABION_CHECK(!in.fail(), "an entry holds what nobody proposed");
  command.kind = static_cast<Kind>(kind);
  return command;
}

std::uint64_t KvImage::run(const KvCommand& command) {
  for (const char c : command.text()) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  const auto at = rows.find(command.key);
  const std::uint64_t before = at == rows.end() ? linear::kAbsent : at->second;
  switch (command.kind) {
    case KvCommand::Kind::put: rows[command.key] = command.value; break;
    case KvCommand::Kind::remove: rows.erase(command.key); break;
    case KvCommand::Kind::swap:
      if (before == command.expected) rows[command.key] = command.value;
      break;
  }
  return before;
}

std::string KvImage::encode() const {
  std::string out = fmt::format("{} {} {}", applied, hash, rows.size());
  for (const auto& [key, value] : rows) out += fmt::format(" {} {}", key, value);
  return out;
}

Result<KvImage> KvImage::decode(const std::string& bytes) {
  std::istringstream in(bytes);
  KvImage image;
  std::size_t n = 0;
  in >> image.applied >> image.hash >> n;
  for (; n > 0 && in; --n) {
    std::string key;
    in >> key >> image.rows[key];
  }
  if (in.fail()) return Error(Errc::corrupt, "not a state");
  return image;
}

KvState::KvState(NodeId self, KvImage& durable, rpc::Peers& peers, Clock& clock, Rng& rng, Oracle& oracle, StateFlaw flaw)
    : self_(self), durable_(durable), peers_(peers), clock_(clock), rng_(rng), oracle_(oracle), flaw_(flaw), current_(durable) {
  oracle_.loaded(self_, current_.applied, current_.hash);
}

task<Result<std::vector<std::string>>> KvState::apply(std::uint64_t index, std::vector<std::string> commands) {
  if (rng_.below(16) == 0) co_await clock_.sleep(std::chrono::microseconds(rng_.below(3000)));
  while (held_ && !dead_) co_await clock_.sleep(1ms);
  if (dead_) co_return Error(Errc::unavailable, "the machine is off");
  std::vector<std::string> results;
  for (const std::string& command : commands) results.push_back(std::to_string(current_.run(KvCommand::parse(command))));
  current_.applied = index;
  oracle_.applied(self_, index, commands, current_.hash);
  co_return results;
}

task<Result<std::uint64_t>> KvState::persist() {
  const KvImage image = current_;
  co_await clock_.sleep(std::chrono::microseconds(rng_.below(20'000)));
  if (dead_) co_return Error(Errc::unavailable, "the machine is off");
  if (image.applied >= durable_.applied) {
    const std::uint64_t before = durable_.applied;
    durable_ = image;
    if (flaw_ == StateFlaw::applied_index_late) durable_.applied = before;
  }
  co_return image.applied;
}

task<Result<void>> KvState::install(NodeId from, std::uint64_t index) {
  Error last(Errc::unavailable, "nothing to install");
  for (int i = 0; i < kInstallTries && !dead_; ++i) {
    Context ctx;
    ctx.deadline = clock_.now() + 1s;
    rpc::Channel* channel = peers_.find(from);
    auto reply = co_await channel->call(ctx, rpc::Method::snapshot_open, std::to_string(index), {});
    if (dead_) break;
    if (!reply) {
      last = reply.error();
      co_await clock_.sleep(50ms);
      continue;
    }
    auto image = KvImage::decode(reply->header);
    if (!image) co_return image.error();
    if (image->applied < index && flaw_ != StateFlaw::installs_older) {
      last = Error(Errc::unavailable, "the other state is too old");
      co_await clock_.sleep(50ms);
      continue;
    }
    current_ = *image;
    durable_ = *image;
    oracle_.installed(self_, current_.applied, current_.hash);
    co_return Result<void>();
  }
  co_return last;
}

task<Result<rpc::Reply>> KvState::handle(Context, rpc::Peer, rpc::Method method, std::string, Bytes) {
  if (method != rpc::Method::snapshot_open) co_return Error(Errc::invalid, "unknown method");
  rpc::Reply reply;
  reply.header = current_.encode();
  co_return reply;
}

std::uint64_t KvState::value(const std::string& key) const {
  const auto at = current_.rows.find(key);
  return at == current_.rows.end() ? linear::kAbsent : at->second;
}

}  // namespace gabion::metadata::raft::test
