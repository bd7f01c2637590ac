// LocalDrives are the drives of this node with their engines and threads: opened, watched, given up when they fail, and
// added while the node serves. Constructed and changed on the thread that composes the node, once it serves on one executor;
// what others read is atomic. Engines stay until the end, as tasks may still ask them; that of a lost drive whose place
// another takes lets go of its files.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "chunkserver/drive_store.h"
#include "chunkserver/rocks_index.h"
#include "common/metrics.h"
#include "tools/serve/config.h"
#include "tools/serve/drives.h"
#include "tools/serve/threads.h"

namespace gabion::serve {

// One drive with its engine and its threads. Members are destroyed in reverse: threads stop before what they use goes.
struct LocalDrive {
  const DriveId& id() const { return open.identity.drive; }
  OpenDrive open;
  chunkserver::DriveMetrics metrics;
  std::unique_ptr<chunkserver::RocksIndex> index;
  std::unique_ptr<chunkserver::DriveStore> store;  // null when it could not be opened
  std::unique_ptr<IoThread> writer;
  std::unique_ptr<IoThread> log;  // of the metadata's log; metadata drives only
  bool tried = false;              // to be opened: once, until the node restarts
  bool let_go = false;             // lost, and another drive may be at its path
  std::atomic<bool> up{false};
  std::atomic<std::uint64_t> total_bytes{0}, available_bytes{0}, shard_bytes{0}, shards{0};
};

class LocalDrives {
 public:
  LocalDrives(const Config& config, Clock& clock, asio::thread_pool& readers, MetricsRegistry& registry);

  // Takes the drives over, with threads and no engines yet.
  void adopt(std::vector<OpenDrive> drives);
  // Those that the cluster does not count any more: they are not opened.
  void drop(const std::function<bool(const DriveId&)>& unwanted);
  // Each drive scans its newest segment on its own thread. A drive that cannot be opened is logged and is not up. Blocks.
  void open_engines();
  // Adopts one more, while the node serves.
  task<LocalDrive*> add(OpenDrive drive);
  // Nothing touches the directory of a lost drive any more once this returns.
  task<void> let_go(LocalDrive& drive);
  void start();         // compaction
  task<void> stop();    // seals; after whoever uses the stores has ended

  const std::vector<std::unique_ptr<LocalDrive>>& all() const { return drives_; }
  std::vector<Disk*> metadata_disks() const;
  std::vector<Disk*> disks() const;
  std::vector<Disk*> disks_up() const;

  // Looks at every drive that is up: one that was pulled or wiped may go on answering from open files, and its identity file
  // tells. `metadata_problem` says what else speaks against a drive; `lost` is called once for each that is given up.
  task<void> watch(std::function<std::string(const DriveId&)> metadata_problem,
                   std::function<task<void>(LocalDrive&, std::string)> lost);

 private:
  LocalDrive& adopt_one(OpenDrive open);
  Result<void> open_engine(LocalDrive& drive);
  void opened(LocalDrive& drive, const Result<void>& result);
  task<std::string> examine(LocalDrive& drive);
  void register_metrics(LocalDrive& drive);

  const Config& config_;
  Clock& clock_;
  asio::thread_pool& readers_;
  MetricsRegistry& registry_;
  chunkserver::RocksShared index_shared_;
  std::vector<std::unique_ptr<LocalDrive>> drives_;
  std::vector<std::unique_ptr<LocalDrive>> dropped_;  // the metadata's log may still be on them
};

}  // namespace gabion::serve
