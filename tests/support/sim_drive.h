// SimDrive is one whole drive of the simulation: a SimDisk, its index and the drive engine on them, which can be reopened
// after a crash. Link chunkserver to use it.
#pragma once

#include <memory>

#include "chunkserver/drive_store.h"
#include "common/check.h"
#include "tests/support/memory_index.h"
#include "tests/support/sim.h"

namespace gabion::sim {

struct SimDrive {
  SimDrive(SimWorld& w, const chunkserver::DriveOptions& o) : world(w), disk(w.rng()), options(o) {
    identity.cluster = ClusterId::random(world.rng());
    identity.drive = DriveId::random(world.rng());
    GABION_CHECK(chunkserver::format_drive(disk, identity).has_value(), "an empty simulated disk can be formatted");
  }

  // The engine of before must be gone.
  Result<void> open() {
    TRY(engine, chunkserver::DriveStore::open(options, identity, disk, index, world.executor(), world.executor(), world.clock(),
                                              metrics));
    return {};
  }
  void close() {
    world.run(engine->stop());
    engine.reset();
  }
  // The power goes and comes back. open() follows.
  void crash(Crash how) {
    engine.reset();
    disk.crash(how);
    index.crash(world.rng());
  }

  SimWorld& world;
  SimDisk disk;
  MemoryIndex index{[this] { return disk.powered(); }};
  chunkserver::DriveOptions options;
  chunkserver::DriveMetrics metrics;
  chunkserver::Identity identity;
  std::unique_ptr<chunkserver::DriveStore> engine;
};

}  // namespace gabion::sim
