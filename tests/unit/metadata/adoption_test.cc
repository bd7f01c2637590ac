// Copies from one group to another: what is lent, what is taken in, and what counts on it.
#include "tests/unit/metadata/group_machine.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {
namespace {

using Adopted = google::protobuf::RepeatedPtrField<AdoptedManifest>;

Manifest manifest_in(const GroupMachine& group, ManifestId id) {
  return reads::manifest(group.state().store, id, ReadMode::wait).value();
}

void add(Adopted& adopted, const GroupMachine& source, ManifestId id) {
  adopted.Add()->set_id(id);
  *adopted.rbegin()->mutable_manifest() = manifest_in(source, id);
}

// The manifest with what its slices refer to.
void bring(Adopted& adopted, const GroupMachine& source, ManifestId id) {
  add(adopted, source, id);
  std::set<ManifestId> leaves;
  const Manifest manifest = manifest_in(source, id);
  for (const Slice& slice : manifest.slices()) leaves.insert(slice.manifest());
  for (const ManifestId leaf : leaves) add(adopted, source, leaf);
}

std::size_t manifests(GroupMachine& group) { return count_rows(group.store(), Table::manifests, ""); }

// Bucket 1: group 0 has the keys before m, and another group those from there on, of which it knows nothing yet.
struct TwoGroups {
  TwoGroups() {
    child.trim();
    REQUIRE(child.outcome(open_bucket(1, root.apply(raise_bucket(1)).bucket().generation())) == APPLIED);
  }
  Command copy_to(const std::string& key, const Version& source) {
    Command command = copy(1, key, source);
    command.mutable_put_object()->mutable_share()->set_group(0);
    bring(*command.mutable_put_object()->mutable_adopted(), root, source.manifest());
    return command;
  }
  // Of two parts.
  Version whole_object(const std::string& key) {
    root.apply(create_upload(1, key, "id"));
    root.apply(put_part(1, key, "id", 1, key + "1", 1000));
    root.apply(put_part(1, key, "id", 2, key + "2", 1000));
    return root.apply(complete(1, key, "id", {{1, key + "1"}, {2, key + "2"}})).version();
  }

  GroupMachine root;
  GroupMachine child = (root.apply(create_bucket("b")), root.split(1, keys::rows_from(1, "m")));
};

}  // namespace

TEST_CASE("what is lent counts as a reference until the loan ends, however often either is told") {
  TwoGroups w;
  const ManifestId id = w.root.apply(put_blocks(1, "a", "block", 1000)).version().manifest();
  CHECK(w.root.outcome(lend(id + 1, "loan")) == SOURCE_GONE);
  CHECK(w.root.outcome(lend(id, "loan")) == APPLIED);
  CHECK(w.root.outcome(lend(id, "loan")) == APPLIED);
  CHECK(w.root.outcome(lend(id, "other")) == APPLIED);
  check_references(w.root.store());
  w.root.apply(remove(1, "a"));
  CHECK(w.root.outcome(end_loan("loan")) == APPLIED);
  CHECK(w.root.outcome(end_loan("loan")) == APPLIED);
  CHECK(manifests(w.root) == 1);
  CHECK(w.root.outcome(end_loan("other")) == APPLIED);
  CHECK(manifests(w.root) == 0);
  CHECK(w.root.totals().doomed == 1);
  check_references(w.root.store());
}

TEST_CASE("loans that nobody ended are ended by their age") {
  TwoGroups w;
  const ManifestId id = w.root.apply(put(1, "a", "text")).version().manifest();
  for (int i = 1; i <= 5; ++i) {
    Command command = lend(id, "loan " + std::to_string(i));
    command.set_time_us(static_cast<std::uint64_t>(i) * 1000);
    w.root.apply(command);
  }
  Command sweep;
  sweep.mutable_end_loan()->set_before_us(4000);
  sweep.mutable_end_loan()->set_limit(2);
  CHECK(w.root.apply(sweep).more());
  CHECK(!w.root.apply(sweep).more());
  CHECK(!w.root.apply(sweep).more());
  CHECK(count_rows(w.root.store(), Table::other, keys::all_loans()) == 2);
  check_references(w.root.store());
}

TEST_CASE("a copy to another group takes in what is not there, and counts on what is") {
  TwoGroups w;
  const Version plain = w.root.apply(put_blocks(1, "a", "block", 1000)).version();
  CHECK(w.child.outcome(copy(1, "x", plain)) == SOURCE_GONE);
  CHECK(w.child.outcome(w.copy_to("x", plain)) == APPLIED);
  CHECK(w.child.object(1, "x")->manifest.blocks(0).id() == etag_bytes("block"));
  CHECK(w.child.object(1, "x")->version.manifest() == plain.manifest());
  CHECK(w.child.outcome(w.copy_to("y", plain)) == APPLIED);
  CHECK(w.child.outcome(copy(1, "z", plain)) == APPLIED);
  CHECK(manifests(w.child) == 1);
  check_references(w.child.store());
  // Each group has its own count.
  w.root.apply(remove(1, "a"));
  CHECK(w.root.totals().doomed == 1);
  for (const char* key : {"x", "y", "z"}) {
    CHECK(manifests(w.child) == 1);
    w.child.apply(remove(1, key));
  }
  CHECK(manifests(w.child) == 0);
  CHECK(w.child.totals().doomed == 1);
  check_references(w.child.store());
}

TEST_CASE("a copy of an object of parts takes in the parts, each once") {
  TwoGroups w;
  const Version whole = w.whole_object("a");
  const Manifest source = manifest_in(w.root, whole.manifest());
  REQUIRE(source.slices_size() == 2);
  CHECK(w.child.outcome(w.copy_to("x", whole)) == APPLIED);
  CHECK(manifests(w.child) == 3);
  check_references(w.child.store());
  // One of its parts as an object, by a copy of a range.
  w.child.apply(create_upload(1, "y", "id"));
  Command part = put_part(1, "y", "id", 1, "range", 0);
  Slice& share = *part.mutable_put_part()->add_shares();
  share.set_manifest(whole.manifest());
  share.set_length(1000);
  CHECK(w.child.apply(part).version().size() == 1000);
  w.child.apply(remove(1, "x"));
  CHECK(manifests(w.child) == 1);
  w.child.apply(abort_upload(1, "y", "id"));
  CHECK(manifests(w.child) == 0);
  check_references(w.child.store());
}

TEST_CASE("a part made of another group's bytes takes in what it refers to") {
  TwoGroups w;
  const Version whole = w.whole_object("a");
  const Version plain = w.root.apply(put_blocks(1, "b", "plain", 1000)).version();
  w.child.apply(create_upload(1, "x", "id"));
  Command part = put_part(1, "x", "id", 1, "range", 0);
  PutPart& op = *part.mutable_put_part();
  bring(*op.mutable_adopted(), w.root, whole.manifest());
  bring(*op.mutable_adopted(), w.root, plain.manifest());
  const auto share = [&op](ManifestId id, std::uint64_t offset, std::uint64_t length) {
    Slice& slice = *op.add_shares();
    slice.set_manifest(id);
    slice.set_offset(offset);
    slice.set_length(length);
    slice.set_group(0);
  };
  share(whole.manifest(), 500, 1000);
  share(plain.manifest(), 10, 20);
  SECTION("all of it is there or comes along") {
    CHECK(w.child.apply(part).version().size() == 1020);
    CHECK(manifests(w.child) == 4);  // the part, two of the object's, and the plain one
    check_references(w.child.store());
    CHECK(w.child.outcome(complete(1, "x", "id", {{1, "range"}})) == APPLIED);
    const Object object = w.child.object(1, "x").value();
    CHECK(object.manifest.slices_size() == 3);
    for (const Slice& slice : object.manifest.slices()) CHECK(!slice.group());
    check_references(w.child.store());
    w.child.apply(remove(1, "x"));
    CHECK(manifests(w.child) == 0);
  }
  SECTION("nothing changes when one is missing") {
    share(12345, 0, 1);
    CHECK(w.child.outcome(part) == SOURCE_GONE);
    CHECK(manifests(w.child) == 0);
  }
  SECTION("one that is taken whole is the part's manifest") {
    op.clear_shares();
    share(plain.manifest(), 0, 1000);
    CHECK(w.child.outcome(part) == APPLIED);
    CHECK(manifests(w.child) == 1);
    check_references(w.child.store());
  }
}

TEST_CASE("blocks that an older ring placed are to be looked at where they are taken in, also when that was dropped") {
  TwoGroups w;
  Command placed = put_blocks(1, "a", "block", 1000);
  placed.mutable_put_object()->mutable_manifest()->set_ring_epoch(4);
  const Version version = w.root.apply(placed).version();
  Command rings;
  rings.mutable_set_rings()->set_epoch(6);
  rings.mutable_set_rings()->set_oldest(5);
  w.child.apply(rings);
  CHECK(w.child.outcome(w.copy_to("x", version)) == APPLIED);
  const auto repairs = reads::repairs(w.child.store(), "", 10).value();
  REQUIRE(repairs.size() == 1);
  CHECK(repairs[0].manifest() == version.manifest());
  CHECK(repairs[0].shards_size() == 6);
  CHECK(w.child.outcome(w.copy_to("y", version)) == APPLIED);
  CHECK(w.child.totals().repairs == 1);
  check_references(w.child.store());
}

TEST_CASE("what was doomed here is not erased when it comes back from another group, and is taken off the list when asked") {
  TwoGroups w;
  const Version plain = w.root.apply(put_blocks(1, "a", "block", 1000)).version();
  CHECK(w.child.outcome(w.copy_to("x", plain)) == APPLIED);
  w.child.apply(remove(1, "x"));
  Command confirm;
  confirm.mutable_confirm_doomed()->add_manifests(plain.manifest());
  CHECK(w.child.apply(confirm).confirmed_size() == 1);
  CHECK(w.child.outcome(w.copy_to("y", plain)) == APPLIED);
  CHECK(w.child.apply(confirm).confirmed_size() == 0);
  check_references(w.child.store());
  // Somebody finishes it late, when it is doomed once more.
  Command finish;
  finish.mutable_finish_doomed()->add_manifests(plain.manifest());
  w.child.apply(remove(1, "y"));
  w.child.apply(finish);
  CHECK(w.child.totals().doomed == 1);
  check_references(w.child.store());
  CHECK(w.child.outcome(w.copy_to("z", plain)) == APPLIED);
  w.child.apply(finish);
  CHECK(w.child.totals().doomed == 0);
  check_references(w.child.store());
}

TEST_CASE("blocks are not replaced while they are lent, on their own or as a part") {
  TwoGroups w;
  const Version whole = w.whole_object("a");
  const ManifestId leaf = manifest_in(w.root, whole.manifest()).slices(0).manifest();
  Command replace;
  replace.mutable_replace_blocks()->set_manifest(leaf);
  *replace.mutable_replace_blocks()->mutable_blocks() = block_manifest("fresh", 1000);
  w.root.apply(lend(whole.manifest(), "whole"));
  CHECK(w.root.outcome(replace) == STALE);
  w.root.apply(end_loan("whole"));
  w.root.apply(lend(leaf, "leaf"));
  CHECK(w.root.outcome(replace) == STALE);
  w.root.apply(end_loan("leaf"));
  CHECK(w.root.outcome(replace) == APPLIED);
  // A copy has them under the name that they have here.
  CHECK(w.child.outcome(w.copy_to("x", whole)) == APPLIED);
  const Manifest taken = manifest_in(w.child, leaf);
  CHECK(taken.contents() == manifest_in(w.root, leaf).contents());
  CHECK(reads::live_manifests(w.child.store(), {taken.contents()}).value().size() == 1);
  w.child.apply(remove(1, "x"));
  CHECK(reads::live_manifests(w.child.store(), {taken.contents()}).value().empty());
  check_references(w.child.store());
}

TEST_CASE("a manifest that its own group has yet to make is not taken in") {
  TwoGroups w;
  const Version plain = w.root.apply(put_blocks(1, "a", "block", 1000)).version();
  const auto with_id = [&](ManifestId id) {
    Command command = w.copy_to("x", plain);
    command.mutable_put_object()->mutable_share()->set_manifest(id);
    command.mutable_put_object()->mutable_adopted(0)->set_id(id);
    return command;
  };
  const std::uint64_t next = w.child.machine().applied() + 1;
  CHECK(w.child.outcome(with_id(manifest_id(1, next))) == SOURCE_GONE);
  CHECK(w.child.outcome(with_id(manifest_id(1, next + 100))) == SOURCE_GONE);
  CHECK(w.child.outcome(with_id(manifest_id(1, 1))) == APPLIED);  // made here, removed, and back from elsewhere
  CHECK(w.child.outcome(with_id(manifest_id(2, next + 100))) == APPLIED);
  check_references(w.child.store());
}

TEST_CASE("manifests that make no sense together do not enter the log") {
  TwoGroups w;
  const Version whole = w.whole_object("a");
  const Command good = w.copy_to("x", whole);
  REQUIRE(validate(good).has_value());
  const auto refused = [&good](auto change) {
    Command command = good;
    change(*command.mutable_put_object());
    return !validate(command).has_value();
  };
  CHECK(refused([](PutObject& put) { put.clear_share(); }));
  CHECK(refused([](PutObject& put) { put.mutable_adopted()->RemoveLast(); }));
  CHECK(!refused([](PutObject& put) { *put.add_adopted() = put.adopted(1); }));
  CHECK(refused([](PutObject& put) { put.mutable_adopted(1)->set_id(0); }));
  CHECK(refused([](PutObject& put) { put.mutable_adopted(0)->mutable_manifest()->mutable_slices(0)->set_offset(1); }));
  CHECK(refused([](PutObject& put) { put.mutable_adopted(0)->mutable_manifest()->mutable_slices(0)->set_length(UINT64_MAX); }));
  CHECK(refused([](PutObject& put) { put.mutable_adopted(0)->mutable_manifest()->set_size(7); }));
  CHECK(refused([](PutObject& put) {  // a leaf that has slices itself
    Slice& slice = *put.mutable_adopted(1)->mutable_manifest()->add_slices();
    slice.set_manifest(put.adopted(2).id());
    slice.set_length(1000);
  }));
  CHECK(!validate(lend(1, "")).has_value());
  CHECK(!validate(lend(1, std::string(65, 'l'))).has_value());
  Command part = put_part(1, "x", "id", 1, "b", 10);
  for (int i = 0; i < 3000; ++i) part.mutable_put_part()->add_shares();
  CHECK(!validate(part).has_value());
}

}  // namespace gabion::metadata::test
