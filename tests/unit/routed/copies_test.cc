// Copies from one group to another, and what splits leave behind: blocks are erased when the last group has no use for them any
// more, and not before.
#include <set>

#include "tests/unit/routed/copy_world.h"

namespace gabion::metadata::test {

TEST_CASE("a copy in another group keeps the blocks, whichever of the two goes first") {
  for (const bool source_first : {true, false}) {
    CopyWorld w;
    w.groups.split(w.bucket, "m");
    const std::string content = w.text_of(kSize);
    w.put_bytes("a", content);
    CHECK(w.commit(w.copy_of("a", "z")).outcome() == APPLIED);
    CHECK(w.get(w.bucket, "z")->group != w.get(w.bucket, "a")->group);
    CHECK(w.shards() == 6);
    w.erase(source_first ? "a" : "z");
    w.collect_all();
    CHECK(w.shards() == 6);
    CHECK((w.bytes(source_first ? "z" : "a") == content));
    w.erase(source_first ? "z" : "a");
    w.collect();
    CHECK(w.shards() == 6);  // the grace period
    w.collect_all();
    CHECK(w.shards() == 0);
  }
}

TEST_CASE("a copied object of several parts brings its parts along") {
  CopyWorld w;
  w.groups.split(w.bucket, "m");
  const std::string first = w.text_of(kSize), second = w.text_of(kSize);
  w.put_parts("a", first, second);
  CHECK((w.bytes("a") == first + second));
  CHECK(w.commit(w.copy_of("a", "z")).outcome() == APPLIED);
  w.erase("a");
  w.collect_all();
  CHECK((w.bytes("z") == first + second));
  CHECK(w.commit(w.copy_of("z", "b")).outcome() == APPLIED);
  w.erase("z");
  w.collect_all();
  CHECK((w.bytes("b") == first + second));
  w.erase("b");
  w.collect_all();
  CHECK(w.shards() == 0);
}

TEST_CASE("a part can be copied out of an object in another group") {
  CopyWorld w;
  w.groups.split(w.bucket, "m");
  const std::string first = w.text_of(kSize), second = w.text_of(kSize);
  w.put_parts("a", first, second);
  CHECK(w.commit(create_upload(w.bucket, "z", "copy")).outcome() == APPLIED);
  CHECK(w.commit(w.part_copy("a", "z", 1, 500'000, 400'000)).outcome() == APPLIED);
  CHECK(w.commit(w.part_copy("a", "z", 2, 10, 100)).outcome() == APPLIED);
  CHECK(w.commit(complete(w.bucket, "z", "copy", {{1, "part"}, {2, "part"}})).outcome() == APPLIED);
  w.erase("a");
  w.collect_all();
  CHECK((w.bytes("z") == (first + second).substr(500'000, 400'000) + first.substr(10, 100)));
  w.erase("z");
  w.collect_all();
  CHECK(w.shards() == 0);
}

TEST_CASE("what a split leaves in both groups is erased by the last of them") {
  for (const bool sabotaged : {false, true}) {
    Sabotage sabotage;
    sabotage.collect_shared = sabotaged;
    CopyWorld w(sabotage);
    const std::string content = w.text_of(kSize);
    w.put_bytes("a", content);
    w.put_bytes("z", content);
    w.groups.split(w.bucket, "m");
    w.groups.split(w.bucket, "c");
    for (const GroupId group : w.groups.all()) w.groups.trim(group);
    w.collect_all();
    CHECK((w.bytes("a") == content) != sabotaged);
    CHECK((w.bytes("z") == content) != sabotaged);
    if (sabotaged) continue;
    CHECK(w.shards() == 12);
    w.erase("a");
    w.collect_all();
    CHECK(w.shards() == 6);
    CHECK((w.bytes("z") == content));
    w.erase("z");
    w.collect_all();
    CHECK(w.shards() == 0);
  }
}

TEST_CASE("what goes to a group that was asked already, from one that is asked next, is not erased") {
  CopyWorld w;
  const GroupId middle = w.groups.split(w.bucket, "h");
  w.groups.split(w.bucket, "p");
  const std::string content = w.text_of(kSize);
  w.put_bytes("z", content);
  CHECK(w.commit(w.copy_of("z", "k")).outcome() == APPLIED);
  w.erase("z");
  w.world.run_for(std::chrono::minutes(61));
  Command move = w.copy_of("k", "a");
  int moved = 0;
  w.groups.before_read = [&](ReadRequest read) -> task<void> {
    if (read.group() != middle || !read.has_live() || moved++ != 0) co_return;
    CHECK((co_await w.gateway.metadata().commit(Context(), move))->outcome() == APPLIED);
    CHECK((co_await w.gateway.metadata().commit(Context(), remove(w.bucket, "k")))->outcome() == APPLIED);
  };
  w.collect();
  CHECK(moved == 1);
  CHECK((w.bytes("a") == content));
  w.collect_all();
  CHECK((w.bytes("a") == content));
  w.erase("a");
  w.collect_all();
  CHECK(w.shards() == 0);
}

TEST_CASE("a group that does not answer keeps the others from erasing") {
  CopyWorld w;
  const GroupId child = w.groups.split(w.bucket, "m");
  w.put_bytes("a", w.text_of(kSize));
  w.erase("a");
  // It is decided, and nobody has the group yet.
  const GroupId coming = *w.groups.decide(cluster::boundary_at(w.bucket, "t"));
  w.world.run_for(std::chrono::minutes(61));
  CHECK(w.world.run(w.collector.run_once(Context())).error().code == Errc::unavailable);
  CHECK(w.shards() == 6);
  w.groups.carry_out(coming);
  CHECK(child != coming);
  w.collect();
  CHECK(w.shards() == 0);
}

TEST_CASE("a loan that nobody ended ends after an hour") {
  CopyWorld w;
  w.groups.split(w.bucket, "m");
  w.put_bytes("z", w.text_of(kSize));
  const Object source = w.get(w.bucket, "z").value();
  Command lend;
  lend.set_group(source.group);
  lend.mutable_lend_manifest()->set_manifest(source.version.manifest());
  lend.mutable_lend_manifest()->set_loan(std::string(16, 'l'));
  CHECK(w.commit(lend).outcome() == APPLIED);
  w.erase("z");
  w.world.run_for(std::chrono::minutes(50));
  w.collect();
  CHECK(w.world.run(w.gateway.metadata().live_manifests({}, source.group, {source.version.manifest()}))->size() == 1);
  w.world.run_for(std::chrono::minutes(20));
  w.collect();
  CHECK(w.world.run(w.gateway.metadata().live_manifests({}, source.group, {source.version.manifest()}))->empty());
  w.collect_all();
  CHECK(w.shards() == 0);
}

TEST_CASE("a copy that stood still for longer than a loan lasts is refused: its blocks may be erased") {
  CopyWorld w;
  w.groups.split(w.bucket, "m");
  w.put_bytes("a", w.text_of(kSize));
  const Command move = w.copy_of("a", "z");
  bool held_up = false;
  w.groups.after_read = [&](ReadRequest read) -> task<void> {
    if (!read.has_manifest() || std::exchange(held_up, true)) co_return;
    CHECK((co_await w.gateway.metadata().commit(Context(), remove(w.bucket, "a")))->outcome() == APPLIED);
    for (int i = 0; i < 3; ++i) {
      co_await w.world.clock().sleep(std::chrono::minutes(61));
      CHECK((co_await w.collector.run_once(Context())).has_value());
    }
  };
  const auto late = w.world.run(w.gateway.metadata().commit(Context(), move));
  CHECK(held_up);
  CHECK(w.shards() == 0);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == Errc::unavailable);
  CHECK(w.bytes("z") == "(none)");
}

TEST_CASE("where the groups take long to tell what they have nothing is erased") {
  CopyWorld w;
  w.groups.split(w.bucket, "m");
  w.put_bytes("a", w.text_of(kSize));
  w.erase("a");
  w.world.run_for(std::chrono::minutes(61));
  w.groups.before_read = [&](ReadRequest read) -> task<void> {
    if (read.has_live()) co_await w.world.clock().sleep(std::chrono::minutes(31));
  };
  CHECK(w.world.run(w.collector.run_once(Context())).error().code == Errc::unavailable);
  CHECK(w.shards() == 6);
  w.groups.before_read = nullptr;
  w.collect();
  CHECK(w.shards() == 0);
}

TEST_CASE("a copy whose source is gone says so, and owes nothing") {
  CopyWorld w;
  w.groups.split(w.bucket, "m");
  w.put_bytes("a", w.text_of(kSize));
  Command late = w.copy_of("a", "z");
  w.erase("a");
  CHECK(w.commit(late).outcome() == SOURCE_GONE);
  w.collect_all();
  CHECK(w.shards() == 0);
}

TEST_CASE("blocks are there exactly as long as some key of some group has them") {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    INFO("seed " << seed);
    CopyWorld w({}, seed);
    std::map<std::string, std::string> model;
    const auto key = [&w] { return std::string(1, static_cast<char>('a' + w.world.rng().below(26))); };
    for (int step = 0; step < 120; ++step) {
      const std::uint64_t what = w.world.rng().below(12);
      if (what < 4 || model.empty()) {
        const std::string at = key();
        model[at] = w.text_of(140'000 + w.world.rng().below(10'000));
        w.put_bytes(at, model[at]);
      } else if (what < 8) {
        const auto source = std::next(model.begin(), static_cast<std::ptrdiff_t>(w.world.rng().below(model.size())));
        const std::string to = key();
        CHECK(w.commit(w.copy_of(source->first, to)).outcome() == APPLIED);
        model[to] = source->second;
      } else if (what < 10) {
        w.erase(model.begin()->first);
        model.erase(model.begin());
      } else if (what == 10) {
        w.world.run_for(std::chrono::minutes(w.world.rng().below(90)));
        w.collect();
      } else if (const auto child = w.groups.decide(cluster::boundary_at(w.bucket, key()))) {
        w.groups.carry_out(*child);
        if (w.world.rng().below(2) == 0) w.groups.trim(0);
        w.groups.finish(*child);
        for (const GroupId group : w.groups.all()) {
          if (w.world.rng().below(2) == 0) w.groups.trim(group);
        }
      }
    }
    for (const GroupId group : w.groups.all()) w.groups.trim(group);
    w.collect_all();
    std::set<std::string> contents;
    for (const auto& [at, content] : model) {
      CHECK((w.bytes(at) == content));
      contents.insert(content);
    }
    CHECK(w.shards() == 6 * contents.size());
  }
}

}  // namespace gabion::metadata::test
