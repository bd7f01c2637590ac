// A data path whose metadata is in several groups.
#pragma once

#include "gateway/data/collector.h"
#include "ring/ring.h"
#include "tests/support/data_tasks.h"
#include "tests/support/fake_shard_store.h"
#include "tests/unit/routed/routed_world.h"

namespace gabion::metadata::test {

using namespace gateway::data;  // NOLINT: the subject of every line here
using gabion::test::FakeShardStore;

inline constexpr erasure::Profile kProfile{4, 2};

struct CopyWorld : RoutedWorld {
  explicit CopyWorld(Sabotage sabotage = {}, std::uint64_t seed = 1)
      : RoutedWorld(seed),
        placement(make_ring(), &epochs),
        keys(SecretKey::random(world.rng()), gateway.metadata(), world.rng()),
        memory(world.clock(), 512 * MiB),
        store({placement, gateway.metadata(), keys, memory, world.clock(), world.rng()}, options(sabotage)),
        collector(store, {}) {
    for (const ring::Drive& drive : placement.view()->ring->drives()) {
      drives.push_back(std::make_unique<FakeShardStore>());
      placement.attach(drive.id, *drives.back());
    }
    bucket = make_bucket("b");
  }
  ~CopyWorld() {
    world.run(store.close());
    world.run(memory.close());
  }
  static ring::Ring make_ring() {
    SeededRng rng(1000);
    std::vector<ring::Drive> list(kProfile.total());
    for (ring::Drive& drive : list) drive = {.id = DriveId::random(rng), .domain = {"region", "zone", "node"}};
    return *ring::build(ring::Ring(), std::move(list), kProfile.total(), 4);
  }
  static Options options(Sabotage sabotage) {
    Options options;
    options.profile = kProfile;
    options.sabotage = sabotage;
    return options;
  }

  Manifest write(const std::string& content) {
    return world.run(gabion::test::write_all(store, content, content.size(), 100'000)).value().manifest;
  }
  void put_bytes(const std::string& key, const std::string& content) {
    Command command = put(bucket, key, "");
    command.mutable_put_object()->mutable_version()->set_size(content.size());
    *command.mutable_put_object()->mutable_manifest() = write(content);
    REQUIRE(commit(std::move(command)).outcome() == APPLIED);
  }
  // Two parts in one object.
  void put_parts(const std::string& key, const std::string& first, const std::string& second) {
    REQUIRE(commit(create_upload(bucket, key, "upload")).outcome() == APPLIED);
    for (const std::string* content : {&first, &second}) {
      Command part = put_part(bucket, key, "upload", content == &first ? 1 : 2, "part", 0);
      *part.mutable_put_part()->mutable_manifest() = write(*content);
      REQUIRE(commit(std::move(part)).outcome() == APPLIED);
    }
    REQUIRE(commit(complete(bucket, key, "upload", {{1, "part"}, {2, "part"}})).outcome() == APPLIED);
  }
  // As a gateway does it.
  Command copy_of(const std::string& from, const std::string& to) {
    const Object source = get(bucket, from).value();
    Command command = copy(bucket, to, source.version);
    command.mutable_put_object()->mutable_share()->set_length(source.version.size());
    command.mutable_put_object()->mutable_share()->set_group(source.group);
    return command;
  }
  Command part_copy(const std::string& from, const std::string& to, std::uint32_t number, std::uint64_t offset,
                    std::uint64_t length) {
    const Object source = get(bucket, from).value();
    Command command = put_part(bucket, to, "copy", number, "part", 0);
    Slice& share = *command.mutable_put_part()->add_shares();
    share.set_manifest(source.version.manifest());
    share.set_group(source.group);
    share.set_offset(offset);
    share.set_length(length);
    return command;
  }
  std::string bytes(const std::string& key) {
    const auto object = get(bucket, key);
    if (!object) return "(none)";
    const auto read = world.run(gabion::test::read_all(store, object->version.manifest(), object->manifest, 0,
                                                       object->manifest.size(), object->group));
    return read ? *read : "(" + read.error().message + ")";
  }
  void erase(const std::string& key) { REQUIRE(commit(remove(bucket, key)).outcome() == APPLIED); }
  // Entries that are erased, or left to another group.
  void collect() {
    const auto done = world.run(collector.run_once(Context()));
    REQUIRE(done.has_value());
  }
  void collect_all() {
    for (int i = 0; i < 4; ++i) {
      world.run_for(std::chrono::minutes(61));
      collect();
    }
  }
  std::size_t shards() const {
    std::size_t sum = 0;
    for (const auto& drive : drives) sum += drive->shards().size();
    return sum;
  }
  std::string text_of(std::size_t size) { return gabion::test::random_text(world.rng(), size); }

  chunkserver::RingEpochs epochs;
  Placement placement;
  std::vector<std::unique_ptr<FakeShardStore>> drives;
  KeyStore keys;
  MemoryBudget memory;
  BlockStore store;
  Collector collector;
  BucketId bucket = 0;
};

inline constexpr std::size_t kSize = 700'000;  // one block, a shard on each drive

}  // namespace gabion::metadata::test
