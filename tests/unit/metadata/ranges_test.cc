// Groups own ranges of keys: what a split divides, what is refused since, and how the rest is removed.
#include "tests/unit/metadata/group_machine.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {
namespace {

std::string at(BucketId bucket, std::string_view key) { return keys::rows_from(bucket, key); }

Command delete_objects(BucketId bucket, const std::vector<std::string>& names) {
  Command command;
  for (const std::string& name : names) *command.mutable_delete_objects()->add_objects() = remove(bucket, name).delete_object();
  return command;
}

// A group that is split off from group 0 knows no bucket until it is told.
void open_in(GroupMachine& root, GroupMachine& group, BucketId bucket) {
  const CommandResult raised = root.apply(raise_bucket(bucket));
  REQUIRE(raised.outcome() == APPLIED);
  REQUIRE(group.outcome(open_bucket(bucket, raised.bucket().generation())) == APPLIED);
}

// Bucket 1 with the objects a, c, m, x, and what else keys may have.
struct Divided {
  Divided() {
    root.apply(create_bucket("b"));
    for (const char* key : {"a", "c", "m", "x"}) root.apply(put_blocks(1, key, key, 1000));
  }
  GroupMachine& split() {
    child.emplace(root.split(1, at(1, "m")));
    return *child;
  }
  GroupMachine root;
  std::optional<GroupMachine> child;
};

}  // namespace

TEST_CASE("a range owns the keys from its beginning up to its end") {
  const GroupRange all;
  CHECK(all.owns(1, "a"));
  CHECK(all.covers("", ""));
  const GroupRange range{3, at(1, "m"), at(2, "c")};
  CHECK(!range.owns(1, "lzzz"));
  CHECK(range.owns(1, "m"));
  CHECK(range.owns(1, "m/x"));
  CHECK(range.owns(2, "b"));
  CHECK(!range.owns(2, "c"));
  CHECK(!range.owns(3, "a"));
  CHECK(range.owns(keys::object_row(1, "m")));
  CHECK(!range.owns(keys::object_row(1, "l")));
  CHECK(!range.owns(keys::object_row(2, "c")));
  CHECK(range.covers(at(1, "m"), at(2, "c")));
  CHECK(!range.covers(at(1, "m"), ""));
  CHECK(!range.covers(at(1, "a"), at(1, "x")));
  CHECK(!GroupRange{0, "", at(2, "c")}.touches(3));
  CHECK(range.touches(1));
  CHECK(range.touches(2));
  CHECK(!range.touches(3));
  CHECK(!GroupRange{0, at(1, "m"), at(2, "")}.touches(2));
}

TEST_CASE("after a split each key is in exactly one of the two groups") {
  Divided w;
  GroupMachine& child = w.split();
  open_in(w.root, child, 1);
  CHECK(w.root.range() == GroupRange{0, "", at(1, "m")});
  CHECK(child.range() == GroupRange{1, at(1, "m"), ""});
  for (const std::string key : {"a", "c"}) {
    CHECK(w.root.object(1, key)->version.etag() == etag_bytes(key));
    CHECK(child.object(1, key).error().code == Errc::moved);
    CHECK(w.root.outcome(put(1, key, "new")) == APPLIED);
    CHECK(child.outcome(put(1, key, "new")) == MOVED);
    CHECK(child.outcome(remove(1, key)) == MOVED);
  }
  for (const std::string key : {"m", "x"}) {
    const auto object = child.object(1, key);
    CHECK(object->version.etag() == etag_bytes(key));
    CHECK(object->group == 1);
    CHECK(object->manifest.blocks_size() == 1);
    CHECK(w.root.object(1, key).error().code == Errc::moved);
    CHECK(w.root.outcome(put(1, key, "new")) == MOVED);
    const CommandResult put_there = child.apply(put(1, key, "new"));
    CHECK(put_there.outcome() == APPLIED);
    CHECK(put_there.version().manifest() == manifest_id(1, child.machine().applied()));
  }
  const std::string other = "upload";
  CHECK(w.root.outcome(create_upload(1, "x", other)) == MOVED);
  CHECK(w.root.outcome(put_part(1, "x", other, 1, "p", 10)) == MOVED);
  CHECK(w.root.outcome(complete(1, "x", other, {{1, "p"}})) == MOVED);
  CHECK(w.root.outcome(abort_upload(1, "x", other)) == MOVED);
  CHECK(reads::list_parts(w.root.state(), 1, "x", other, 0, 10).error().code == Errc::moved);
  CHECK(child.outcome(create_upload(1, "x", other)) == APPLIED);
}

TEST_CASE("a split is carried out once, and where it is possible") {
  Divided w;
  CHECK(w.root.machine().split_due(put(1, "k", "text").SerializeAsString())->has_value() == false);
  const Command split = GroupMachine::split_range(1, at(1, "m"));
  GroupMachine& child = w.split();
  const std::uint64_t sequence = w.root.totals().sequence;
  const auto range = w.root.machine().range();
  CHECK(!w.root.machine().split_due(split.SerializeAsString())->has_value());
  CHECK(w.root.outcome(split) == APPLIED);
  CHECK(w.root.machine().range() == range);  // the same object: nobody has to look again
  CHECK(w.root.totals().sequence == sequence);

  const auto refused = [](GroupMachine& group, GroupId number, const std::string& where) {
    const Command command = GroupMachine::split_range(number, where);
    CHECK(!group.machine().split_due(command.SerializeAsString())->has_value());
    const CommandResult result = group.apply(command);
    return result.outcome() == STALE && !result.detail().empty();
  };
  CHECK(refused(w.root, 1, at(1, "c")));   // another place for the same group
  CHECK(refused(w.root, 2, at(1, "m")));   // at the end
  CHECK(refused(w.root, 2, at(1, "x")));   // behind it
  CHECK(refused(child, 2, at(1, "m")));    // at the beginning
  CHECK(refused(child, 2, at(1, "a")));    // before it
  CHECK(refused(child, 1, at(1, "p")));    // from itself

  // Two further ones; whoever did not hear of the first asks for it again.
  GroupMachine second = w.root.split(2, at(1, "c"));
  CHECK(second.range() == GroupRange{2, at(1, "c"), at(1, "m")});
  GroupMachine third = child.split(3, at(1, "t"));
  CHECK(third.range() == GroupRange{3, at(1, "t"), ""});
  CHECK(w.root.outcome(split) == APPLIED);
  w.root.open();
  CHECK(w.root.range() == GroupRange{0, "", at(1, "c")});
  CHECK(w.root.outcome(split) == APPLIED);
}

TEST_CASE("a split is recognised in whatever way the command is written") {
  Divided w;
  const auto due = [&w](const std::string& encoded) { return w.root.machine().split_due(encoded).value().has_value(); };
  const std::string split = GroupMachine::split_range(1, at(1, "m")).SerializeAsString();
  const std::string number_22("\xb0\x01\x01", 3);             // as a number, where a message belongs: a field of nobody
  const std::string group_30("\xf3\x01\x08\x01\xf4\x01", 6);  // a group, which only old messages have
  CHECK(due(split));
  CHECK(due(number_22 + split));
  CHECK(due(group_30 + split));
  CHECK(!due(put(1, "k", "text").SerializeAsString() + number_22));
  CHECK(!due(group_30));
  CHECK(!due("\xff\xff\xff"));
}

TEST_CASE("the first state of a group that is split off begins a log of its own and remembers what was decided before") {
  Divided w;
  w.root.machine().set_entry(70);
  Command first = put(1, "x", "once");
  first.set_id(std::string(16, 'i'));
  const CommandResult before = w.root.apply(first);
  GroupMachine& child = w.split();
  CHECK(child.machine().entry() == 1);
  CHECK(child.machine().begun() == 0);
  CHECK(child.totals().buckets == 0);
  CHECK(child.totals().sequence == w.root.totals().sequence);

  // Sent again to where the key is now, and to where it was.
  CHECK(child.apply(first).SerializeAsString() == before.SerializeAsString());
  CHECK(w.root.apply(first).SerializeAsString() == before.SerializeAsString());
  // That it moved is not a result that anybody should get again.
  Command later = put(1, "a", "later");
  later.set_id(std::string(16, 'j'));
  CHECK(child.outcome(later) == MOVED);
  CHECK(child.outcome(later) == MOVED);
  CHECK(child.totals().remembered == 1);
  CHECK(w.root.outcome(later) == APPLIED);

  SplitRange split = GroupMachine::split_range(1, at(1, "m")).split_range();
  const std::string made = child.store().dump();
  REQUIRE(become_child(child.store(), split, 1).has_value());
  CHECK(child.store().dump() == made);
  CHECK(become_child(w.root.store(), split, 1).error().code == Errc::invalid);  // it lost that part already
}

TEST_CASE("many deletions are carried out together or not at all") {
  Divided w;
  GroupMachine& child = w.split();
  open_in(w.root, child, 1);
  CHECK(w.root.outcome(delete_objects(1, {"a", "x"})) == MOVED);
  CHECK(w.root.object(1, "a").has_value());
  CHECK(w.root.apply(delete_objects(1, {"a", "c"})).each_size() == 2);
  CHECK(child.apply(delete_objects(1, {"x"})).each(0).outcome() == APPLIED);
  CHECK(w.root.object(1, "a").error().code == Errc::not_found);
}

TEST_CASE("what a group does not own is removed in bounded steps") {
  Divided w;
  Version shared = w.root.object(1, "a")->version;
  w.root.apply(copy(1, "y", shared));
  for (const std::string key : {"b", "z"}) {
    w.root.apply(create_upload(1, key, "open " + key));
    w.root.apply(put_part(1, key, "open " + key, 1, "part of " + key, 100));
    w.root.apply(put_part(1, key, "open " + key, 2, "and " + key, 100));
    w.root.apply(create_upload(1, key, "done " + key));
    w.root.apply(put_part(1, key, "done " + key, 1, "whole " + key, 100));
    CHECK(w.root.outcome(complete(1, key, "done " + key, {{1, "whole " + key}})) == APPLIED);
  }
  Command state;
  state.mutable_set_cluster_state()->mutable_state()->set_ring_epoch(4);
  CHECK(w.root.outcome(state) == APPLIED);
  GroupMachine& child = w.split();
  CHECK(child.totals().objects == 7);
  CHECK(child.trim(1) > 10);
  CHECK(w.root.trim(1) > 5);
  for (GroupMachine* group : {&w.root, &child}) {
    CHECK(group->trim(1) == 1);
    check_references(group->store());
    CHECK(group->totals().completed == 1);
    CHECK(group->totals().uploads == 1);
  }
  CHECK(w.root.totals().objects == 3);   // a b c
  CHECK(child.totals().objects == 4);    // m x y z
  CHECK(w.root.totals().buckets == 1);
  CHECK(child.totals().buckets == 0);
  CHECK(count_rows(child.store(), Table::other, keys::all_buckets()) == 0);
  CHECK(count_rows(child.store(), Table::other, keys::all_bucket_ids()) == 0);
  CHECK(count_rows(child.store(), Table::other, keys::cluster_state()) == 0);
  CHECK(reads::cluster_state(w.root.state(), ReadMode::wait).has_value());
  CHECK(w.root.object(1, "a")->manifest.blocks_size() == 1);
  CHECK(child.object(1, "y")->manifest.blocks_size() == 1);
  CHECK(child.object(1, "y")->version.manifest() == shared.manifest());
  // The completion that is remembered is with its key.
  open_in(w.root, child, 1);
  CHECK(child.outcome(complete(1, "z", "done z", {{1, "whole z"}})) == APPLIED);
  CHECK(w.root.outcome(complete(1, "b", "done b", {{1, "whole b"}})) == APPLIED);
  CHECK(child.outcome(complete(1, "z", "open z", {{1, "part of z"}, {2, "and z"}})) == APPLIED);
  check_references(child.store());
}

TEST_CASE("a split while the rest of the one before is being removed begins anew") {
  Divided w;
  w.split();
  w.root.apply(Command(GroupMachine::split_range(1, at(1, "m"))));
  Command step;
  step.mutable_trim_range()->set_limit(1);
  CHECK(w.root.apply(step).more());
  GroupMachine second = w.root.split(2, at(1, "c"));
  w.root.trim(1);
  second.trim(1);
  CHECK(w.root.totals().objects == 1);
  CHECK(second.totals().objects == 1);
  check_references(w.root.store());
  check_references(second.store());
}

TEST_CASE("the directory and the cluster's state are group 0's alone, before the copy is removed as well") {
  Divided w;
  GroupMachine& child = w.split();
  CHECK(reads::bucket(child.state(), "b", ReadMode::wait).error().code == Errc::moved);
  CHECK(reads::buckets(child.state()).error().code == Errc::moved);
  CHECK(reads::cluster_state(child.state(), ReadMode::wait).error().code == Errc::moved);
  CHECK(child.outcome(create_bucket("c")) == MOVED);
  CHECK(child.outcome(delete_bucket("b")) == MOVED);
  CHECK(child.outcome(raise_bucket(1)) == MOVED);
  Command state;
  state.mutable_set_cluster_state()->mutable_state();
  CHECK(child.outcome(state) == MOVED);
  CHECK(w.root.outcome(open_bucket(1, 1)) == MOVED);
  CHECK(w.root.outcome(close_bucket(1, 1)) == MOVED);
}

TEST_CASE("each group tells of the changes of its own keys") {
  Divided w;
  GroupMachine& child = w.split();
  open_in(w.root, child, 1);
  w.root.apply(remove(1, "a"));
  child.apply(remove(1, "x"));
  const auto names = [](const GroupMachine& group, std::uint64_t after, std::size_t limit) {
    std::vector<std::string> out;
    const auto entries = reads::journal(group.state(), 1, after, limit);
    for (const JournalEntry& entry : entries.value()) out.push_back(entry.key());
    return out;
  };
  using Names = std::vector<std::string>;
  CHECK(names(w.root, 0, 10) == Names{"a", "c", "a"});
  CHECK(names(child, 0, 10) == Names{"m", "x", "x"});
  CHECK(names(child, 0, 2) == Names{"m", "x"});
  CHECK(names(child, 3, 10) == Names{"x", "x"});
}

TEST_CASE("rings that a group hears of do not go back") {
  Divided w;
  GroupMachine& child = w.split();
  open_in(w.root, child, 1);
  const auto set = [&child](std::uint64_t epoch, std::uint64_t oldest) {
    Command command;
    command.mutable_set_rings()->set_epoch(epoch);
    command.mutable_set_rings()->set_oldest(oldest);
    CHECK(child.outcome(command) == APPLIED);
  };
  set(7, 5);
  set(6, 3);
  CHECK(child.totals().ring_epoch == 7);
  CHECK(child.totals().oldest_ring == 5);
  Command stale = put_blocks(1, "x", "late", 100);
  stale.mutable_put_object()->mutable_manifest()->set_ring_epoch(4);
  CHECK(child.outcome(stale) == STALE);
  stale.mutable_put_object()->mutable_manifest()->set_ring_epoch(5);
  CHECK(child.outcome(stale) == APPLIED);
  CHECK(reads::repairs(child.store(), "", 10)->size() == 1);
}

TEST_CASE("listings have what is asked for, and what is asked for must be the group's") {
  Divided w;
  for (const char* key : {"d/1", "d/2", "n/1", "n/2"}) w.root.apply(put(1, key, key));
  for (const char* key : {"d/u", "n/u"}) w.root.apply(create_upload(1, key, std::string("id ") + key));
  GroupMachine& child = w.split();
  const auto list = [](const GroupMachine& group, ListRequest request) -> Result<std::string> {
    request.bucket = 1;
    TRY(const ObjectPage page, reads::list_objects(group.state(), request));
    std::string out;
    for (const ListedObject& object : page.objects) out += object.key + " ";
    for (const std::string& prefix : page.common_prefixes) out += "[" + prefix + "] ";
    return out + (page.truncated ? "..." : "");
  };
  ListRequest request;
  CHECK(list(w.root, request).error().code == Errc::moved);
  CHECK(list(child, request).error().code == Errc::moved);
  request.range_to = at(1, "m");
  CHECK(list(w.root, request).value() == "a c d/1 d/2 ");
  CHECK(list(child, request).error().code == Errc::moved);
  request.range_to = at(1, "d/2");
  CHECK(list(w.root, request).value() == "a c d/1 ");
  request.delimiter = "/";
  CHECK(list(w.root, request).value() == "a c [d/] ");
  request.after = "d/";
  CHECK(list(w.root, request).value() == "");
  request = {};
  request.range_from = at(1, "m");
  CHECK(list(child, request).value() == "m n/1 n/2 x ");
  request.limit = 2;
  CHECK(list(child, request).value() == "m n/1 ...");
  request.after = "n/1";
  CHECK(list(child, request).value() == "n/2 x ");
  request.after = "d/1";  // of another group
  CHECK(list(child, request).value() == "m n/1 ...");
  request.range_from = at(1, "l");
  CHECK(list(child, request).error().code == Errc::moved);

  const auto uploads = [](const GroupMachine& group, ListUploadsRequest asked) -> Result<std::string> {
    asked.bucket = 1;
    TRY(const UploadPage page, reads::list_uploads(group.state(), asked));
    std::string out;
    for (const Upload& upload : page.uploads) out += upload.key() + " ";
    for (const std::string& prefix : page.common_prefixes) out += "[" + prefix + "] ";
    return out;
  };
  ListUploadsRequest asked;
  CHECK(uploads(w.root, asked).error().code == Errc::moved);
  asked.range_to = at(1, "m");
  CHECK(uploads(w.root, asked).value() == "d/u ");
  asked = {};
  asked.range_from = at(1, "m");
  CHECK(uploads(child, asked).value() == "n/u ");
  asked.key_marker = "d/u";  // which this group need not know
  asked.upload_id_marker = "id d/u";
  CHECK(uploads(child, asked).value() == "n/u ");
  asked.key_marker = "n/u";
  asked.upload_id_marker = "id n/u";
  CHECK(uploads(child, asked).value() == "");
  asked.upload_id_marker = "none";
  CHECK(uploads(child, asked).error().code == Errc::invalid);
}

TEST_CASE("commands about ranges that make no sense do not enter the log") {
  const auto code = [](const Command& command) {
    const auto valid = validate(command);
    return valid ? std::optional<Errc>() : valid.error().code;
  };
  CHECK(code(GroupMachine::split_range(1, at(1, "k"))) == std::nullopt);
  CHECK(code(GroupMachine::split_range(1, at(1, ""))) == std::nullopt);
  CHECK(code(GroupMachine::split_range(0, at(1, "k"))) == Errc::invalid);
  CHECK(code(GroupMachine::split_range(1, "")) == Errc::invalid);
  CHECK(code(GroupMachine::split_range(1, "short")) == Errc::invalid);
  CHECK(code(GroupMachine::split_range(1, at(1, std::string("a\0b", 3)))) == Errc::invalid);
  CHECK(code(GroupMachine::split_range(1, at(1, std::string(1025, 'k')))) == Errc::invalid);
  CHECK(code(GroupMachine::split_range(1u << 20, at(1, "k"))) == Errc::too_large);
  Command many = GroupMachine::split_range(1, at(1, "k"));
  for (std::uint32_t i = 0; i < 100; ++i) many.mutable_split_range()->add_voters(i);
  CHECK(code(many) == Errc::too_large);
  CHECK(code(close_bucket(1, 1, "short")) == Errc::invalid);
  CHECK(code(close_bucket(1, 1, at(1, "a"), at(1, "b"))) == std::nullopt);
  Command rings;
  rings.mutable_set_rings()->set_oldest(2);
  rings.mutable_set_rings()->set_epoch(1);
  CHECK(code(rings) == Errc::invalid);
  Command deletion = delete_bucket("b");
  deletion.mutable_delete_bucket()->set_to("x");
  CHECK(code(deletion) == Errc::invalid);
}

}  // namespace gabion::metadata::test
