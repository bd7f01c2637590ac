// A data path over fake drives on the real clock and a real io_context, where a task that never has to wait runs to its
// end within the call that starts it, as it does in the server. For benchmarks and for what the simulated world's
// executor, which always posts, cannot show.
#pragma once

#include <memory>
#include <vector>

#include "gateway/data/block_store.h"
#include "ring/ring.h"
#include "tests/support/fake_metadata.h"
#include "tests/support/fake_shard_store.h"
#include "tests/support/run.h"

namespace gabion::test {

struct DataRig {
  explicit DataRig(erasure::Profile profile)
      : metadata(clock),
        placement(make_ring(profile)),
        keys(SecretKey::random(rng), metadata, rng),
        memory(clock, 4096 * MiB),
        store({placement, metadata, keys, memory, clock, rng}, options(profile)) {
    for (const ring::Drive& drive : placement.view()->ring->drives()) {
      drives.push_back(std::make_unique<FakeShardStore>());
      drives.back()->faults.alias = true;
      placement.attach(drive.id, *drives.back());
    }
  }
  ~DataRig() {
    run(store.close());
    run(memory.close());
  }
  static gateway::data::Options options(erasure::Profile profile) {
    gateway::data::Options out;
    out.profile = profile;
    return out;
  }
  static ring::Ring make_ring(erasure::Profile profile) {
    SeededRng seeded(1);
    std::vector<ring::Drive> list(profile.total());
    for (ring::Drive& drive : list) drive = {DriveId::random(seeded), 1, {"region", "zone", "node"}};
    return *ring::build(ring::Ring(), std::move(list), profile.total(), 4);
  }

  RealClock clock;
  SystemRng rng;
  FakeMetadata metadata;
  gateway::data::Placement placement;
  std::vector<std::unique_ptr<FakeShardStore>> drives;
  gateway::data::KeyStore keys;
  gateway::data::MemoryBudget memory;
  gateway::data::BlockStore store;
};

}  // namespace gabion::test
