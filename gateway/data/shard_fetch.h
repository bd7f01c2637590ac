// ShardFetch brings bytes of one sealed block from the drives: from the data shards that hold them, and when one of those
// is missing, corrupt or late, from any k shards by reconstruction of just the range asked for. When too few shards are at
// home, every drive is searched. Lives on the executor of its caller; its tasks keep it alive.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "gateway/data/core.h"

namespace gabion::gateway::data {

// Drives that were late or failed during one read: they are asked last from then on. One executor.
using AvoidedDrives = std::set<DriveId>;

class ShardFetch : public std::enable_shared_from_this<ShardFetch> {
 public:
  struct Request {
    Request() = default;
    BlockRef block;
    std::size_t begin = 0;  // of the sealed block
    std::size_t end = 0;
    std::shared_ptr<AvoidedDrives> avoided;
    // Shards whose bytes are not to be used: their checksums hold and what they hold did not verify.
    std::set<unsigned> distrusted;
    // The caller holds the memory that reconstruction may take.
    bool funded = false;
  };

  // Sealed bytes [begin, end) in order, in pieces. corrupt: every drive answered and too few shards are good;
  // unavailable: too few, and some drives did not answer; deadline: not in time; exhausted: no memory.
  // `lease` covers the bytes asked for; what reconstruction needs on top is acquired here, unless the request is funded.
  static task<Result<std::vector<Bytes>>> fetch(Core& core, Context ctx, Request request, MemoryBudget::Lease lease);

  ShardFetch(Core& core, Context ctx, Executor executor, Request request, MemoryBudget::Lease lease);

 private:
  struct Read {
    unsigned shard = 0;
    std::size_t drive = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    TimePoint started;
    enum class State { pending, done, failed } state = State::pending;
    bool late = false;
    Bytes bytes;
  };
  struct Source {
    unsigned shard = 0;
    std::size_t drive = 0;
    bool former = false;  // it was the shard's home by a previous ring
  };
  struct Target {
    ShardRange range;
    std::optional<Bytes> bytes;
  };

  task<Result<std::vector<Bytes>>> run();
  void list_sources();
  bool start_home(const Target& target);
  // The shard itself from where it was before the ring changed. False when it cannot be there or was looked for already.
  bool start_former(const Target& target);
  bool tried(const Source& source, const ShardRange& range) const;
  void start(const Source& source, const ShardRange& range);
  static task<void> read_shard(std::shared_ptr<ShardFetch> self, std::size_t read);
  void read_failed(const Read& read, const Error& error);
  static task<void> search_drive(std::shared_ptr<ShardFetch> self, std::size_t drive);
  void search();

  // One step for one target; true when it has its bytes.
  bool advance(Target& target);
  bool advance_by_others(Target& target);
  // Starts a read from a source not yet tried for this range. False when there is none.
  bool start_other(const Target& target);
  const Read* find(unsigned shard, const ShardRange& range, Read::State state) const;
  static Bytes cut(const Read& read, const ShardRange& range);
  void rebuild(Target& target, const std::vector<const Read*>& present);
  // Marks reads that take too long, and sets the alarm for the next look: at `give_up` at the latest.
  void mark_late(TimePoint give_up);
  std::size_t memory_for_reconstruction() const;
  Error failure() const;

  Core& core_;
  const Context ctx_;
  const Executor executor_;
  const Request request_;
  const BlockLayout layout_;
  const std::shared_ptr<const Placement::View> view_;
  MemoryBudget::Lease lease_;
  std::vector<Source> sources_;
  std::vector<std::unique_ptr<Read>> reads_;
  std::vector<Target> targets_;
  std::shared_ptr<Event> changed_ = std::make_shared<Event>();
  TimePoint alarm_ = TimePoint::min();
  std::size_t pending_ = 0;
  std::uint64_t events_ = 0;  // reads and searches begun and ended
  bool degraded_ = false;   // some target needs other shards
  bool widened_ = false;    // and the memory for it is there
  bool searched_ = false;
  bool unanswered_ = false;  // a drive that may hold a shard did not answer
};

}  // namespace gabion::gateway::data
