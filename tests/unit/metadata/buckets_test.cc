// Buckets whose keys are in several groups: who may write to them, and who wins when one is deleted meanwhile.
#include "tests/unit/metadata/group_machine.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {
namespace {

std::string at(BucketId bucket, std::string_view key) { return keys::rows_from(bucket, key); }

// Bucket 1, of which a group has the keys from m on.
struct TwoGroups {
  std::uint64_t raise() { return root.apply(raise_bucket(1)).bucket().generation(); }
  Command deletion(std::uint64_t generation) const {
    Command command = delete_bucket("b");
    command.mutable_delete_bucket()->set_generation(generation);
    command.mutable_delete_bucket()->set_to(at(1, "m"));
    return command;
  }
  Outcome close(std::uint64_t generation) { return child.outcome(close_bucket(1, generation, at(1, "m"), at(2, ""))); }

  GroupMachine root;
  GroupMachine child = (root.apply(create_bucket("b")), root.split(1, at(1, "m")));
};

}  // namespace

TEST_CASE("a group takes nothing for a bucket until it is opened, and forgets it over no restart") {
  TwoGroups w;
  CHECK(w.child.outcome(put(1, "x", "text")) == NO_SUCH_BUCKET);
  CHECK(w.child.outcome(open_bucket(1, w.raise())) == APPLIED);
  CHECK(w.child.outcome(put(1, "x", "text")) == APPLIED);
  w.child.open();
  CHECK(w.child.outcome(put(1, "x", "text")) == APPLIED);
  CHECK(w.root.outcome(raise_bucket(77)) == NO_SUCH_BUCKET);
  CHECK(w.raise() == 2);
  CHECK(reads::bucket(w.root.state(), "b", ReadMode::wait)->generation() == 2);
}

TEST_CASE("a group is closed to a bucket unless it has objects of it or was opened later") {
  TwoGroups w;
  CHECK(w.close(0) == APPLIED);
  CHECK(w.close(0) == APPLIED);
  CHECK(w.child.outcome(put(1, "x", "text")) == NO_SUCH_BUCKET);
  CHECK(w.child.outcome(open_bucket(1, 0)) == STALE);  // the deletion may have won already
  CHECK(w.child.outcome(open_bucket(1, 1)) == APPLIED);
  CHECK(w.child.outcome(open_bucket(1, 1)) == APPLIED);
  CHECK(w.child.outcome(put(1, "x", "text")) == APPLIED);
  CHECK(w.close(0) == STALE);
  CHECK(w.close(1) == BUCKET_NOT_EMPTY);
  CHECK(w.child.outcome(put(1, "x", "text")) == APPLIED);
  CHECK(w.child.outcome(remove(1, "x")) == APPLIED);
  CHECK(w.close(1) == APPLIED);
  // A second deletion closes it with a later generation: who was to open it before that comes too late.
  CHECK(w.close(3) == APPLIED);
  CHECK(w.child.outcome(open_bucket(1, 2)) == STALE);
  CHECK(w.close(2) == APPLIED);
  CHECK(w.child.outcome(open_bucket(1, 3)) == STALE);
  CHECK(w.child.outcome(open_bucket(1, 4)) == APPLIED);
  // It has to have all that it is asked to close.
  CHECK(w.child.outcome(close_bucket(1, 9, at(1, "a"), at(2, ""))) == MOVED);
  CHECK(w.child.outcome(close_bucket(1, 9)) == MOVED);
}

TEST_CASE("a bucket is deleted when nobody was let in since the other groups were closed") {
  TwoGroups w;
  const std::uint64_t generation = w.raise();
  REQUIRE(w.close(generation) == APPLIED);
  SECTION("the deletion is first") {
    CHECK(w.root.outcome(w.deletion(generation)) == APPLIED);
    CHECK(w.root.outcome(raise_bucket(1)) == NO_SUCH_BUCKET);
    CHECK(w.child.outcome(open_bucket(1, generation)) == STALE);
    CHECK(w.child.outcome(bucket_gone(1)) == APPLIED);
    CHECK(w.child.outcome(open_bucket(1, 99)) == NO_SUCH_BUCKET);
  }
  SECTION("a writer is first") {
    const std::uint64_t later = w.raise();
    CHECK(w.root.outcome(w.deletion(generation)) == STALE);
    CHECK(w.child.outcome(open_bucket(1, later)) == APPLIED);
    CHECK(w.child.outcome(put(1, "x", "text")) == APPLIED);
    CHECK(w.close(later) == BUCKET_NOT_EMPTY);
  }
  SECTION("group 0 has objects of its own part") {
    CHECK(w.root.outcome(put(1, "a", "text")) == APPLIED);
    CHECK(w.root.outcome(w.deletion(generation)) == BUCKET_NOT_EMPTY);
  }
  SECTION("group 0 was split after the others were asked") {
    CHECK(w.root.outcome(put(1, "h", "text")) == APPLIED);
    GroupMachine third = w.root.split(2, at(1, "g"));
    CHECK(w.root.outcome(w.deletion(generation)) == MOVED);
    CHECK(w.root.outcome(delete_bucket("b")) == MOVED);
    Command fitting = w.deletion(generation);
    fitting.mutable_delete_bucket()->set_to(at(1, "g"));
    CHECK(third.outcome(close_bucket(1, generation, at(1, "g"), at(1, "m"))) == BUCKET_NOT_EMPTY);
    CHECK(w.root.outcome(fitting) == APPLIED);  // had the third been asked and agreed
  }
}

TEST_CASE("a first generation is one that can be passed by") {
  TwoGroups w;
  REQUIRE(w.close(0) == APPLIED);
  const std::uint64_t later = w.raise();
  CHECK(w.root.outcome(w.deletion(0)) == STALE);
  CHECK(w.child.outcome(open_bucket(1, later)) == APPLIED);
}

TEST_CASE("objects that a split left over do not keep a bucket") {
  GroupMachine root;
  root.apply(create_bucket("b"));
  root.apply(put(1, "x", "text"));
  root.apply(create_bucket("c"));
  GroupMachine child = root.split(1, at(1, "m"));
  CHECK(child.outcome(close_bucket(1, 0, at(1, "m"), at(2, ""))) == BUCKET_NOT_EMPTY);
  CHECK(child.outcome(close_bucket(3, 0, at(3, ""), at(4, ""))) == APPLIED);
  Command command = delete_bucket("b");
  command.mutable_delete_bucket()->set_to(at(1, "m"));
  CHECK(root.outcome(command) == APPLIED);  // x is not its own any more
  root.trim(1);
  check_references(root.store());
}

TEST_CASE("uploads stay until their bucket is deleted, and then go in every group") {
  GroupMachine root;
  root.apply(create_bucket("b"));
  for (const std::string key : {"a", "x"}) {
    root.apply(create_upload(1, key, "id"));
    root.apply(put_part(1, key, "id", 1, "block " + key, 100));
  }
  GroupMachine child = root.split(1, at(1, "m"));
  root.trim();
  child.trim();
  const std::uint64_t generation = root.apply(raise_bucket(1)).bucket().generation();
  CHECK(child.outcome(close_bucket(1, generation, at(1, "m"), at(2, ""))) == APPLIED);
  CHECK(child.totals().uploads == 1);
  Command command = delete_bucket("b");
  command.mutable_delete_bucket()->set_generation(generation);
  command.mutable_delete_bucket()->set_to(at(1, "m"));
  CHECK(root.outcome(command) == APPLIED);
  CHECK(root.totals().uploads == 0);
  CHECK(child.outcome(bucket_gone(1)) == APPLIED);
  CHECK(child.totals().uploads == 0);
  check_references(root.store());
  check_references(child.store());
}

TEST_CASE("a group that is split off from another than group 0 knows the buckets that its parent knew") {
  TwoGroups w;
  CHECK(w.child.outcome(open_bucket(1, w.raise())) == APPLIED);
  CHECK(w.child.outcome(open_bucket(50, 1)) == APPLIED);
  CHECK(w.child.outcome(close_bucket(60, 1, at(60, ""), at(61, ""))) == APPLIED);
  GroupMachine third = w.child.split(2, at(40, ""));
  CHECK(w.child.outcome(put(1, "x", "text")) == APPLIED);
  CHECK(third.outcome(put(50, "x", "text")) == APPLIED);
  CHECK(third.outcome(open_bucket(60, 1)) == STALE);
  // Where none of its keys are it is forgotten.
  w.child.trim(1);
  third.trim(1);
  CHECK(count_rows(w.child.store(), Table::other, keys::all_access()) == 1);
  CHECK(count_rows(third.store(), Table::other, keys::all_access()) == 2);
  CHECK(third.outcome(open_bucket(60, 1)) == STALE);
}

}  // namespace gabion::metadata::test
