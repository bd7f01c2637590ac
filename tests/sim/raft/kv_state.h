// A small replicated state for the simulation: registers that are put, removed and swapped. What was applied since the last
// persist() is forgotten in a crash, with the applied index, as a store without a log of its own forgets it. A state that is
// too old is replaced by that of another member, asked for over the network.
#pragma once

#include <map>
#include <string>

#include "common/rpc/rpc.h"
#include "metadata/raft/raft.h"
#include "tests/sim/raft/oracle.h"

namespace gabion::metadata::raft::test {

struct KvCommand {
  enum class Kind : char { put = 'p', remove = 'r', swap = 's' };
  std::uint64_t number = 0;  // unique
  Kind kind = Kind::put;
  std::string key;
  std::uint64_t value = 0;
  std::uint64_t expected = 0;
  std::string text() const;
  static KvCommand parse(const std::string& text);
};

struct KvImage {
  std::map<std::string, std::uint64_t> rows;
  std::uint64_t applied = 0;
  std::uint64_t hash = 14695981039346656037ull;  // of all commands ever applied, in order
  // What the register held before; a swap wrote only when that was as expected.
  std::uint64_t run(const KvCommand& command);
  std::string encode() const;
  static Result<KvImage> decode(const std::string& bytes);
};

// Mistakes of the state itself.
enum class StateFlaw { none, applied_index_late, installs_older };

class KvState final : public ReplicatedState, public rpc::Handler {
 public:
  // `durable` is what the drives hold; it outlives the state. `peers` reaches the other members.
  KvState(NodeId self, KvImage& durable, rpc::Peers& peers, Clock& clock, Rng& rng, Oracle& oracle, StateFlaw flaw);

  std::uint64_t applied() const override { return current_.applied; }
  task<Result<std::vector<std::string>>> apply(std::uint64_t index, std::vector<std::string> commands) override;
  task<Result<std::uint64_t>> persist() override;
  task<Result<void>> install(NodeId from, std::uint64_t index) override;
  // Gives the state to a member that asks for it.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;

  std::uint64_t value(const std::string& key) const;
  const KvImage& current() const { return current_; }
  // The machine is off: nothing becomes durable any more, and nothing is waited for.
  void die() { dead_ = true; }
  // While it is held nothing is applied.
  void hold(bool held) { held_ = held; }

 private:
  const NodeId self_;
  KvImage& durable_;
  rpc::Peers& peers_;
  Clock& clock_;
  Rng& rng_;
  Oracle& oracle_;
  const StateFlaw flaw_;
  KvImage current_;
  bool dead_ = false;
  bool held_ = false;
};

}  // namespace gabion::metadata::raft::test
