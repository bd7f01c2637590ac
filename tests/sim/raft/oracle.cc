#include "tests/sim/raft/oracle.h"

#include <fmt/format.h>

#include "tests/sim/raft/kv_state.h"

namespace gabion::metadata::raft::test {

void Oracle::broken(std::string what) {
  if (!failure_) failure_ = std::move(what);
}

void Oracle::applied(NodeId node, std::uint64_t index, const std::vector<std::string>& commands, std::uint64_t hash) {
  mix(index * 31 + static_cast<std::uint64_t>(node));
  mix(hash);
  if (index <= last_applied_[node])
    broken(fmt::format("{} applies {} after {}", to_string(node), index, last_applied_[node]));
  last_applied_[node] = index;
  const auto [at, first] = entries_.emplace(index, Entry{commands, hash, node});
  if (!first) {
    if (at->second.commands != commands) {
      broken(fmt::format("{} and {} applied different commands at {}: {} and {}", to_string(at->second.by), to_string(node),
                         index, fmt::join(at->second.commands, ","), fmt::join(commands, ",")));
    }
    check_hash(node, index, hash, "applied");
    return;
  }
  for (const std::string& text : commands) {
    const std::uint64_t command = KvCommand::parse(text).number;
    if (!indexes_.emplace(command, index).second)
      broken(fmt::format("command {} is applied at {} and at {}", command, indexes_[command], index));
    if (refused_.contains(command)) broken(fmt::format("command {} was refused and is applied at {}", command, index));
  }
}

void Oracle::check_hash(NodeId node, std::uint64_t index, std::uint64_t hash, const char* what) {
  const auto at = entries_.find(index);
  if (at != entries_.end() && at->second.hash != hash)
    broken(fmt::format("the state of {} differs from that of {}: {} {}", to_string(node), to_string(at->second.by), what, index));
}

void Oracle::installed(NodeId node, std::uint64_t index, std::uint64_t hash) {
  ++installs_;
  mix(index);
  if (index < last_applied_[node])
    broken(fmt::format("{} goes back from {} to the state at {}", to_string(node), last_applied_[node], index));
  last_applied_[node] = index;
  check_hash(node, index, hash, "installed");
}

void Oracle::loaded(NodeId node, std::uint64_t index, std::uint64_t hash) {
  last_applied_[node] = index;
  check_hash(node, index, hash, "loaded");
}

void Oracle::status(NodeId node, const GroupStatus& status) {
  if (!status.leads) return;
  const auto [at, first] = leaders_.emplace(status.term, node);
  if (at->second != node)
    broken(fmt::format("{} and {} both lead in term {}", to_string(at->second), to_string(node), status.term));
}

void Oracle::acknowledged(std::uint64_t command) {
  mix(command);
  acknowledged_.insert(command);
  if (!indexes_.contains(command)) broken(fmt::format("command {} is acknowledged and nobody applied it", command));
}

void Oracle::refused(std::uint64_t command) {
  refused_.insert(command);
  if (indexes_.contains(command)) broken(fmt::format("command {} is refused and was applied", command));
}

void Oracle::finish(const std::map<NodeId, std::pair<std::uint64_t, std::uint64_t>>& states) {
  std::uint64_t last = 0;
  for (const auto& [node, state] : states) last = std::max(last, state.first);
  for (const auto& [node, state] : states) {
    if (state.first != last) broken(fmt::format("{} ends at {}, another member at {}", to_string(node), state.first, last));
    check_hash(node, state.first, state.second, "at the end");
  }
  for (const std::uint64_t command : acknowledged_) {
    if (indexes_[command] == 0 || indexes_[command] > last)
      broken(fmt::format("command {} was acknowledged and is lost", command));
  }
  for (const auto& [key, history] : histories_) {
    const linear::Finding finding = linear::check(history);
    if (finding.verdict == linear::Verdict::violated) broken(fmt::format("{} is not linearizable: {}", key, finding.reason));
    if (finding.verdict == linear::Verdict::undecided) ++undecided_;
  }
}

}  // namespace gabion::metadata::raft::test
