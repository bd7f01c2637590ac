// The oracle watches all members of a simulated group and knows what must hold whatever happens:
//   election safety          at most one leader in a term
//   state machine safety     every member applies the same commands at the same index, and its state is then the same
//   monotony                 a member's applied index only grows
//   once                     no command is applied twice
//   acknowledged             what was acknowledged had been applied by then, and is there at the end
//   refused                  what certainly did not happen never happens
//   linearizability          of what clients wrote and read, key by key
// The first broken promise is kept as a text.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "metadata/raft/raft.h"
#include "tests/support/linear.h"

namespace gabion::metadata::raft::test {

class Oracle {
 public:
  void broken(std::string what);
  const std::optional<std::string>& failure() const { return failure_; }

  // A member applied the commands at the index, and its state's hash is now this.
  void applied(NodeId node, std::uint64_t index, const std::vector<std::string>& commands, std::uint64_t hash);
  // A member took over a whole state of another one.
  void installed(NodeId node, std::uint64_t index, std::uint64_t hash);
  // A member began a life with this state.
  void loaded(NodeId node, std::uint64_t index, std::uint64_t hash);
  void status(NodeId node, const GroupStatus& status);

  void acknowledged(std::uint64_t command);
  void refused(std::uint64_t command);
  // The history of a key, and the moment for its next operation.
  void note(const std::string& key, const linear::Operation& operation) { histories_[key].push_back(operation); }

  // When everything is over: `states` are the members' (applied index, hash).
  void finish(const std::map<NodeId, std::pair<std::uint64_t, std::uint64_t>>& states);

  std::size_t acknowledgements() const { return acknowledged_.size(); }
  std::size_t entries() const { return entries_.size(); }
  std::size_t installs() const { return installs_; }
  std::size_t terms() const { return leaders_.size(); }
  std::size_t undecided() const { return undecided_; }
  // Of everything seen so far.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  void mix(std::uint64_t word) { fingerprint_ = (fingerprint_ ^ word) * 1099511628211ull; }
  void check_hash(NodeId node, std::uint64_t index, std::uint64_t hash, const char* what);

  struct Entry {
    std::vector<std::string> commands;
    std::uint64_t hash = 0;
    NodeId by{};
  };
  std::optional<std::string> failure_;
  std::map<std::uint64_t, Entry> entries_;           // by index
  std::map<std::uint64_t, std::uint64_t> indexes_;   // of commands, by their number
  std::map<NodeId, std::uint64_t> last_applied_;
  std::map<std::uint64_t, NodeId> leaders_;          // by term
  std::set<std::uint64_t> acknowledged_, refused_;
  std::map<std::string, linear::History> histories_;
  std::size_t installs_ = 0;
  std::size_t undecided_ = 0;
  std::uint64_t fingerprint_ = 14695981039346656037ull;
};

}  // namespace gabion::metadata::raft::test
