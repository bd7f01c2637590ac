// BlockWriter is the Writer of one manifest: it seals plaintext into block buffers, encodes parity, and starts the block's
// writes while the next block fills. Belongs to one task. At most kBlocksInMemory buffers at a time.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "gateway/data/block_write.h"
#include "gateway/data/seal.h"

namespace gabion::gateway::data {

class BlockWriter final : public Writer {
 public:
  static constexpr std::size_t kBlocksInMemory = 2;  // one being filled and one being written

  BlockWriter(Core& core, Context ctx, std::optional<std::uint64_t> size_hint, KeyStore::DataKey key);
  ~BlockWriter() override;

  task<Result<void>> append(ByteView plaintext) override;
  task<Result<Written>> finish() override;
  void release() override { released_ = true; }

 private:
  struct Filling {
    BlockRef block;
    std::size_t capacity = 0;  // plaintext
    Buffer buffer;
    std::optional<BlockSealer> sealer;
  };
  struct InFlight {
    std::shared_ptr<BlockWrite> write;
    BlockRef block;
  };

  // The plaintext that the next block is to hold, as far as the size is known.
  std::size_t next_capacity() const;
  task<Result<void>> seal(ByteView plaintext);
  void begin_placing();
  task<Result<void>> begin_block();
  task<Result<void>> end_block();
  // Waits until no more than `most` blocks are being written.
  task<Result<void>> settle(std::size_t most);
  task<Result<void>> stage(ByteView plaintext);

  Core& core_;
  const Context ctx_;
  const std::optional<std::uint64_t> size_hint_;
  erasure::Profile profile_;
  KeyStore::DataKey key_;
  Aead aead_;
  std::uint64_t size_ = 0;    // plaintext taken so far
  std::uint64_t ordinal_ = 0;
  std::optional<RingsInUse::Mark> mark_;  // of the ring that the first block was begun by
  // The beginning of an object that may turn out small enough to be stored inline.
  Buffer staged_;
  std::size_t staged_bytes_ = 0;
  bool staging_ = true;
  std::optional<Filling> filling_;
  std::deque<InFlight> in_flight_;
  std::vector<std::shared_ptr<BlockWrite>> stragglers_;
  Written written_;
  std::optional<Error> failed_;  // nothing is taken any more
  bool finished_ = false;
  bool released_ = false;
};

}  // namespace gabion::gateway::data
