// How a member that is too far behind gets the state of another one. StateSource answers on the node that has it: it pins the
// open state as it is (a RocksDB checkpoint: hard links, no copies), lists its files, gives their bytes in pieces, and lets it
// go when the other side is done or has not asked for a while. StateFetcher asks: a few pieces at a time, each checked against
// its CRC before it is written, whole files synced. Interrupted calls are repeated; when the source had to let go, it begins
// anew and keeps the tables that are whole and the same.
//
// Nothing the fetcher writes counts before StateImport::commit().
#pragma once

#include <map>
#include <mutex>

#include "common/async.h"
#include "common/rng.h"
#include "common/rpc/rpc.h"
#include "metadata/raft/raft.h"
#include "metadata/state_fetch.h"
#include "metadata/state_storage.h"

namespace gabion::metadata {

inline constexpr std::size_t kStatePiece = 1 * MiB;
inline constexpr std::size_t kStateFilesMax = 200'000;

// Thread-safe. stop() before destruction, and before what it exports from goes.
class StateSource final : public rpc::Handler {
 public:
  struct Options {
    Options() = default;
    // Pins the state of a group; an error where this node has none, or not now.
    std::function<task<Result<PinnedState>>(raft::GroupId)> pin;
    Executor executor;    // of the source's own tasks
    Executor background;  // of reads, which block
    Clock* clock = nullptr;
    Rng* rng = nullptr;
    std::size_t most = 2;  // states pinned at once
    Duration lease = std::chrono::seconds(60);
  };
  explicit StateSource(Options options) : options_(std::move(options)) {}

  // Method::snapshot_open and snapshot_read.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;
  task<void> stop();
  std::size_t pinned() const;

 private:
  struct Lease {
    NodeId holder{};
    raft::GroupId group = 0;
    TimePoint expires;
    std::shared_ptr<StateExport> state;
  };
  task<Result<rpc::Reply>> open(NodeId peer, raft::GroupId group, std::uint64_t index);
  task<Result<rpc::Reply>> read(NodeId peer, std::string header);
  task<Result<rpc::Reply>> read_piece(std::shared_ptr<StateExport> state, std::size_t file, std::uint64_t offset,
                                      std::size_t length);
  // Destroys what the leases held where that may block.
  task<void> let_go(std::vector<std::shared_ptr<StateExport>> states);
  task<void> watch();  // as long as there are leases

  const Options options_;
  Gate gate_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Lease> leases_;
  std::size_t opening_ = 0;
  bool watching_ = false;
  bool stopping_ = false;
};

class StateFetcher final : public StateFetch {
 public:
  struct Options {
    Options() = default;
    rpc::Peers* peers = nullptr;
    Executor background;  // of writes, which block
    Clock* clock = nullptr;
    std::size_t in_flight = 4;
    Duration call = std::chrono::seconds(30);      // allowed for one call
    Duration patience = std::chrono::seconds(60);  // without any progress
    std::function<bool()> cancelled;               // asked between calls
  };
  explicit StateFetcher(Options options) : options_(std::move(options)) {}

  // Brings a state of `from` that holds at least everything up to `index` into `import`, whole and durable; gives the index
  // that it holds. The import may then be committed.
  task<Result<std::uint64_t>> fetch(NodeId from, raft::GroupId group, std::uint64_t index, StateImport& import) override;

 private:
  struct Opened {
    Opened() = default;
    std::uint64_t lease = 0;
    std::uint64_t index = 0;
    StateLineage lineage;
    std::vector<StateFile> files;
  };
  struct Piece {
    std::size_t file = 0;
    std::uint64_t offset = 0;
    std::size_t length = 0;
  };
  // Waits between tries, and ends them with the last error when there was no progress for too long.
  struct Patience {
    TimePoint until;
    Duration pause;
  };
  Patience fresh() const;
  task<Result<void>> wait(Patience& patience, const Error& why);
  Context call_context() const;

  task<Result<Opened>> open(rpc::Channel& channel, raft::GroupId group, std::uint64_t index);
  static Result<Opened> parse_opened(const std::string& header, std::uint64_t index);
  // not_found: the source has let go.
  task<Result<void>> fetch_files(rpc::Channel& channel, const Opened& opened, std::vector<bool> here, StateImport& import,
                                 Patience& patience);
  task<Result<void>> fetch_file(rpc::Channel& channel, std::uint64_t lease, std::size_t file, std::uint64_t size,
                                StateImport& import, Patience& patience);
  task<Result<Bytes>> fetch_piece(rpc::Channel& channel, std::uint64_t lease, Piece piece);

  const Options options_;
};

}  // namespace gabion::metadata
