// Splitter carries out the splits of key ranges that the cluster's state has decided, while this node leads group 0: the group
// that has the keys splits, the new group answers, the table of ranges follows, and both groups remove what they do not own any
// more, slowly enough that nobody notices. Each step can be repeated and is found in the groups themselves: whoever leads next
// goes on, wherever the one before was stopped.
//
// One on each node that is a member of the metadata. Thread-safe. Everything in the options outlives it; stop() before
// destruction.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/async.h"
#include "metadata/cluster/splits.h"

namespace gabion::metadata::cluster {

struct SplitterOptions {
  Metadata* metadata = nullptr;
  std::function<bool()> leads;  // group 0. Thread-safe
  Clock* clock = nullptr;
  Duration round = std::chrono::milliseconds(500);
  std::uint32_t trim_rows = 500;  // that one command removes
  unsigned trim_rest = 3;         // times as long as that took nothing is removed
};

class Splitter {
 public:
  explicit Splitter(SplitterOptions options) : options_(std::move(options)) {}

  void start(const Executor& executor) { spawn(executor, gate_, "range splitter", run()); }
  task<void> stop();

  // Those of the state's groups that may still have rows which they do not own, as far as this node knows while it leads.
  std::vector<GroupId> trimming(const ClusterState& state) const;

 private:
  task<void> run();
  task<Result<bool>> look();  // whether there is more to remove at once
  task<Result<void>> carry_out(Context ctx, PendingSplit split);
  task<Result<bool>> trim(Context ctx, KeyRange range);  // whether nothing is left that its group does not own
  std::vector<KeyRange> untrimmed(const ClusterState& state) const;
  void log_once(const std::string& what, const Error& error);

  const SplitterOptions options_;
  Gate gate_;
  std::atomic<bool> stopping_{false};
  std::set<std::string> logged_;  // run() alone uses it

  mutable std::mutex mutex_;
  // What a group owned when nothing else was left in it: it takes nothing else since.
  std::map<GroupId, KeyRange> trimmed_;
};

}  // namespace gabion::metadata::cluster
