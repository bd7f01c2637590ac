// Writers, readers and those who delete buckets, through gateways that know nothing of each other, while ranges are split, step
// by step, and answers are lost. Each key has one writer, who knows what it must find there; nobody may delete a bucket over it.
#include <set>

#include "tests/unit/routed/routed_world.h"

namespace gabion::metadata::test {
namespace {

using std::chrono::milliseconds;

constexpr int kWriters = 3;
constexpr int kSteps = 70;

class Chaos {
 public:
  explicit Chaos(std::uint64_t seed) : world_(seed), groups_(world_) {
    for (int i = 0; i < 3; ++i) gateways_.push_back(std::make_unique<GroupsGateway>(world_, groups_));
    groups_.slowest = milliseconds(40);
    groups_.lose_one_in = 12;
  }

  void run() {
    std::vector<task<int>> work;
    for (int i = 0; i < kWriters; ++i) work.push_back(write(i));
    work.push_back(split());
    work.push_back(trim());
    work.push_back(delete_buckets());
    world_.run(gather(std::move(work)));
    groups_.slowest = {};
    groups_.lose_one_in = 0;
    for (const GroupId group : groups_.all()) groups_.trim(group);
    for (const Keys& keys : written_) world_.run(check_all(keys));
    for (const BucketId id : deleted_) {
      CHECK(world_.run(any().list_objects(Context(), list_of(id)))->objects.empty());
    }
  }
  int splits = 0, deletions = 0, puts = 0;

 private:
  struct Keys {
    BucketId bucket = 0;
    std::map<std::string, std::string> content;
  };

  RoutedMetadata& any() { return gateways_[world_.rng().below(gateways_.size())]->metadata(); }
  bool chance(unsigned one_in) { return world_.rng().below(one_in) == 0; }
  std::string key_of(int writer) {
    return std::string(1, static_cast<char>('a' + world_.rng().below(26))) + "/w" + std::to_string(writer);
  }
  static bool is_of(int writer, const std::string& key) { return key.ends_with("/w" + std::to_string(writer)); }

  task<CommandResult> commit(Command command) {
    auto result = co_await any().commit(Context(), std::move(command));
    INFO((result ? "" : result.error().message));
    REQUIRE(result.has_value());
    co_return *std::move(result);
  }

  // The bucket as it is now, made where there is none.
  task<BucketId> bucket() {
    const CommandResult made = co_await commit(create_bucket("b"));
    co_return made.bucket().id();
  }

  // A bucket that is gone was empty.
  task<bool> went(const CommandResult& result, Keys& keys) {
    if (result.outcome() != NO_SUCH_BUCKET) co_return false;
    CHECK(keys.content.empty());
    keys.content.clear();
    keys.bucket = co_await bucket();
    co_return true;
  }

  task<int> write(int writer) {
    Keys keys;
    keys.bucket = co_await bucket();
    for (int step = 0; step < kSteps; ++step) {
      const std::string key = key_of(writer);
      if (chance(8)) co_await delete_all(keys);
      else if (chance(4)) co_await check_list(writer, keys);
      else if (chance(3)) co_await check(keys, key);
      else if (chance(5)) co_await remove_one(keys, key);
      else if (chance(4)) co_await copy_one(keys, key);
      else co_await put_one(keys, key, std::to_string(writer) + "." + std::to_string(step));
      if (chance(6)) co_await world_.clock().sleep(milliseconds(world_.rng().below(300)));
    }
    if (chance(2)) co_await delete_all(keys);
    written_.push_back(std::move(keys));
    co_return 0;
  }

  task<int> put_one(Keys& keys, std::string key, std::string content) {
    const CommandResult result = co_await commit(put(keys.bucket, key, content));
    const bool gone = co_await went(result, keys);
    if (gone) co_return 0;
    CHECK(result.outcome() == APPLIED);
    keys.content[key] = content;
    ++puts;
    co_return 0;
  }

  task<int> copy_one(Keys& keys, std::string to) {
    if (keys.content.empty()) co_return 0;
    const auto source = *std::next(keys.content.begin(), static_cast<std::ptrdiff_t>(world_.rng().below(keys.content.size())));
    for (;;) {
      const auto object = co_await any().object(Context(), keys.bucket, source.first, Metadata::With::version);
      REQUIRE(object.has_value());
      Command command = copy(keys.bucket, to, object->version);
      command.mutable_put_object()->mutable_share()->set_group(object->group);
      const CommandResult result = co_await commit(std::move(command));
      CHECK(result.outcome() != NO_SUCH_BUCKET);
      if (result.outcome() == SOURCE_GONE) continue;  // it moved: as gateways do
      CHECK(result.outcome() == APPLIED);
      keys.content[to] = source.second;
      co_return 0;
    }
  }

  task<int> remove_one(Keys& keys, std::string key) {
    const CommandResult result = co_await commit(remove(keys.bucket, key));
    const bool gone = co_await went(result, keys);
    if (!gone) CHECK(result.outcome() == APPLIED);
    keys.content.erase(key);
    co_return 0;
  }

  task<int> delete_all(Keys& keys) {
    std::vector<std::string> names;
    for (const auto& [key, content] : keys.content) names.push_back(key);
    if (names.empty()) co_return 0;
    const CommandResult result = co_await commit(delete_objects(keys.bucket, names));
    REQUIRE(result.each_size() == static_cast<int>(names.size()));
    for (std::size_t i = 0; i < names.size(); ++i) {
      const CommandResult& one = result.each(static_cast<int>(i));
      CHECK(one.outcome() == APPLIED);
      CHECK(one.version().etag() == etag_bytes(keys.content[names[i]]));
    }
    keys.content.clear();
    co_return 0;
  }

  task<int> check(const Keys& keys, std::string key) {
    const auto object = co_await any().object(Context(), keys.bucket, key, Metadata::With::manifest);
    const auto known = keys.content.find(key);
    if (known == keys.content.end()) {
      CHECK((!object && object.error().code == Errc::not_found));
    } else {
      REQUIRE(object.has_value());
      CHECK(object->manifest.inline_data() == known->second);
    }
    co_return 0;
  }

  task<int> check_all(const Keys& keys) {
    for (const auto& [key, content] : keys.content) co_await check(keys, key);
    co_return 0;
  }

  task<int> check_list(int writer, const Keys& keys) {
    std::set<std::string> seen, letters;
    ListRequest request = list_of(keys.bucket, "", chance(2) ? "/" : "", 1 + world_.rng().below(6));
    for (bool more = true; more;) {
      const auto page = co_await any().list_objects(Context(), request);
      REQUIRE(page.has_value());
      for (const ListedObject& object : page->objects) {
        CHECK(object.key > request.after);
        if (is_of(writer, object.key)) CHECK(seen.insert(object.key).second);
      }
      for (const std::string& prefix : page->common_prefixes) CHECK(letters.insert(prefix).second);
      request.after = page->last;
      more = page->truncated;
    }
    for (const auto& [key, content] : keys.content) {
      CHECK((request.delimiter.empty() ? seen.contains(key) : letters.contains(key.substr(0, 2))));
    }
    if (request.delimiter.empty()) CHECK(seen.size() == keys.content.size());
    co_return 0;
  }

  task<int> split() {
    for (int i = 0; i < 12; ++i) {
      co_await world_.clock().sleep(milliseconds(world_.rng().below(600)));
      const BucketId at = 1 + world_.rng().below(20);
      std::string key = chance(4) ? "" : std::string(1, static_cast<char>('a' + world_.rng().below(26)));
      if (chance(3)) key += "/w1";
      const BucketId of = written_.empty() && chance(4) ? at : last_bucket();
      const auto child = groups_.decide(cluster::boundary_at(of, key));
      if (!child) continue;
      co_await world_.clock().sleep(milliseconds(world_.rng().below(200)));
      groups_.carry_out(*child);
      co_await world_.clock().sleep(milliseconds(world_.rng().below(200)));
      groups_.finish(*child);
      ++splits;
    }
    co_return 0;
  }
  BucketId last_bucket() {
    const auto found = reads::bucket({groups_.at(0).store(), groups_.at(0).range()}, "b", ReadMode::wait);
    return found ? found->id() : 1;
  }

  task<int> trim() {
    for (int i = 0; i < 60; ++i) {
      co_await world_.clock().sleep(milliseconds(world_.rng().below(150)));
      const auto all = groups_.all();
      Command command;
      command.mutable_trim_range()->set_limit(1 + static_cast<std::uint32_t>(world_.rng().below(4)));
      groups_.at(all[world_.rng().below(all.size())]).apply(std::move(command));
    }
    co_return 0;
  }

  task<int> delete_buckets() {
    for (int i = 0; i < 40; ++i) {
      co_await world_.clock().sleep(milliseconds(world_.rng().below(250)));
      const CommandResult result = co_await commit(delete_bucket("b"));
      if (result.outcome() != APPLIED) continue;
      deleted_.push_back(result.bucket().id());
      ++deletions;
    }
    co_return 0;
  }

  sim::SimWorld world_;
  MemoryGroups groups_;
  std::vector<std::unique_ptr<GroupsGateway>> gateways_;
  std::vector<Keys> written_;
  std::vector<BucketId> deleted_;
};

}  // namespace

TEST_CASE("no acknowledged write is lost and no bucket is deleted over one, while ranges are split") {
  int splits = 0, deletions = 0, puts = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Chaos chaos(seed);
    chaos.run();
    splits += chaos.splits;
    deletions += chaos.deletions;
    puts += chaos.puts;
  }
  CHECK(splits > 200);
  CHECK(deletions > 20);
  CHECK(puts > 1000);
}

}  // namespace gabion::metadata::test
