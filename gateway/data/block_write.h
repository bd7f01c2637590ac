// BlockWrite brings the shards of one sealed block onto drives, all at once, and knows when the block is safe. It lives
// on the executor of its writer; its tasks keep it alive, and the shards' memory, until the last drive has answered.
// A drive that knows a newer ring refuses its shard: the block then waits for that ring, once, and puts the shards that are
// not stored yet where it says. Those that are stored stay where they are, to be moved like all others.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "gateway/data/core.h"

namespace gabion::gateway::data {

class BlockWrite : public std::enable_shared_from_this<BlockWrite> {
 public:
  // `shards` has layout.shards() slices. The writes begin at once.
  static std::shared_ptr<BlockWrite> start(Core& core, Context ctx, const Executor& executor, const BlockRef& block,
                                           std::vector<Bytes> shards);
  BlockWrite(Core& core, Context ctx, const Executor& executor, const BlockRef& block, std::vector<Bytes> shards);

  // Returns when all shards are written, or when the block is safe and the rest is late. Gives the shards that are not at
  // home. exhausted: full drives; unavailable: too few drives; deadline.
  task<Result<std::vector<unsigned>>> wait();
  const BlockRef& block() const { return block_; }
  // Of the oldest ring by which a shard was placed: none of the block was stored before that ring was made.
  std::uint64_t ring_epoch() const { return begun_by_; }
  // Writes that have not been answered yet.
  unsigned pending() const;
  // The block will never be committed. Its removal is queued once no write is under way any more.
  void abandon();

 private:
  struct Shard {
    Bytes bytes;
    unsigned pending = 0;                // attempts under way
    std::optional<std::size_t> placed;
  };
  using SharedView = std::shared_ptr<const Placement::View>;
  static task<void> put_shard(std::shared_ptr<BlockWrite> self, unsigned index, SharedView view, std::size_t drive);
  void begin();
  void try_next(unsigned index);
  void put_done(unsigned index, const SharedView& view, std::size_t drive, const Result<void>& result);
  void put_failed(unsigned index, std::optional<std::size_t> drive, const Error& error);
  // The next look at the placement shows a newer ring: true when the block goes on by it.
  bool follow_ring();
  bool safe() const;
  void wake_at(TimePoint when);
  Error refusal() const;
  std::vector<unsigned> not_at_home() const;

  Core& core_;
  const Context ctx_;
  const Executor executor_;
  const BlockRef block_;
  const BlockLayout layout_;
  SharedView view_;
  const std::uint64_t begun_by_;
  const TimePoint started_;
  Targets targets_;
  std::vector<Shard> shards_;
  std::shared_ptr<Event> changed_ = std::make_shared<Event>();
  TimePoint alarm_ = TimePoint::min();
  bool full_drives_ = false;
  bool stale_ = false;     // a drive knows a newer ring
  bool followed_ = false;  // and the block went on by it
  bool widened_ = false;
  bool abandoned_ = false;
};

}  // namespace gabion::gateway::data
