// BlockStore is the DataStore over shard stores: it makes the writers and readers and holds what they share. Thread-safe;
// each writer and reader runs on the executor of the task that asked for it. Sealing and coding run on that thread too.
// All dependencies outlive it. Call close(), when no writer or reader is left, before destruction; the executors of
// their tasks run until it has returned.
#pragma once

#include <memory>

#include "gateway/data/core.h"

namespace gabion::gateway::data {

class BlockStore final : public DataStore {
 public:
  BlockStore(const Dependencies& dependencies, Options options);

  task<Result<std::unique_ptr<Writer>>> write(Context ctx, std::optional<std::uint64_t> size_hint) override;
  task<Result<std::unique_ptr<Reader>>> read(Context ctx, metadata::GroupId group, metadata::ManifestId id,
                                             metadata::Manifest manifest, std::uint64_t offset, std::uint64_t length) override;
  // Waits for reads and writes that nobody waits for any more.
  task<void> close();

  // For Repairer and Collector, and for registering the metrics.
  Core& core() { return core_; }

 private:
  task<Result<metadata::Manifest>> find_manifest(Context ctx, metadata::GroupId group, metadata::ManifestId id);

  Core core_;
};

}  // namespace gabion::gateway::data
