// LocalMetadata over real drives: restarts, lost drives, new drives.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/metadata/random_commands.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {
namespace {

BucketId fill(RealSubject& subject, int objects) {
  const BucketId bucket = subject.commit(create_bucket("bucket")).bucket().id();
  for (int i = 0; i < objects; ++i) subject.commit(put(bucket, "key" + std::to_string(i), "value" + std::to_string(i)));
  return bucket;
}

std::string value(RealSubject& subject, BucketId bucket, int i) {
  auto object = subject.run(subject.metadata().object(Context(), bucket, "key" + std::to_string(i), Metadata::With::manifest));
  return object ? object->manifest.inline_data() : to_string(object.error().code).data();
}

std::size_t primary(RealSubject& subject) {
  const auto status = subject.node().status();
  for (std::size_t i = 0; i < status.state.size(); ++i) {
    if (status.state[i].primary) return i;
  }
  return 99;
}

}  // namespace

TEST_CASE("what was committed is there after a restart, and the log was cut") {
  RealSubject subject;
  const BucketId bucket = fill(subject, 100);
  const std::uint64_t applied = subject.node().status().applied;
  subject.reopen();
  CHECK(subject.node().status().applied == applied);
  for (const int i : {0, 50, 99}) CHECK(value(subject, bucket, i) == "value" + std::to_string(i));
  for (const auto& copy : subject.node().status().state) CHECK(copy.covered == applied);
  subject.commit(put(bucket, "key0", "new"));
  subject.reopen();
  CHECK(value(subject, bucket, 0) == "new");
}

TEST_CASE("the state moves to another drive when its own is lost while serving") {
  RealSubject subject;
  const BucketId bucket = fill(subject, 50);
  subject.drive(subject.node().checkpoint());
  for (int i = 50; i < 80; ++i) subject.commit(put(bucket, "key" + std::to_string(i), "value" + std::to_string(i)));
  const std::size_t first = primary(subject);
  REQUIRE(subject.run(subject.node().fail_drive(subject.drive_id(first), "it was pulled out")).has_value());
  CHECK(primary(subject) != first);
  CHECK(!subject.node().status().log[first].healthy);
  for (const int i : {0, 49, 79}) CHECK(value(subject, bucket, i) == "value" + std::to_string(i));
  CHECK(subject.commit(put(bucket, "key1", "after")).outcome() == APPLIED);
  CHECK(value(subject, bucket, 1) == "after");

  subject.stop();
  subject.wipe(first);
  subject.open(false);
  CHECK(value(subject, bucket, 1) == "after");
  CHECK(subject.node().status().log[first].healthy);
}

TEST_CASE("a drive that was empty holds everything after a checkpoint, and can serve alone") {
  RealSubject subject;
  const BucketId bucket = fill(subject, 50);
  subject.stop();
  subject.wipe(2);
  subject.open(false);
  subject.commit(put(bucket, "key50", "value50"));
  subject.drive(subject.node().checkpoint());
  subject.commit(put(bucket, "key51", "value51"));
  subject.stop();
  subject.wipe(0);
  subject.wipe(1);
  subject.open(false);
  for (const int i : {0, 50, 51}) CHECK(value(subject, bucket, i) == "value" + std::to_string(i));
}

TEST_CASE("a copy from another group is refused when what was lent for it may have been given back") {
  RealSubject subject;
  const BucketId bucket = fill(subject, 0);
  Command late = copy(bucket, "key", Version());
  late.mutable_put_object()->mutable_share()->set_manifest(1);
  late.mutable_put_object()->add_adopted()->set_id(1);
  late.set_time_us(1);
  const auto refused = subject.run(subject.metadata().commit(Context(), late));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::unavailable);
  late.set_time_us(0);
  CHECK(subject.run(subject.metadata().commit(Context(), late)).has_value());
  // Others may come as late as they like.
  Command other = put(bucket, "key", "value");
  other.set_time_us(1);
  CHECK(subject.run(subject.metadata().commit(Context(), other)).has_value());
}

TEST_CASE("nothing is started anew where there was something before") {
  RealSubject subject;
  fill(subject, 3);
  subject.stop();
  for (std::size_t i = 0; i < 3; ++i) subject.wipe(i);
  const auto opened = subject.try_open(false);
  REQUIRE(!opened.has_value());
  CHECK(opened.error().code == Errc::not_found);
}

TEST_CASE("checkpoints copy only what the drives do not have, and a copy can be opened") {
  RealSubject subject;
  const BucketId bucket = fill(subject, 20);
  for (int round = 0; round < 4; ++round) {
    subject.commit(put(bucket, "key" + std::to_string(round), "round" + std::to_string(round)));
    subject.drive(subject.node().checkpoint());
  }
  const std::size_t first = primary(subject);
  for (const auto& copy : subject.node().status().state) {
    CHECK(copy.healthy);
    CHECK(copy.error.empty());
  }
  REQUIRE(subject.run(subject.node().fail_drive(subject.drive_id(first), "test")).has_value());
  CHECK(value(subject, bucket, 3) == "round3");
  CHECK(value(subject, bucket, 19) == "value19");
}

TEST_CASE("a damaged state on one drive is passed over for a copy on another") {
  RealSubject subject;
  const BucketId bucket = fill(subject, 50);
  const std::size_t first = primary(subject);
  subject.stop();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(subject.root(first) + "/metadata/state")) {
    if (entry.path().filename().string().starts_with("MANIFEST")) std::filesystem::resize_file(entry.path(), 5);
  }
  subject.open(false);
  CHECK(primary(subject) != first);
  CHECK(value(subject, bucket, 49) == "value49");
}

TEST_CASE("many commands at once are committed in few rounds, each with its own result") {
  RealSubject subject;
  const BucketId bucket = fill(subject, 0);
  struct Flood {
    static task<void> run(Metadata& metadata, BucketId bucket, int& applied) {
      std::vector<task<Result<CommandResult>>> commands;
      for (int i = 0; i < 500; ++i) {
        Command command = put(bucket, "same", "value" + std::to_string(i));
        command.mutable_put_object()->mutable_conditions()->set_if_none_match_any(true);
        commands.push_back(metadata.commit(Context(), std::move(command)));
      }
      const auto results = co_await gather(std::move(commands));
      for (const auto& result : results) applied += result.value().outcome() == APPLIED ? 1 : 0;
    }
  };
  int applied = 0;
  subject.drive(Flood::run(subject.metadata(), bucket, applied));
  CHECK(applied == 1);
}

}  // namespace gabion::metadata::test
