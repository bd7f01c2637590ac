// The contract of Metadata: what each command does, for every implementation.
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_template_test_macros.hpp>

#include "tests/unit/metadata/remote_subject.h"
#include "tests/unit/metadata/subject.h"

#define SUBJECTS SimSubject, RealSubject, RemoteSubject, ClusterSubject

namespace gabion::metadata::test {
namespace {

constexpr WallMicros kSecond = 1'000'000;

BucketId make_bucket(Subject& subject, const std::string& name = "bucket") {
  const CommandResult result = subject.commit(create_bucket(name));
  REQUIRE(result.outcome() == APPLIED);
  return result.bucket().id();
}
Result<Object> get(Subject& subject, BucketId bucket, const std::string& key) {
  return subject.run(subject.metadata().object(Context(), bucket, key, Metadata::With::manifest));
}
std::vector<Doomed> doomed(Subject& subject) {
  return subject.run(subject.metadata().doomed(Context(), kRootGroup, 0, 1000)).value();
}
std::vector<RepairIntent> repairs(Subject& subject) {
  return subject.run(subject.metadata().repairs(Context(), kRootGroup, "", 1000)).value();
}
Statistics statistics(Subject& subject) { return subject.run(subject.metadata().statistics(Context())).value(); }
std::size_t manifests(Subject& subject) {
  return subject.run(subject.metadata().manifests(Context(), kRootGroup, 0, 1000)).value().size();
}

Command with(Command command, const std::function<void(Preconditions&)>& set) {
  if (command.has_put_object()) set(*command.mutable_put_object()->mutable_conditions());
  if (command.has_delete_object()) set(*command.mutable_delete_object()->mutable_conditions());
  if (command.has_complete_upload()) set(*command.mutable_complete_upload()->mutable_conditions());
  return command;
}

}  // namespace

TEMPLATE_TEST_CASE("a bucket exists once and is found by its name until it is deleted", "", SUBJECTS) {
  TestType subject;
  const CommandResult made = subject.commit(create_bucket("b"));
  CHECK(made.outcome() == APPLIED);
  CHECK(made.bucket().owner() == "tenant");
  CHECK(made.bucket().created_us() != 0);
  const CommandResult again = subject.commit(create_bucket("b"));
  CHECK(again.outcome() == BUCKET_EXISTS);
  CHECK(again.bucket().id() == made.bucket().id());
  subject.commit(create_bucket("a"));
  CHECK(subject.run(subject.metadata().bucket(Context(), "b")).value().id() == made.bucket().id());
  const auto all = subject.run(subject.metadata().buckets(Context())).value();
  REQUIRE(all.size() == 2);
  CHECK(all[0].name() == "a");
  CHECK(statistics(subject).buckets == 2);
  CHECK(subject.commit(delete_bucket("b")).outcome() == APPLIED);
  CHECK(subject.commit(delete_bucket("b")).outcome() == NO_SUCH_BUCKET);
  CHECK(subject.run(subject.metadata().bucket(Context(), "b")).error().code == Errc::not_found);
  CHECK(subject.commit(put(made.bucket().id(), "k", "v")).outcome() == NO_SUCH_BUCKET);
  CHECK(make_bucket(subject, "b") != made.bucket().id());
}

TEMPLATE_TEST_CASE("a bucket with objects is not deleted, one with uploads is, and takes them along", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  subject.commit(put(bucket, "k", "v"));
  CHECK(subject.commit(delete_bucket("bucket")).outcome() == BUCKET_NOT_EMPTY);
  subject.commit(remove(bucket, "k"));
  subject.commit(create_upload(bucket, "k", "id"));
  subject.commit(put_part(bucket, "k", "id", 1, "block", 100));
  CHECK(subject.commit(delete_bucket("bucket")).outcome() == APPLIED);
  CHECK(manifests(subject) == 0);
  CHECK(doomed(subject).size() == 1);
  CHECK(subject.commit(put_part(bucket, "k", "id", 2, "block", 100)).outcome() == NO_SUCH_BUCKET);
}

TEMPLATE_TEST_CASE("an object is read as it was put, and the last put wins", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  const CommandResult first = subject.commit(put(bucket, "k", "one"));
  CHECK(first.outcome() == APPLIED);
  CHECK(first.version().modified_us() != 0);
  CHECK(first.version().sequence() != 0);
  CHECK(get(subject, bucket, "k").value().manifest.inline_data() == "one");
  const CommandResult second = subject.commit(put(bucket, "k", "two"));
  CHECK(second.version().sequence() > first.version().sequence());
  const Object object = get(subject, bucket, "k").value();
  CHECK(object.manifest.inline_data() == "two");
  CHECK(object.version.SerializeAsString() == second.version().SerializeAsString());
  CHECK(manifests(subject) == 1);
  CHECK(statistics(subject).objects == 1);
  CHECK(get(subject, bucket, "other").error().code == Errc::not_found);
  CHECK(get(subject, bucket + 1, "k").error().code == Errc::not_found);
  subject.commit(put(bucket, "empty", ""));
  CHECK(get(subject, bucket, "empty").value().version.manifest() == 0);
}

TEMPLATE_TEST_CASE("conditions of a put are decided on the current version", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  const auto none_any = [](Preconditions& c) { c.set_if_none_match_any(true); };
  const auto match_a = [](Preconditions& c) { c.add_if_match(etag_text("a")); };
  CHECK(subject.commit(with(put(bucket, "k", "a"), match_a)).outcome() == NO_SUCH_KEY);
  CHECK(subject.commit(with(put(bucket, "k", "a"), [](Preconditions& c) { c.set_if_match_any(true); })).outcome() == NO_SUCH_KEY);
  CHECK(subject.commit(with(put(bucket, "k", "a"), none_any)).outcome() == APPLIED);
  const CommandResult lost = subject.commit(with(put(bucket, "k", "b"), none_any));
  CHECK(lost.outcome() == PRECONDITION_FAILED);
  CHECK(lost.detail() == "If-None-Match");
  CHECK(subject.commit(with(put(bucket, "k", "b"), [](Preconditions& c) { c.add_if_none_match(etag_text("a")); })).outcome() ==
        PRECONDITION_FAILED);
  CHECK(
      subject
          .commit(with(put(bucket, "k", "b"), [](Preconditions& c) { c.add_if_none_match(etag_text("x")); }))
          .outcome() == APPLIED);
  const CommandResult mismatch = subject.commit(with(put(bucket, "k", "c"), match_a));
  CHECK(mismatch.outcome() == PRECONDITION_FAILED);
  CHECK(mismatch.detail() == "If-Match");
  const CommandResult matched = subject.commit(with(put(bucket, "k", "c"), [](Preconditions& c) {
    c.add_if_match(etag_text("z"));
    c.add_if_match(etag_text("b"));
  }));
  CHECK(matched.outcome() == APPLIED);
  const std::uint64_t sequence = matched.version().sequence();
  CHECK(
      subject.commit(with(put(bucket, "k", "d"), [&](Preconditions& c) { c.set_if_sequence(sequence - 1); }))
          .outcome() == STALE);
  CHECK(subject.commit(with(put(bucket, "k", "d"), [&](Preconditions& c) { c.set_if_sequence(sequence); })).outcome() == APPLIED);
  CHECK(get(subject, bucket, "k").value().manifest.inline_data() == "d");
  CHECK(manifests(subject) == 1);
}

TEMPLATE_TEST_CASE("a delete needs no object, and its conditions hold only against one", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  CHECK(subject.commit(remove(bucket, "k")).outcome() == APPLIED);
  CHECK(!subject.commit(remove(bucket, "k")).has_version());
  CHECK(subject.commit(remove(bucket + 9, "k")).outcome() == NO_SUCH_BUCKET);
  const CommandResult there = subject.commit(put(bucket, "k", "abc"));
  CHECK(subject.commit(with(remove(bucket, "k"), [](Preconditions& c) { c.add_if_match(etag_text("x")); }))
            .outcome() == PRECONDITION_FAILED);
  Command by_size = remove(bucket, "k");
  by_size.mutable_delete_object()->set_if_size(4);
  CHECK(subject.commit(by_size).outcome() == PRECONDITION_FAILED);
  Command by_time = remove(bucket, "k");
  by_time.mutable_delete_object()->set_if_modified_us(there.version().modified_us() + 2 * kSecond);
  CHECK(subject.commit(by_time).outcome() == PRECONDITION_FAILED);
  CHECK(subject.commit(with(remove(bucket, "k"), [](Preconditions& c) { c.set_if_sequence(1000); })).outcome() == STALE);
  CHECK(get(subject, bucket, "k").has_value());
  Command right = with(remove(bucket, "k"), [](Preconditions& c) { c.add_if_match(etag_text("abc")); });
  right.mutable_delete_object()->set_if_size(3);
  right.mutable_delete_object()->set_if_modified_us(there.version().modified_us() / kSecond * kSecond);
  const CommandResult gone = subject.commit(right);
  CHECK(gone.outcome() == APPLIED);
  CHECK(gone.version().size() == 3);
  CHECK(get(subject, bucket, "k").error().code == Errc::not_found);
  CHECK(statistics(subject).objects == 0);
}

TEMPLATE_TEST_CASE("DeleteObjects decides each key by itself", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  subject.commit(put(bucket, "a", "1"));
  subject.commit(put(bucket, "b", "2"));
  Command command;
  for (const char* key : {"a", "b", "c"}) *command.mutable_delete_objects()->add_objects() = remove(bucket, key).delete_object();
  command.mutable_delete_objects()->mutable_objects(1)->mutable_conditions()->add_if_match(etag_text("x"));
  const CommandResult result = subject.commit(command);
  REQUIRE(result.each_size() == 3);
  CHECK(result.each(0).outcome() == APPLIED);
  CHECK(result.each(1).outcome() == PRECONDITION_FAILED);
  CHECK(result.each(2).outcome() == APPLIED);
  CHECK(!get(subject, bucket, "a").has_value());
  CHECK(get(subject, bucket, "b").has_value());
}

TEMPLATE_TEST_CASE("Last-Modified of a key never runs backwards", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  Command early = put(bucket, "k", "1");
  early.set_time_us(5000 * kSecond);
  subject.commit(early);
  Command back = put(bucket, "k", "2");
  back.set_time_us(4000 * kSecond);
  CHECK(subject.commit(back).version().modified_us() == 5000 * kSecond);
  Command on = put(bucket, "k", "3");
  on.set_time_us(6000 * kSecond);
  CHECK(subject.commit(on).version().modified_us() == 6000 * kSecond);
}

TEMPLATE_TEST_CASE(
    "blocks are doomed when their last reference goes, confirmed after a second look, and then finished", "",
    SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  const CommandResult source = subject.commit(put_blocks(bucket, "k", "block", 1000));
  CHECK(subject.commit(copy(bucket, "copy", source.version())).outcome() == APPLIED);
  CHECK(subject.commit(copy(bucket, "k", source.version())).outcome() == APPLIED);  // onto itself
  CHECK(get(subject, bucket, "copy").value().manifest.blocks(0).length() == 1000);
  subject.commit(put(bucket, "k", "new"));
  CHECK(doomed(subject).empty());
  subject.commit(remove(bucket, "copy"));
  const auto entries = doomed(subject);
  REQUIRE(entries.size() == 1);
  const ManifestId id = source.version().manifest();
  CHECK(entries[0].manifest() == id);
  CHECK(entries[0].blocks(0).id() == etag_bytes("block"));
  CHECK(entries[0].data_shards() == 4);
  CHECK(!entries[0].confirmed());
  CHECK(subject.run(subject.metadata().manifest(Context(), kRootGroup, id)).error().code == Errc::not_found);
  CHECK(subject.commit(copy(bucket, "late", source.version())).outcome() == SOURCE_GONE);

  Command finish, confirm;
  finish.mutable_finish_doomed()->add_manifests(id);
  confirm.mutable_confirm_doomed()->add_manifests(id);
  confirm.mutable_confirm_doomed()->add_manifests(id + 100);
  subject.commit(finish);
  CHECK(doomed(subject).size() == 1);  // not before it was confirmed
  for (int i = 0; i < 2; ++i) {
    const CommandResult confirmed = subject.commit(confirm);
    REQUIRE(confirmed.confirmed_size() == 1);
    CHECK(confirmed.confirmed(0) == id);
  }
  CHECK(doomed(subject)[0].confirmed());
  subject.commit(finish);
  CHECK(subject.commit(finish).outcome() == APPLIED);
  CHECK(doomed(subject).empty());
  CHECK(statistics(subject).doomed_pending == 0);
}

TEMPLATE_TEST_CASE("repair intents are kept by block until all shards are healthy or the block is gone", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  Command command = put_blocks(bucket, "k", "block", 1000);
  RepairIntent& intent = *command.mutable_put_object()->add_intents();
  intent.set_block(etag_bytes("block"));
  intent.add_shards(3);
  const ManifestId id = subject.commit(command).version().manifest();
  Command more;
  *more.mutable_add_repairs()->add_intents() = intent;
  more.mutable_add_repairs()->mutable_intents(0)->set_manifest(id);
  more.mutable_add_repairs()->mutable_intents(0)->add_shards(1);
  *more.mutable_add_repairs()->add_intents() = intent;
  more.mutable_add_repairs()->mutable_intents(1)->set_block(etag_bytes("gone"));
  more.mutable_add_repairs()->mutable_intents(1)->set_manifest(id + 50);
  subject.commit(more);
  auto pending = repairs(subject);
  REQUIRE(pending.size() == 1);
  CHECK(pending[0].manifest() == id);
  REQUIRE(pending[0].shards_size() == 2);
  CHECK(pending[0].shards(0) == 1);
  CHECK(pending[0].shards(1) == 3);
  CHECK(subject.run(subject.metadata().repairs(Context(), kRootGroup, pending[0].block(), 10)).value().empty());
  Command healed;
  healed.mutable_finish_repair()->set_block(etag_bytes("block"));
  healed.mutable_finish_repair()->add_shards(1);
  subject.commit(healed);
  CHECK(repairs(subject)[0].shards_size() == 1);
  CHECK(statistics(subject).repairs_pending == 1);
  subject.commit(remove(bucket, "k"));
  CHECK(repairs(subject).empty());
  CHECK(statistics(subject).repairs_pending == 0);
}

TEMPLATE_TEST_CASE("a completed upload is one object made of its parts, and no bytes move", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  Command create = create_upload(bucket, "k", "id");
  create.mutable_create_upload()->mutable_upload()->mutable_attributes()->set_content_type("text/plain");
  subject.commit(create);
  CHECK(subject.commit(put_part(bucket, "k", "id", 1, "one", 100)).outcome() == APPLIED);
  subject.commit(put_part(bucket, "k", "id", 2, "unlisted", 50));
  subject.commit(put_part(bucket, "k", "id", 3, "old", 70));
  CHECK(doomed(subject).empty());
  subject.commit(put_part(bucket, "k", "id", 3, "three", 80));  // overwrites
  CHECK(doomed(subject).size() == 1);
  CHECK(subject.commit(put_part(bucket, "other", "id", 1, "x", 1)).outcome() == NO_SUCH_UPLOAD);
  CHECK(subject.commit(put_part(bucket, "k", "id", 10001, "x", 1)).outcome() == INVALID_PART);
  CHECK(!get(subject, bucket, "k").has_value());

  const auto wrong = [&](const std::vector<std::pair<std::uint32_t, std::string>>& parts) {
    const CommandResult result = subject.commit(complete(bucket, "k", "id", parts));
    CHECK(result.outcome() == INVALID_PART);
    return result.part();
  };
  CHECK(wrong({{1, "one"}, {3, "old"}}) == 3);
  CHECK(wrong({{1, "one"}, {4, "three"}}) == 4);
  CHECK(wrong({{3, "three"}, {1, "one"}}) == 1);
  CHECK(wrong({}) == 0);
  const CommandResult done = subject.commit(complete(bucket, "k", "id", {{1, "one"}, {3, "three"}}));
  REQUIRE(done.outcome() == APPLIED);
  const Object object = get(subject, bucket, "k").value();
  CHECK(object.version.size() == 180);
  CHECK(object.version.content_type() == "text/plain");
  CHECK(object.version.etag_parts() == 2);
  REQUIRE(object.manifest.slices_size() == 2);
  CHECK(object.manifest.slices(1).length() == 80);
  CHECK(object.manifest.parts(1).number() == 3);
  CHECK(doomed(subject).size() == 2);  // and the part that was not listed

  const CommandResult again = subject.commit(complete(bucket, "k", "id", {{1, "one"}, {3, "three"}}));
  CHECK(again.SerializeAsString() == done.SerializeAsString());
  CHECK(subject.commit(complete(bucket, "k", "id", {{1, "one"}})).outcome() == NO_SUCH_UPLOAD);
  CHECK(subject.commit(abort_upload(bucket, "k", "id")).outcome() == NO_SUCH_UPLOAD);
  subject.commit(remove(bucket, "k"));
  CHECK(doomed(subject).size() == 4);
  CHECK(manifests(subject) == 0);
}

TEMPLATE_TEST_CASE("an aborted upload is gone with its parts", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  CHECK(subject.commit(abort_upload(bucket, "k", "id")).outcome() == NO_SUCH_UPLOAD);
  subject.commit(create_upload(bucket, "k", "id"));
  subject.commit(put_part(bucket, "k", "id", 1, "one", 100));
  CHECK(subject.commit(abort_upload(bucket, "k", "id")).outcome() == APPLIED);
  CHECK(subject.commit(complete(bucket, "k", "id", {{1, "one"}})).outcome() == NO_SUCH_UPLOAD);
  CHECK(manifests(subject) == 0);
  CHECK(doomed(subject).size() == 1);
}

TEMPLATE_TEST_CASE("a change of the key during an upload defeats the conditions of its completion", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  const auto none_any = [](Preconditions& c) { c.set_if_none_match_any(true); };
  const auto match_a = [](Preconditions& c) { c.add_if_match(etag_text("a")); };
  const auto begin = [&](const std::string& id) {
    subject.commit(create_upload(bucket, "k", id));
    subject.commit(put_part(bucket, "k", id, 1, "one", 10));
  };
  const auto end = [&](const std::string& id, auto condition) {
    return subject.commit(with(complete(bucket, "k", id, {{1, "one"}}), condition)).outcome();
  };
  begin("1");
  CHECK(end("1", match_a) == NO_SUCH_KEY);
  subject.commit(put(bucket, "k", "a"));
  CHECK(end("1", none_any) == PRECONDITION_FAILED);
  CHECK(end("1", match_a) == CONDITION_CONFLICT);  // put since
  subject.commit(remove(bucket, "k"));
  CHECK(end("1", none_any) == CONDITION_CONFLICT);  // deleted since
  begin("2");
  CHECK(end("2", none_any) == APPLIED);
  subject.commit(put(bucket, "k", "a"));
  begin("3");
  CHECK(end("3", [](Preconditions& c) { c.add_if_match(etag_text("b")); }) == PRECONDITION_FAILED);
  CHECK(end("3", match_a) == APPLIED);
}

TEMPLATE_TEST_CASE("a part copied from a composite object refers to the leaves, and keeps them alive", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  subject.commit(create_upload(bucket, "source", "s"));
  subject.commit(put_part(bucket, "source", "s", 1, "one", 100));
  subject.commit(put_part(bucket, "source", "s", 2, "two", 100));
  const CommandResult source = subject.commit(complete(bucket, "source", "s", {{1, "one"}, {2, "two"}}));
  subject.commit(create_upload(bucket, "k", "id"));
  const auto share = [&](std::uint32_t number, std::uint64_t offset, std::uint64_t length) {
    Command command = put_part(bucket, "k", "id", number, "part", 0);
    Slice& slice = *command.mutable_put_part()->add_shares();
    slice.set_manifest(source.version().manifest());
    slice.set_offset(offset);
    slice.set_length(length);
    return subject.commit(command);
  };
  CHECK(share(1, 50, 100).version().size() == 100);
  CHECK(share(2, 0, 100).outcome() == APPLIED);  // all of the first leaf
  CHECK(share(3, 150, 51).outcome() == SOURCE_GONE);
  subject.commit(remove(bucket, "source"));
  CHECK(doomed(subject).empty());
  CHECK(subject.commit(complete(bucket, "k", "id", {{1, "part"}, {2, "part"}})).outcome() == APPLIED);
  const Object object = get(subject, bucket, "k").value();
  CHECK(object.version.size() == 200);
  REQUIRE(object.manifest.slices_size() == 3);
  CHECK(object.manifest.slices(0).offset() == 50);
  CHECK(object.manifest.slices(0).length() == 50);
  CHECK(object.manifest.slices(1).offset() == 0);
  CHECK(object.manifest.slices(2).length() == 100);
  CHECK(object.manifest.slices(2).manifest() == object.manifest.slices(0).manifest());
  CHECK(doomed(subject).empty());
  subject.commit(remove(bucket, "k"));
  CHECK(doomed(subject).size() == 2);
  CHECK(manifests(subject) == 0);
}

TEMPLATE_TEST_CASE("parts are listed in order of their numbers, page by page", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  subject.commit(create_upload(bucket, "k", "id"));
  for (const std::uint32_t number : {3u, 1u, 256u, 2u}) subject.commit(put_part(bucket, "k", "id", number, "p", 10));
  auto list = [&](std::uint32_t after, std::size_t limit) {
    return subject.run(subject.metadata().list_parts(Context(), bucket, "k", "id", after, limit)).value();
  };
  const PartPage first = list(0, 3);
  REQUIRE(first.parts.size() == 3);
  CHECK(first.parts[2].number() == 3);
  CHECK(first.truncated);
  CHECK(first.upload.key() == "k");
  const PartPage second = list(3, 3);
  REQUIRE(second.parts.size() == 1);
  CHECK(second.parts[0].number() == 256);
  CHECK(!second.truncated);
  CHECK(list(256, 3).parts.empty());
  CHECK(subject.run(subject.metadata().list_parts(Context(), bucket, "k", "no", 0, 1)).error().code == Errc::not_found);
}

TEMPLATE_TEST_CASE("uploads are listed by key and then by time, with markers, prefixes and groups", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  WallMicros at = 1000 * kSecond;
  for (const auto& [key, id] : std::vector<std::pair<std::string, std::string>>{
           {"b", "z"}, {"b", "y"}, {"a", "x"}, {"d/1", "w"}, {"d/2", "v"}}) {
    Command command = create_upload(bucket, key, id);
    command.set_time_us(at += kSecond);
    subject.commit(command);
  }
  ListUploadsRequest request;
  request.bucket = bucket;
  const auto ids = [&] {
    std::string out;
    for (const Upload& upload :
         subject.run(subject.metadata().list_uploads(Context(), request)).value().uploads)
      out += upload.id();
    return out;
  };
  CHECK(ids() == "xzywv");
  request.limit = 2;
  const UploadPage page = subject.run(subject.metadata().list_uploads(Context(), request)).value();
  CHECK(page.truncated);
  CHECK(page.next_key_marker == "b");
  CHECK(page.next_upload_id_marker == "z");
  request.limit = 10;
  request.key_marker = "b";
  CHECK(ids() == "wv");
  request.upload_id_marker = "z";
  CHECK(ids() == "ywv");
  request.upload_id_marker = "no";
  CHECK(subject.run(subject.metadata().list_uploads(Context(), request)).error().code == Errc::invalid);
  request.key_marker.clear();
  request.delimiter = "/";
  const UploadPage grouped = subject.run(subject.metadata().list_uploads(Context(), request)).value();
  CHECK(grouped.uploads.size() == 3);
  CHECK(grouped.common_prefixes == std::vector<std::string>{"d/"});
  request.prefix = "d/";
  CHECK(ids() == "wv");
}

TEMPLATE_TEST_CASE("the journal has every change of a bucket in order, and is trimmed by time", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  const BucketId other = make_bucket(subject, "other");
  WallMicros at = 1000;
  const auto timed = [&](Command command) {
    command.set_time_us(at += 1000);
    return subject.commit(command);
  };
  timed(put(bucket, "a", "1"));
  timed(put(other, "x", "1"));
  timed(put(bucket, "b", "2"));
  timed(remove(bucket, "a"));
  const auto entries = subject.run(subject.metadata().journal(Context(), kRootGroup, bucket, 0, 100)).value();
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].key() == "a");
  CHECK(entries[0].sequence() < entries[1].sequence());
  CHECK(entries[2].kind() == JOURNAL_DELETE);
  CHECK(subject.run(subject.metadata().journal(Context(), kRootGroup, bucket, entries[1].sequence(), 100)).value().size() == 1);
  CHECK(subject.run(subject.metadata().journal(Context(), kRootGroup, bucket, 0, 2)).value().size() == 2);
  Command trim;
  trim.mutable_trim_journal()->set_before_us(4000);
  trim.mutable_trim_journal()->set_limit(1);
  subject.commit(trim);
  CHECK(subject.run(subject.metadata().journal(Context(), kRootGroup, bucket, 0, 100)).value().size() == 2);
  trim.mutable_trim_journal()->set_limit(100);
  subject.commit(trim);
  CHECK(subject.run(subject.metadata().journal(Context(), kRootGroup, bucket, 0, 100)).value().size() == 2);
  CHECK(subject.run(subject.metadata().journal(Context(), kRootGroup, other, 0, 100)).value().empty());
}

TEMPLATE_TEST_CASE("the cluster state is replaced only by those who have seen it", "", SUBJECTS) {
  TestType subject;
  CHECK(subject.run(subject.metadata().cluster_state(Context())).error().code == Errc::not_found);
  Command set;
  set.mutable_set_cluster_state()->mutable_state()->set_ring("one");
  CHECK(subject.commit(set).outcome() == APPLIED);
  CHECK(subject.commit(set).outcome() == STALE);
  const auto seen = subject.run(subject.metadata().cluster_state(Context())).value();
  CHECK(seen.state.ring() == "one");
  set.mutable_set_cluster_state()->set_expected_version(seen.version);
  CHECK(subject.commit(set).outcome() == APPLIED);
  CHECK(subject.run(subject.metadata().cluster_state(Context())).value().version > seen.version);
}

TEMPLATE_TEST_CASE("what cannot be applied is refused before it is logged", "", SUBJECTS) {
  TestType subject;
  const BucketId bucket = make_bucket(subject);
  const auto code = [&](Command command) {
    return subject.run(subject.metadata().commit(Context(), std::move(command))).error().code;
  };
  CHECK(code(Command()) == Errc::invalid);
  CHECK(code(put(bucket, std::string("a\0b", 3), "v")) == Errc::invalid);
  CHECK(code(put(bucket, "", "v")) == Errc::invalid);
  CHECK(code(put(bucket, std::string(1025, 'k'), "v")) == Errc::too_large);
  CHECK(code(put(bucket, "k", std::string(5 * MiB, 'v'))) == Errc::too_large);
  Context late;
  late.deadline = TimePoint(Duration(0));
  CHECK(subject.run(subject.metadata().commit(late, put(bucket, "k", "v"))).error().code == Errc::deadline);
  CHECK(get(subject, bucket, "k").error().code == Errc::not_found);
}

}  // namespace gabion::metadata::test
