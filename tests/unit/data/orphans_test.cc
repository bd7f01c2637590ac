// Orphans on the drives of one member: what is removed, what is not, and what is left for another time. That nothing is removed
// too early, whatever else goes on, is for the simulation (tests/sim/orphans).
#include <catch2/catch_test_macros.hpp>

#include "common/log.h"
#include "gateway/data/orphans.h"
#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using std::chrono::seconds;

constexpr std::uint64_t kJob = 7, kFence = 5;

class SweepWorld : public DataWorld {
 public:
  SweepWorld() : DataWorld({}), sweeper(store, {.memory_bytes = 1 * MiB, .entries_per_second = 0}), noted(drives.size()) {
    log::set_level(log::Level::off);
    std::vector<OrphanSweeper::LocalDrive> mine;
    for (std::size_t i = 0; i < drives.size(); ++i) mine.push_back(local(i));
    sweeper.set_drives(std::move(mine));
    sweeper.start(world.executor());
    set_job(metadata::JOB_RUNNING, 0);
  }
  ~SweepWorld() { world.run(sweeper.stop()); }

  OrphanSweeper::LocalDrive local(std::size_t i) {
    OrphanSweeper::LocalDrive drive;
    drive.id = drive_id(i);
    drive.store = drives[i].get();
    drive.position = [this, i] {
      std::set<ShardKey> keys;
      for (const auto& [key, bytes] : drives[i]->shards()) keys.insert(key);
      noted[i] = std::move(keys);
      return std::uint64_t{1};
    };
    drive.list_before = [this, i](Context ctx, std::uint64_t, ShardKey from, std::size_t limit) {
      return list_noted(ctx, i, from, limit);
    };
    return drive;
  }
  task<Result<chunkserver::ShardPage>> list_noted(Context ctx, std::size_t i, ShardKey from, std::size_t limit) {
    CO_TRY(auto page, co_await drives[i]->list(ctx, from, limit));
    std::erase_if(page.shards, [&](const auto& shard) { return !noted[i].contains(shard.key); });
    co_return page;
  }
  void set_job(metadata::JobState how, std::uint64_t fence) {
    auto current = *world.run(metadata.cluster_state({}));
    current.state.clear_jobs();
    metadata::Job& job = *current.state.add_jobs();
    job.set_id(kJob);
    job.set_kind(metadata::JOB_ORPHANS);
    job.set_state(how);
    job.set_epoch(fence);
    metadata::Command command;
    *command.mutable_set_cluster_state()->mutable_state() = std::move(current.state);
    command.mutable_set_cluster_state()->set_expected_version(current.version);
    GABION_CHECK(world.run(metadata.commit({}, std::move(command))).has_value(), "the state can be set");
  }
  void assign(std::uint64_t fence, bool stands, bool paused = false) {
    sweeper.assign(SweepWork{.job = kJob, .fence = fence, .stands = stands, .paused = paused});
    world.run_for(seconds(20));
  }
  void note() {
    assign(0, false);
    REQUIRE(sweeper.progress().ready);
    set_job(metadata::JOB_RUNNING, kFence);
    assign(kFence, false);
    REQUIRE_FALSE(sweeper.progress().finished);
  }
  // An object's worth of shards, and nothing that refers to them.
  BlockId leave_orphan() {
    const auto written = write(random_text(world.rng(), 300'000));
    return *BlockId::from_raw(written->manifest.blocks(0).id());
  }
  bool anything_of(const BlockId& block) const {
    return std::any_of(drives.begin(), drives.end(), [&](const auto& drive) {
      return std::any_of(drive->shards().begin(), drive->shards().end(), [&](const auto& s) { return s.first.block == block; });
    });
  }

  OrphanSweeper sweeper;
  std::vector<std::set<ShardKey>> noted;
};

}  // namespace

TEST_CASE("shards that nothing refers to are removed, and nothing else") {
  SweepWorld world;
  const auto kept = world.put("kept", random_text(world.world.rng(), 400'000));
  const auto deleted = world.put("deleted", random_text(world.world.rng(), 400'000));
  const BlockRef doomed = world.block(deleted);
  const BlockId orphan = world.leave_orphan();
  world.note();
  world.metadata.remove("deleted");  // the collector's from here on
  const BlockId late = world.leave_orphan();
  world.assign(kFence, true);
  const auto progress = world.sweeper.progress();
  CHECK(progress.finished);
  CHECK(progress.removed_shards == 6);
  CHECK(progress.removed_bytes > 300'000);
  CHECK(progress.drives_left_out == 0);
  CHECK(progress.shards_done == 18);
  CHECK_FALSE(world.anything_of(orphan));
  CHECK(world.anything_of(late));
  CHECK(world.all_at_home(world.block(kept)));
  CHECK(world.all_at_home(doomed));
}

TEST_CASE("what comes back to a group between the looks at its manifests and at what it waits to erase is met by its entry") {
  SweepWorld world;
  const auto id = world.put("key", random_text(world.world.rng(), 400'000));
  const BlockRef block = world.block(id);
  const metadata::Manifest manifest = world.metadata.at(id);
  world.note();
  world.metadata.remove("key");
  world.metadata.before_doomed = [&] { world.metadata.come_back(id, manifest); };
  world.assign(kFence, true);
  CHECK(world.sweeper.progress().finished);
  CHECK_FALSE(world.metadata.before_doomed);
  CHECK(world.sweeper.progress().removed_shards == 0);
  CHECK(world.all_at_home(block));
}

TEST_CASE("a drive that fails is left out, and one that is here since the fence was made as well") {
  SweepWorld world;
  const BlockId orphan = world.leave_orphan();
  world.note();
  world.drives[2]->faults.down = true;
  std::vector<OrphanSweeper::LocalDrive> mine;
  for (std::size_t i = 0; i < world.drives.size(); ++i) mine.push_back(world.local(i));
  mine.push_back(world.local(0));
  mine.back().id = DriveId::random(world.world.rng());
  world.sweeper.set_drives(std::move(mine));
  world.assign(kFence, true);
  CHECK(world.sweeper.progress().finished);
  CHECK(world.sweeper.progress().drives_left_out == 2);
  CHECK(world.sweeper.progress().removed_shards == 5);
  CHECK(world.anything_of(orphan));
}

TEST_CASE("who notes the moment too late, or not at all, removes nothing and says so") {
  SweepWorld world;
  const BlockId orphan = world.leave_orphan();
  world.set_job(metadata::JOB_RUNNING, kFence);
  world.assign(0, false);  // as it was a moment ago
  CHECK_FALSE(world.sweeper.progress().ready);
  world.assign(kFence, true);
  CHECK(world.sweeper.progress().finished);
  CHECK(world.sweeper.progress().drives_left_out == world.drives.size());
  CHECK(world.anything_of(orphan));
}

TEST_CASE("nothing is removed for a job that is over, nor while it is paused") {
  SweepWorld world;
  const BlockId orphan = world.leave_orphan();
  world.note();
  world.assign(kFence, true, true);
  CHECK(world.anything_of(orphan));
  world.set_job(metadata::JOB_CANCELLED, kFence);
  world.assign(kFence, true);
  CHECK_FALSE(world.sweeper.progress().finished);
  CHECK(world.anything_of(orphan));
}

TEST_CASE("a block whose id makes no sense stops everything") {
  SweepWorld world;
  const BlockId orphan = world.leave_orphan();
  metadata::Manifest damaged;
  damaged.add_blocks()->set_id("short");
  world.metadata.put("damaged", damaged);
  world.note();
  world.assign(kFence, true);
  CHECK_FALSE(world.sweeper.progress().finished);
  CHECK(world.anything_of(orphan));
}

TEST_CASE("slices of candidates stay within their memory, cover every block once, and know what was marked") {
  SeededRng rng(11);
  std::set<BlockId> blocks;
  for (int i = 0; i < 5000; ++i) blocks.insert(BlockId::random(rng));
  std::vector<BlockId> shuffled(blocks.begin(), blocks.end());
  std::reverse(shuffled.begin(), shuffled.end());
  std::size_t slices = 0, seen = 0;
  for (OrphanCandidates::Prefix from = 0;; ++slices) {
    OrphanCandidates slice(from, 4096);
    for (const BlockId& block : shuffled) slice.add(block);
    for (const BlockId& block : blocks) slice.add(block);  // of another drive
    slice.seal();
    CHECK(slice.size() <= 4096 / 8);
    CHECK(slice.size() > 0);
    for (const BlockId& block : blocks) {
      const OrphanCandidates::Prefix prefix = OrphanCandidates::prefix_of(block);
      const bool inside = prefix >= slice.from() && prefix <= slice.last();
      CHECK(slice.orphan(block) == inside);
      if (!inside) continue;
      ++seen;
      slice.mark_live(block);
      CHECK_FALSE(slice.orphan(block));
    }
    if (slice.reaches_end()) break;
    from = slice.last() + 1;
  }
  CHECK(seen == blocks.size());
  CHECK(slices > 10);
}

}  // namespace gabion::test
