// Requests that go to whichever group has the key: with the newest table, an old one, and in the middle of a split.
#include "tests/unit/routed/routed_world.h"

namespace gabion::metadata::test {
namespace {

using Names = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

TEST_CASE("with one group every request is one question") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  const auto asked = [&w](auto what) {
    const std::uint64_t before = w.groups.answered;
    what();
    return w.groups.answered - before;
  };
  CHECK(asked([&] { w.commit(put(bucket, "k", "text")); }) == 1);
  CHECK(asked([&] { CHECK(w.text(bucket, "k") == "text"); }) == 1);
  CHECK(asked([&] { CHECK(w.names(list_of(bucket)) == Names{"k"}); }) == 1);
  CHECK(asked([&] { w.commit(copy(bucket, "c", w.get(bucket, "k")->version)); }) == 2);
  CHECK(asked([&] { w.commit(delete_objects(bucket, {"k", "c"})); }) == 1);
  CHECK(asked([&] { w.commit(delete_bucket("b")); }) == 1);
  CHECK(asked([&] { CHECK(w.world.run(w.gateway.metadata().groups({})).value() == std::vector<GroupId>{0}); }) == 1);
}

TEST_CASE("a gateway that is two splits behind finds every key, reads and writes alike") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  for (const char* key : {"a", "h", "p", "z"}) w.commit(put(bucket, key, key));
  const GroupId first = w.groups.split(bucket, "m");
  const GroupId second = w.groups.split(bucket, "q");
  for (const GroupId group : w.groups.all()) w.groups.trim(group);
  CHECK(w.text(bucket, "z") == "z");
  CHECK(w.get(bucket, "z")->group == second);
  CHECK(w.get(bucket, "p")->group == first);
  CHECK(w.get(bucket, "h")->group == 0);
  for (const char* key : {"b", "n", "y"}) CHECK(w.commit(put(bucket, key, key)).outcome() == APPLIED);
  for (const char* key : {"a", "b", "h", "n", "p", "y", "z"}) CHECK(w.text(bucket, key) == key);
  CHECK(w.text(bucket, "none") == "(none)");
  GroupsGateway other(w.world, w.groups);  // its first request is a write
  CHECK(w.world.run(other.metadata().commit({}, put(bucket, "zz", "zz")))->outcome() == APPLIED);
  CHECK(w.text(bucket, "zz") == "zz");
  CHECK(w.world.run(w.gateway.metadata().statistics({}))->objects == 8);
  CHECK(w.world.run(w.gateway.metadata().statistics({}))->buckets == 1);
}

TEST_CASE("while a split is carried out keys are found in the parent, and then in the child") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  w.commit(put(bucket, "x", "1"));
  const GroupId child = *w.groups.decide(cluster::boundary_at(bucket, "m"));
  const auto current = w.groups.state();
  w.gateway.metadata().follow(current);
  CHECK(w.get(bucket, "x")->group == 0);
  CHECK(w.commit(put(bucket, "x", "2")).outcome() == APPLIED);
  w.groups.carry_out(child);
  CHECK(w.get(bucket, "x")->group == child);
  CHECK(w.commit(put(bucket, "x", "3")).outcome() == APPLIED);
  CHECK(w.commit(put(bucket, "a", "1")).outcome() == APPLIED);
  CHECK(w.names(list_of(bucket)) == Names{"a", "x"});
  w.groups.finish(child);
  w.groups.trim(0);
  w.groups.trim(child);
  CHECK(w.text(bucket, "x") == "3");
  CHECK(w.names(list_of(bucket)) == Names{"a", "x"});
}

TEST_CASE("keys that stay on their way are unavailable, and nobody sees that they have moved") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  // Group 0 says that it has lost them, and no state tells who has them.
  Command command;
  command.mutable_split_range()->set_at(cluster::boundary_at(bucket, "m"));
  command.mutable_split_range()->set_child(9);
  w.groups.at(0).apply(command);
  const TimePoint before = w.world.clock().now();
  CHECK(w.get(bucket, "x").error().code == Errc::unavailable);
  CHECK(w.world.clock().now() - before < seconds(12));
  Context ctx;
  ctx.deadline = w.world.clock().now() + seconds(1);
  CHECK(w.world.run(w.gateway.metadata().commit(ctx, put(bucket, "x", "x"))).error().code == Errc::unavailable);
  CHECK(w.world.run(w.gateway.metadata().list_objects(ctx, list_of(bucket))).error().code == Errc::unavailable);
  CHECK(w.commit(put(bucket, "a", "a")).outcome() == APPLIED);
}

TEST_CASE("a command whose answer was lost is found in the group that split off meanwhile, once") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    RoutedWorld w(seed);
    w.groups.slowest = milliseconds(30);
    const BucketId bucket = w.make_bucket("b");
    std::optional<GroupId> decided;
    if (seed % 2 == 0) {
      decided = w.groups.decide(cluster::boundary_at(bucket, "m"));
      w.gateway.metadata().follow(w.groups.state());
    }
    w.groups.lose_one_in = 2;
    std::vector<task<Result<CommandResult>>> work;
    for (int i = 0; i < 8; ++i) {
      Command command = put(bucket, "x" + std::to_string(i), "new");
      command.mutable_put_object()->mutable_conditions()->set_if_none_match_any(true);
      work.push_back(w.gateway.metadata().commit(Context(), std::move(command)));
    }
    const auto split = [&w, bucket, decided]() -> task<Result<CommandResult>> {
      co_await w.world.clock().sleep(milliseconds(40));
      if (decided) w.groups.carry_out(*decided);
      else w.groups.split(bucket, "m");
      co_return CommandResult();
    };
    work.push_back(split());
    // Twice would be PRECONDITION_FAILED.
    for (const auto& result : w.world.run(gather(std::move(work)))) CHECK(result.value().outcome() == APPLIED);
  }
}

TEST_CASE("listings go over ranges: pages, prefixes, delimiters, and prefixes that several ranges have") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  w.make_bucket("other");
  Names all;
  for (char letter = 'a'; letter <= 'f'; ++letter) {
    for (int i = 0; i < 5; ++i) all.push_back(std::string(1, letter) + "/" + std::to_string(i));
  }
  for (const std::string& key : all) w.commit(put(bucket, key, "x"));
  w.groups.split(bucket, "c/2");
  w.groups.split(bucket, "c/4");
  w.groups.split(bucket, "d");
  w.groups.split(bucket + 1, "");
  for (const std::size_t limit : {1u, 2u, 3u, 7u, 1000u}) {
    CHECK(w.names(list_of(bucket, "", "", limit)) == all);
    CHECK(w.names(list_of(bucket, "", "/", limit)) == Names{"a/", "b/", "c/", "d/", "e/", "f/"});
    CHECK(w.names(list_of(bucket, "c/", "", limit)) == Names{"c/0", "c/1", "c/2", "c/3", "c/4"});
    CHECK(w.names(list_of(bucket, "c/", "/", limit)) == Names{"c/0", "c/1", "c/2", "c/3", "c/4"});
  }
  // Nothing is said to come that does not.
  ObjectPage page = w.list(list_of(bucket, "", "", all.size()));
  CHECK(page.objects.size() == all.size());
  CHECK_FALSE(page.truncated);
  page = w.list(list_of(bucket, "", "/", 2));
  CHECK(page.common_prefixes == Names{"a/", "b/"});
  CHECK(page.truncated);
  CHECK(w.list(list_of(bucket, "", "", 0)).objects.empty());
  ListRequest behind = list_of(bucket);
  behind.after = "c/3";
  CHECK(w.names(behind).front() == "c/4");
  behind.after = "zzz";
  CHECK(w.names(behind).empty());
  CHECK(w.names(list_of(bucket, "zzz")).empty());
}

TEST_CASE("a page that is being put together when its next range is divided goes on in the right group") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  Names all;
  for (char letter = 'a'; letter <= 'z'; ++letter) all.push_back(std::string(1, letter));
  for (const std::string& key : all) w.commit(put(bucket, key, "x"));
  w.groups.split(bucket, "h");
  CHECK(w.names(list_of(bucket)) == all);
  w.groups.slowest = milliseconds(50);
  const auto divide = [&w, bucket]() -> task<Result<ObjectPage>> {
    co_await w.world.clock().sleep(milliseconds(60));
    w.groups.split(bucket, "p");
    w.groups.split(bucket, "t");
    for (const GroupId group : w.groups.all()) w.groups.trim(group);
    co_return ObjectPage();
  };
  std::vector<task<Result<ObjectPage>>> work;
  for (int i = 0; i < 20; ++i) work.push_back(w.gateway.metadata().list_objects(Context(), list_of(bucket)));
  work.push_back(divide());
  const auto pages = w.world.run(gather(std::move(work)));
  for (std::size_t i = 0; i + 1 < pages.size(); ++i) {
    REQUIRE(pages[i].has_value());
    CHECK(pages[i]->objects.size() == all.size());
  }
}

TEST_CASE("uploads are listed over ranges, from a marker in any of them") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  w.groups.split(bucket, "m");
  const std::vector<std::pair<std::string, std::string>> all{
      {"a", "1"}, {"a", "2"}, {"k/1", "3"}, {"m", "4"}, {"m", "5"}, {"z", "6"}};
  for (const auto& [key, id] : all) CHECK(w.commit(create_upload(bucket, key, id)).outcome() == APPLIED);
  for (const std::size_t limit : {1u, 2u, 3u, 10u}) {
    std::vector<std::pair<std::string, std::string>> seen;
    ListUploadsRequest request;
    request.bucket = bucket;
    request.limit = limit;
    for (;;) {
      const auto page = w.world.run(w.gateway.metadata().list_uploads(Context(), request)).value();
      for (const Upload& upload : page.uploads) seen.emplace_back(upload.key(), upload.id());
      if (!page.truncated) break;
      request.key_marker = page.next_key_marker;
      request.upload_id_marker = page.next_upload_id_marker;
    }
    CHECK(seen == all);
  }
  ListUploadsRequest request;
  request.bucket = bucket;
  request.delimiter = "/";
  CHECK(w.world.run(w.gateway.metadata().list_uploads(Context(), request))->common_prefixes == Names{"k/"});
  w.commit(put_part(bucket, "z", "6", 1, "block", 5));
  CHECK(w.world.run(w.gateway.metadata().list_parts(Context(), bucket, "z", "6", 0, 10))->parts.size() == 1);
  CHECK(w.commit(complete(bucket, "z", "6", {{1, "block"}})).outcome() == APPLIED);
  CHECK(w.get(bucket, "z").has_value());
  CHECK(w.commit(abort_upload(bucket, "m", "4")).outcome() == APPLIED);
}

TEST_CASE("many objects are deleted in all their groups, with the results in order") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  for (const char* key : {"a", "g", "n", "t", "z"}) w.commit(put(bucket, key, key));
  w.groups.split(bucket, "m");
  w.groups.split(bucket, "s");  // the gateway knows of neither
  const CommandResult result = w.commit(delete_objects(bucket, {"z", "none", "a", "n", "zz", "t"}));
  REQUIRE(result.each_size() == 6);
  const std::vector<std::string> removed{"z", "", "a", "n", "", "t"};
  for (int i = 0; i < 6; ++i) {
    CHECK(result.each(i).outcome() == APPLIED);
    CHECK((result.each(i).has_version() ? etag_bytes(removed[static_cast<std::size_t>(i)]) == result.each(i).version().etag()
                                        : removed[static_cast<std::size_t>(i)].empty()));
  }
  CHECK(w.names(list_of(bucket)) == Names{"g"});
  CHECK(w.commit(delete_objects(99, {"a", "z"})).each(1).outcome() == NO_SUCH_BUCKET);
}

TEST_CASE("a bucket in several groups goes when all of them are empty, and not before") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  w.groups.split(bucket, "h");
  w.groups.split(bucket, "p");
  w.commit(put(bucket, "z", "z"));
  w.commit(create_upload(bucket, "q", "upload"));
  CHECK(w.commit(delete_bucket("b")).outcome() == BUCKET_NOT_EMPTY);
  CHECK(w.commit(put(bucket, "i", "i")).outcome() == APPLIED);  // in a group that was closed meanwhile
  CHECK(w.commit(delete_objects(bucket, {"i", "z"})).each_size() == 2);
  const CommandResult deleted = w.commit(delete_bucket("b"));
  CHECK(deleted.outcome() == APPLIED);
  CHECK(deleted.bucket().id() == bucket);
  for (const char* key : {"a", "i", "z"}) CHECK(w.commit(put(bucket, key, key)).outcome() == NO_SUCH_BUCKET);
  CHECK(w.commit(delete_bucket("b")).outcome() == NO_SUCH_BUCKET);
  for (const GroupId group : w.groups.all()) CHECK(w.groups.at(group).store().dump().find("upload") == std::string::npos);
  CHECK(w.make_bucket("b") != bucket);
}

TEST_CASE("a bucket whose keys left group 0 since the gateway looked is not deleted over them") {
  RoutedWorld w;
  const BucketId bucket = w.make_bucket("b");
  w.commit(put(bucket, "z", "z"));
  w.groups.split(bucket, "m");
  w.groups.trim(0);
  CHECK(w.commit(delete_bucket("b")).outcome() == BUCKET_NOT_EMPTY);
  CHECK(w.text(bucket, "z") == "z");
  // The same in the middle of a split.
  const BucketId second = w.make_bucket("second");
  const GroupId child = *w.groups.decide(cluster::boundary_at(second, ""));
  w.gateway.metadata().follow(w.groups.state());
  w.groups.carry_out(child);
  w.commit(put(second, "k", "k"));
  CHECK(w.commit(delete_bucket("second")).outcome() == BUCKET_NOT_EMPTY);
  w.commit(remove(second, "k"));
  CHECK(w.commit(delete_bucket("second")).outcome() == APPLIED);
}

}  // namespace gabion::metadata::test
