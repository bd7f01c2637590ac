// A data path in a simulated world: fake drives under a real ring, fake metadata, real keys, budget and block store.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/data/block_store.h"
#include "gateway/data/collector.h"
#include "gateway/data/repair.h"
#include "ring/ring.h"
#include "tests/support/data_tasks.h"
#include "tests/support/fake_metadata.h"
#include "tests/support/fake_shard_store.h"
#include "tests/support/sim.h"

namespace gabion::test {

struct DataWorldOptions {
  std::uint64_t seed = 1;
  erasure::Profile profile{4, 2};
  std::size_t drives = 0;  // 0: one for each shard
  std::size_t memory = 512 * MiB;
  unsigned partition_bits = 4;
  gateway::data::Options data;
};

class DataWorld {
 public:
  using ShardKey = chunkserver::ShardKey;

  explicit DataWorld(DataWorldOptions options)
      : world(options.seed),
        metadata(world.clock()),
        placement(make_ring(options), &epochs),
        keys(SecretKey::random(world.rng()), metadata, world.rng()),
        memory(world.clock(), options.memory),
        store({placement, metadata, keys, memory, world.clock(), world.rng()}, with_profile(options)) {
    for (const ring::Drive& drive : placement.view()->ring->drives()) {
      drives.push_back(std::make_unique<FakeShardStore>(&world.clock(), &world.rng()));
      placement.attach(drive.id, *drives.back());
    }
  }
  ~DataWorld() {
    for (auto& drive : drives) drive->release();
    world.run(store.close());
    world.run(memory.close());
  }

  Result<gateway::data::Written> write(const std::string& content, std::optional<std::uint64_t> hint = std::nullopt,
                                       std::size_t step = 100'000) {
    return world.run(write_all(store, content, hint, step));
  }
  // Writes and commits under the key.
  metadata::ManifestId put(const std::string& key, const std::string& content) {
    auto written = write(content, content.size());
    GABION_CHECK(written.has_value(), "this write must succeed");
    return metadata.put(key, written->manifest, written->intents);
  }
  Result<std::string> read(metadata::ManifestId id) { return read(id, 0, metadata.at(id).size()); }
  Result<std::string> read(metadata::ManifestId id, std::uint64_t offset, std::uint64_t length) {
    return world.run(read_all(store, id, metadata.at(id), offset, length));
  }
  // Lets everything that is under way end.
  void settle() { world.run_for(std::chrono::minutes(2)); }

  gateway::data::BlockRef block(metadata::ManifestId id, int index = 0) const {
    return *gateway::data::block_ref(metadata.at(id), id, index);
  }
  std::size_t home(const BlockId& id, unsigned shard) const { return *placement.view()->home(id, shard); }
  FakeShardStore& home_drive(const BlockId& id, unsigned shard) { return *drives[home(id, shard)]; }
  static ShardKey key(const BlockId& id, unsigned shard) { return {id, static_cast<std::uint8_t>(shard)}; }
  // All shards of the block are at home, and nowhere else.
  bool all_at_home(const gateway::data::BlockRef& ref) const {
    for (unsigned shard = 0; shard < gateway::data::BlockLayout(ref).shards(); ++shard) {
      for (std::size_t d = 0; d < drives.size(); ++d) {
        if (drives[d]->has(key(ref.id, shard)) != (d == home(ref.id, shard))) return false;
      }
    }
    return true;
  }
  std::size_t shards_stored() const {
    std::size_t sum = 0;
    for (const auto& drive : drives) sum += drive->shards().size();
    return sum;
  }
  DriveId drive_id(std::size_t index) const { return placement.view()->drives[index].id; }

  sim::SimWorld world;
  FakeMetadata metadata;
  chunkserver::RingEpochs epochs;
  gateway::data::Placement placement;
  std::vector<std::unique_ptr<FakeShardStore>> drives;
  gateway::data::KeyStore keys;
  gateway::data::MemoryBudget memory;
  gateway::data::BlockStore store;

 private:
  static gateway::data::Options with_profile(const DataWorldOptions& options) {
    gateway::data::Options out = options.data;
    out.profile = options.profile;
    return out;
  }
  static ring::Ring make_ring(const DataWorldOptions& options) {
    SeededRng rng(options.seed + 1000);
    std::vector<ring::Drive> list(options.drives == 0 ? options.profile.total() : options.drives);
    for (std::size_t i = 0; i < list.size(); ++i) {
      list[i].id = DriveId::random(rng);
      list[i].domain = {"region", "zone", "node"};
    }
    return *ring::build(ring::Ring(), std::move(list), options.profile.total(), options.partition_bits);
  }
};

}  // namespace gabion::test
