// BlockReader is the Reader of one range of a manifest: it fetches, verifies and decrypts a piece at a time, a few pieces
// ahead of the one being sent, as memory allows. Belongs to one task. What it reads stays pinned until it, and the last
// fetch it began, have ended.
#pragma once

#include <deque>
#include <memory>

#include "gateway/data/block_reads.h"

namespace gabion::gateway::data {

// Plaintext [offset, offset + length) of one manifest that has inline data or blocks.
struct ReadSource {
  metadata::ManifestId id = 0;
  metadata::Manifest manifest;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class BlockReader final : public Reader {
 public:
  BlockReader(Core& core, Context ctx, std::deque<ReadSource> sources, std::vector<Pins::Pin> pins);
  task<Result<Bytes>> next() override;

 private:
  // What outlives the reader while fetches are under way.
  struct Session {
    Session(Core& c, Context x, std::vector<Pins::Pin> p) : core(c), ctx(x), pins(std::move(p)) {}
    Core& core;
    const Context ctx;
    const std::vector<Pins::Pin> pins;
    const std::shared_ptr<AvoidedDrives> avoided = std::make_shared<AvoidedDrives>();
  };
  // One fetch: a part of one block.
  struct Piece {
    std::shared_ptr<OpenManifest> open;
    BlockRef block;
    SegmentRange range;
    std::size_t skip = 0;  // plaintext bytes before and of interest in the range
    std::size_t length = 0;
    MemoryBudget::Lease lease;
    std::optional<Result<Bytes>> result;
    Event done;
  };

  // The next piece of the range, or nullptr at its end. Inline data comes with its result.
  task<Result<std::shared_ptr<Piece>>> plan();
  task<Result<void>> next_source();
  std::shared_ptr<Piece> cut_piece();
  task<void> start_ahead();
  static task<void> read_piece(std::shared_ptr<Session> session, std::shared_ptr<Piece> piece);

  const std::shared_ptr<Session> session_;
  std::deque<ReadSource> sources_;
  // The source being read: where the next piece begins.
  std::shared_ptr<OpenManifest> open_;
  std::uint64_t left_ = 0;           // plaintext bytes of the source still to plan
  int block_ = 0;
  std::uint64_t block_offset_ = 0;   // of the next piece in the block
  std::shared_ptr<Piece> planned_;   // and not begun, for want of memory
  std::deque<std::shared_ptr<Piece>> ahead_;
  std::optional<Error> failed_;
};

}  // namespace gabion::gateway::data
