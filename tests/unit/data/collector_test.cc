#include <catch2/catch_test_macros.hpp>

#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here

struct CollectorWorld : DataWorld {
  explicit CollectorWorld(DataWorldOptions options = {}) : DataWorld(std::move(options)), collector(store, {}) {}
  std::uint64_t collect() {
    const auto erased = world.run(collector.run_once(Context()));
    GABION_CHECK(erased.has_value(), "the fake metadata answers");
    return *erased;
  }
  void pass_grace() { world.run_for(std::chrono::minutes(61)); }
  Collector collector;
};

TEST_CASE("deleted blocks are erased from every drive, after the grace period and not before") {
  CollectorWorld w;
  w.put("a", random_text(w.world.rng(), 50'000));
  w.put("b", random_text(w.world.rng(), kBlockBytes + 700'000));
  const auto kept = w.put("c", random_text(w.world.rng(), 700'000));
  w.metadata.remove("a");
  w.metadata.remove("b");
  const std::size_t stored = w.shards_stored();
  CHECK(w.collect() == 0);
  w.world.run_for(std::chrono::minutes(59));
  CHECK(w.collect() == 0);
  CHECK(w.shards_stored() == stored);
  w.world.run_for(std::chrono::minutes(2));
  CHECK(w.collect() == 2);
  CHECK(w.metadata.doomed_entries().empty());
  CHECK(w.shards_stored() == 6);
  CHECK(w.read(kept).has_value());
  CHECK(w.collect() == 0);
}

TEST_CASE("a block that is being read is left alone, however slow the reader is") {
  CollectorWorld w;
  const std::string content = random_text(w.world.rng(), 3 * kBlockBytes);
  const auto id = w.put("key", content);
  auto reader = w.world.run(w.store.read(Context(), metadata::kRootGroup, id, w.metadata.at(id), 0, content.size()));
  REQUIRE(reader.has_value());
  std::string got(w.world.run((*reader)->next())->text());
  w.metadata.remove("key");
  for (;;) {
    w.pass_grace();
    CHECK(w.collect() == 0);
    const auto piece = w.world.run((*reader)->next());
    REQUIRE(piece.has_value());
    if (piece->empty()) break;
    got += piece->text();
  }
  CHECK((got == content));
  reader->reset();
  w.settle();
  CHECK(w.collect() == 1);
  CHECK(w.shards_stored() == 0);
}

TEST_CASE("while a drive that may hold a shard is down the entry stays, and nothing comes back later") {
  CollectorWorld w;
  w.put("key", random_text(w.world.rng(), 700'000));
  w.metadata.remove("key");
  w.pass_grace();
  w.drives[4]->faults.down = true;
  CHECK(w.collect() == 0);
  CHECK(w.collect() == 0);
  CHECK(w.metadata.doomed_entries().size() == 1);
  CHECK(w.shards_stored() == 1);
  w.drives[4]->faults.down = false;
  w.world.run(w.placement.refresh(Context()));
  CHECK(w.collect() == 1);
  CHECK(w.shards_stored() == 0);
}

TEST_CASE("copies on other drives are erased too") {
  DataWorldOptions options;
  options.drives = 9;
  CollectorWorld w(options);
  w.drives[0]->faults.down = true;
  w.drives[1]->faults.down = true;
  for (int i = 0; i < 5; ++i) w.put("key" + std::to_string(i), random_text(w.world.rng(), 700'000));
  w.drives[0]->faults.down = w.drives[1]->faults.down = false;
  w.world.run(w.placement.refresh(Context()));
  for (int i = 0; i < 5; ++i) w.metadata.remove("key" + std::to_string(i));
  w.pass_grace();
  CHECK(w.collect() == 5);
  CHECK(w.shards_stored() == 0);
}

TEST_CASE("an entry that is still referred to does not pass the second look") {
  CollectorWorld w;
  const std::string content = random_text(w.world.rng(), 700'000);
  const auto id = w.put("key", content);
  w.metadata.doom_by_mistake(id);
  w.pass_grace();
  CHECK(w.collect() == 0);
  CHECK((*w.read(id) == content));
  CHECK(w.metadata.doomed_entries().empty());
}

TEST_CASE("what lives on, here or in another group, is taken off the list and not erased, but not while orphans are looked for") {
  CollectorWorld w;
  const auto id = w.put("key", random_text(w.world.rng(), 700'000));
  const auto back = w.put("back", random_text(w.world.rng(), 700'000));
  w.metadata.doom_by_mistake(back);
  const std::size_t stored = w.shards_stored();
  const auto set_job = [&](metadata::JobState how, std::uint64_t version) {
    metadata::Command command;
    metadata::Job& job = *command.mutable_set_cluster_state()->mutable_state()->add_jobs();
    job.set_kind(metadata::JOB_ORPHANS);
    job.set_state(how);
    job.set_epoch(1);
    command.mutable_set_cluster_state()->set_expected_version(version);
    REQUIRE(w.world.run(w.metadata.commit({}, std::move(command)))->outcome() == metadata::APPLIED);
  };
  const std::uint64_t version = w.world.run(w.metadata.cluster_state({}))->version;
  w.metadata.remove("key");
  w.metadata.elsewhere = {id};
  w.pass_grace();
  set_job(metadata::JOB_PAUSED, version);
  w.collect();
  CHECK(w.metadata.doomed_entries().contains(id));
  CHECK(w.metadata.doomed_entries().contains(back));
  set_job(metadata::JOB_DONE, version + 1);
  w.collect();
  CHECK(w.metadata.doomed_entries().empty());
  CHECK(w.shards_stored() == stored);
}

TEST_CASE("a search for orphans that has no fence yet keeps no entries") {
  CollectorWorld w;
  w.metadata.doom_by_mistake(w.put("key", random_text(w.world.rng(), 700'000)));
  metadata::Command command;
  metadata::Job& job = *command.mutable_set_cluster_state()->mutable_state()->add_jobs();
  job.set_kind(metadata::JOB_ORPHANS);
  job.set_state(metadata::JOB_RUNNING);
  command.mutable_set_cluster_state()->set_expected_version(w.world.run(w.metadata.cluster_state({}))->version);
  REQUIRE(w.world.run(w.metadata.commit({}, std::move(command)))->outcome() == metadata::APPLIED);
  w.pass_grace();
  w.collect();
  CHECK(w.metadata.doomed_entries().empty());
  CHECK(w.shards_stored() == 6);
}

TEST_CASE("a collection that was cut off is repeated without harm") {
  CollectorWorld w;
  w.put("key", random_text(w.world.rng(), 700'000));
  w.metadata.remove("key");
  w.pass_grace();
  w.metadata.refuse_commits = true;
  CHECK(!w.world.run(w.collector.run_once(Context())).has_value());
  CHECK(w.shards_stored() == 6);
  w.metadata.refuse_commits = false;
  CHECK(w.collect() == 1);
  CHECK(w.shards_stored() == 0);
}

TEST_CASE("the background collection runs, pauses and stops") {
  CollectorWorld w;
  w.collector.start(w.world.executor());
  w.put("key", random_text(w.world.rng(), 700'000));
  w.metadata.remove("key");
  w.collector.pause();
  w.world.run_for(std::chrono::hours(2));
  CHECK(w.shards_stored() == 6);
  w.collector.resume();
  w.world.run_for(std::chrono::seconds(1));
  CHECK(w.shards_stored() == 0);
  w.world.run(w.collector.stop());
}

}  // namespace
}  // namespace gabion::test
