// Random commands over groups that are split at random moments, sent as a router sends them: every object is readable in exactly
// one group, counts are right in all of them, nothing is erased that anybody refers to, and the logs always give the same states.
#include <catch2/generators/catch_generators_range.hpp>

#include <set>

#include "tests/unit/metadata/group_machine.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {
namespace {

constexpr std::size_t kGroups = 4;

using Adopted = google::protobuf::RepeatedPtrField<AdoptedManifest>;

class Groups {
 public:
  explicit Groups(Rng& rng) : rng_(rng) { groups_.emplace_back(); }

  std::size_t size() const { return groups_.size(); }
  GroupMachine& at(std::size_t i) { return groups_[i]; }
  GroupMachine& root() { return groups_.front(); }
  GroupMachine& any() { return groups_[rng_.below(groups_.size())]; }
  GroupMachine& owner(BucketId bucket, const std::string& key) {
    GroupMachine* found = nullptr;
    for (GroupMachine& group : groups_) {
      if (!group.range().owns(bucket, key)) continue;
      REQUIRE(found == nullptr);
      found = &group;
    }
    REQUIRE(found != nullptr);
    return *found;
  }

  bool split(std::string where) {
    const auto number = static_cast<GroupId>(groups_.size());
    for (GroupMachine& group : groups_) {
      if (!group.machine().split_due(GroupMachine::split_range(number, where).SerializeAsString())->has_value()) continue;
      GroupMachine child = group.split(number, std::move(where));
      groups_.push_back(std::move(child));
      return true;
    }
    return false;
  }

  CommandResult apply(Command command) {
    switch (command.op_case()) {
      case Command::kCreateBucket: return root().apply(std::move(command));
      case Command::kDeleteBucket: return delete_bucket(std::move(command));
      case Command::kDeleteObjects: return delete_objects(command);
      case Command::kConfirmDoomed: return collect(command);
      case Command::kPutObject: return to_key(command, command.put_object().bucket(), command.put_object().key());
      case Command::kDeleteObject: return to_key(command, command.delete_object().bucket(), command.delete_object().key());
      case Command::kCreateUpload:
        return to_key(command, command.create_upload().bucket(), command.create_upload().upload().key());
      case Command::kPutPart: return to_key(command, command.put_part().bucket(), command.put_part().key());
      case Command::kCompleteUpload: return to_key(command, command.complete_upload().bucket(), command.complete_upload().key());
      case Command::kAbortUpload: return to_key(command, command.abort_upload().bucket(), command.abort_upload().key());
      case Command::kFinishDoomed: return CommandResult();  // what was not asked for elsewhere is not finished
      default: return any().apply(std::move(command));
    }
  }
  const std::set<std::string>& erased() const { return erased_; }

 private:
  static bool has(GroupMachine& group, ManifestId id) {
    return reads::manifest(group.store(), id, ReadMode::wait).has_value();
  }

  CommandResult to_key(Command command, BucketId bucket, const std::string& key) {
    GroupMachine& group = owner(bucket, key);
    if (GroupMachine& other = any(); &other != &group && rng_.below(4) == 0) CHECK(other.outcome(command) == MOVED);
    std::vector<std::pair<GroupMachine*, std::string>> loans;
    if (command.has_put_object() && command.put_object().has_share()) {
      borrow(group, command.put_object().share().manifest(), *command.mutable_put_object()->mutable_adopted(), loans);
    }
    for (const Slice& share : command.put_part().shares()) {
      borrow(group, share.manifest(), *command.mutable_put_part()->mutable_adopted(), loans);
    }
    CommandResult result = group.apply(command);
    if (&group != &root() && result.outcome() == NO_SUCH_BUCKET && open(group, bucket)) result = group.apply(command);
    for (auto& [source, loan] : loans) {
      if (rng_.below(3) != 0) source->apply(end_loan(loan));  // the others are left to the sweep
    }
    return result;
  }

  bool open(GroupMachine& group, BucketId bucket) {
    const CommandResult raised = root().apply(raise_bucket(bucket));
    if (raised.outcome() != APPLIED) return false;
    CHECK(group.outcome(open_bucket(bucket, raised.bucket().generation())) == APPLIED);
    return true;
  }

  void borrow(GroupMachine& to, ManifestId id, Adopted& adopted, std::vector<std::pair<GroupMachine*, std::string>>& loans) {
    if (has(to, id)) return;
    for (GroupMachine& source : groups_) {
      if (&source == &to || !has(source, id)) continue;
      loans.emplace_back(&source, "loan " + std::to_string(++loans_));
      REQUIRE(source.outcome(lend(id, loans.back().second)) == APPLIED);
      bring(source, id, adopted);
      const Manifest manifest = reads::manifest(source.store(), id, ReadMode::wait).value();
      for (const Slice& slice : manifest.slices()) bring(source, slice.manifest(), adopted);
      return;
    }
  }
  static void bring(GroupMachine& source, ManifestId id, Adopted& adopted) {
    for (const AdoptedManifest& each : adopted) {
      if (each.id() == id) return;
    }
    AdoptedManifest& fresh = *adopted.Add();
    fresh.set_id(id);
    *fresh.mutable_manifest() = reads::manifest(source.store(), id, ReadMode::wait).value();
  }

  CommandResult delete_objects(const Command& command) {
    CommandResult results;
    for (const DeleteObject& object : command.delete_objects().objects()) {
      Command one;
      *one.mutable_delete_objects()->add_objects() = object;
      one.set_time_us(command.time_us());
      GroupMachine& group = owner(object.bucket(), object.key());
      CommandResult result = group.apply(one);
      const bool closed = &group != &root() && result.each(0).outcome() == NO_SUCH_BUCKET;
      if (closed && open(group, object.bucket())) result = group.apply(one);
      *results.add_each() = result.each(0);
    }
    return results;
  }

  CommandResult delete_bucket(Command command) {
    const auto bucket = reads::bucket(root().state(), command.delete_bucket().name(), ReadMode::wait);
    if (!bucket) return root().apply(std::move(command));
    const std::string from = keys::rows_from(bucket->id(), {});
    const std::string end = keys::successor(from);
    const std::uint64_t generation = root().apply(raise_bucket(bucket->id())).bucket().generation();
    for (GroupMachine& group : groups_) {
      const GroupRange& range = group.range();
      if (&group == &root() || !range.touches(bucket->id())) continue;
      const std::string to = range.to.empty() ? end : std::min(end, range.to);
      const Outcome closed = group.outcome(close_bucket(bucket->id(), generation, std::max(from, range.from), to));
      CommandResult refusal;
      refusal.set_outcome(closed);
      if (closed != APPLIED) return refusal;
    }
    command.mutable_delete_bucket()->set_generation(generation);
    const std::string& own_end = root().range().to;
    if (!own_end.empty() && own_end < end) command.mutable_delete_bucket()->set_to(std::max(from, own_end));
    CommandResult result = root().apply(command);
    if (result.outcome() != APPLIED) return result;
    for (std::size_t i = 1; i < groups_.size(); ++i) CHECK(groups_[i].outcome(bucket_gone(bucket->id())) == APPLIED);
    return result;
  }

  // As the collector: what is doomed here is erased unless it is live elsewhere.
  CommandResult collect(const Command& command) {
    GroupMachine& group = any();
    std::map<ManifestId, Doomed> doomed;
    const auto waiting = reads::doomed(group.store(), 0, 1000).value();
    for (const Doomed& entry : waiting) doomed[entry.manifest()] = entry;
    Command confirm = command;
    for (const auto& [id, entry] : doomed) {
      if (rng_.below(2) == 0) confirm.mutable_confirm_doomed()->add_manifests(id);
    }
    CommandResult result = group.apply(confirm);
    Command finish;
    finish.mutable_finish_doomed();
    for (const ManifestId id : result.confirmed()) {
      bool live = false;
      for (GroupMachine& other : groups_) {
        live |= &other != &group && !reads::live_manifests(other.store(), {id}).value().empty();
      }
      for (const Block& block : doomed.at(id).blocks()) {
        if (!live) erased_.insert(block.id());
      }
      finish.mutable_finish_doomed()->add_manifests(id);
    }
    group.apply(finish);
    return result;
  }

  Rng& rng_;
  std::vector<GroupMachine> groups_;
  std::set<std::string> erased_;
  std::uint64_t loans_ = 0;
};

// What clients were told.
class Model {
 public:
  using Key = std::pair<BucketId, std::string>;

  void note(const Command& command, const CommandResult& result, std::uint64_t sequence_before) {
    if (command.has_delete_objects()) {
      for (int i = 0; i < result.each_size(); ++i) note_removal(command.delete_objects().objects(i), result.each(i));
    }
    if (command.has_delete_object()) note_removal(command.delete_object(), result);
    if (command.has_delete_bucket()) note_deletion(result);
    if (result.outcome() != APPLIED) return;
    if (command.has_create_bucket()) ids_[command.create_bucket().name()] = result.bucket().id();
    // A completion that came twice gives the result of the first.
    if (result.version().sequence() <= sequence_before) return;
    if (command.has_put_object()) objects_[{command.put_object().bucket(), command.put_object().key()}] = result.version();
    if (command.has_complete_upload()) {
      objects_[{command.complete_upload().bucket(), command.complete_upload().key()}] = result.version();
    }
  }
  const std::map<Key, Version>& objects() const { return objects_; }

 private:
  void note_removal(const DeleteObject& object, const CommandResult& result) {
    if (result.outcome() == APPLIED) objects_.erase({object.bucket(), object.key()});
  }
  void note_deletion(const CommandResult& result) {
    if (result.outcome() != APPLIED) return;
    for (const auto& [key, version] : objects_) REQUIRE(key.first != result.bucket().id());
  }

  std::map<std::string, BucketId> ids_;
  std::map<Key, Version> objects_;
};

// And contents of one name are the same wherever they are.
void check_manifests(Groups& groups) {
  std::map<ManifestId, std::string> known;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for_each<Manifest>(groups.at(i).store(), Table::manifests, "", 0, [&](const std::string& key, const Manifest& manifest) {
      for (const Block& block : manifest.blocks()) REQUIRE(!groups.erased().contains(block.id()));
      const ManifestId contents = apply::contents_of(load_be64(key.data()), manifest);
      const std::string whole = manifest.SerializeAsString();
      REQUIRE(known.emplace(contents, whole).first->second == whole);
    });
  }
}

void check_model(Groups& groups, const Model& model) {
  for (const auto& [key, version] : model.objects()) {
    CAPTURE(key.first, key.second);
    GroupMachine& owner = groups.owner(key.first, key.second);
    const auto object = owner.object(key.first, key.second);
    REQUIRE(object.has_value());
    CHECK(object->version.SerializeAsString() == version.SerializeAsString());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (&groups.at(i) == &owner) continue;
      CHECK(groups.at(i).object(key.first, key.second).error().code == Errc::moved);
    }
  }
}

void finish(Groups& groups, const Model& model, Rng& rng) {
  std::uint64_t objects = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    GroupMachine& group = groups.at(i);
    group.trim(static_cast<std::uint32_t>(1 + rng.below(9)));
    Command sweep;
    sweep.mutable_end_loan()->set_before_us(UINT64_MAX);
    sweep.mutable_end_loan()->set_limit(1000);
    while (group.apply(sweep).more()) {}
    check_references(group.store());
    objects += group.totals().objects;
  }
  CHECK(objects == model.objects().size());
}

// Applies the logs again, cut into rounds in another way, and divides where they say so.
void replay(GroupMachine& group, Groups& groups, Rng& rng) {
  const GroupId number = group.range().group;
  for (const std::string& command : groups.at(number).log()) {
    const auto split = group.machine().split_due(command).value();
    if (split) {
      REQUIRE(group.machine().commit().has_value());
      GroupMachine child(group.copy());
      REQUIRE(become_child(child.store(), *split, 1).has_value());
      child.open();
      replay(child, groups, rng);
    }
    REQUIRE(group.machine().apply(group.machine().applied() + 1, command).has_value());
    if (rng.below(9) == 0) REQUIRE(group.machine().commit().has_value());
  }
  REQUIRE(group.machine().commit().has_value());
  CHECK(group.store().dump() == groups.at(number).store().dump());
}

}  // namespace

TEST_CASE("random commands over groups that are split, trimmed and collected from lose nothing and leave nothing") {
  const std::uint32_t seed = GENERATE(Catch::Generators::range(1u, 25u));
  CAPTURE(seed);
  SeededRng rng(seed);
  Groups groups(rng);
  Model model;
  RandomCommands commands(rng);
  BucketId last_bucket = 1;
  for (int i = 0; i < 1200; ++i) {
    const Command command = commands.next();
    std::uint64_t sequence = 0;
    if (command.has_complete_upload()) {
      sequence = groups.owner(command.complete_upload().bucket(), command.complete_upload().key()).totals().sequence;
    }
    const CommandResult result = groups.apply(command);
    commands.note(command, result);
    model.note(command, result, sequence);
    if (command.has_create_bucket() && result.outcome() == APPLIED) last_bucket = result.bucket().id();
    if (rng.below(150) == 0 && groups.size() < kGroups) {
      const std::string key(rng.below(4) == 0 ? 0 : 1, static_cast<char>('a' + rng.below(5)));
      groups.split(keys::rows_from(1 + rng.below(last_bucket), key));
    }
    if (rng.below(4) == 0) {
      Command trim;
      trim.mutable_trim_range()->set_limit(static_cast<std::uint32_t>(1 + rng.below(6)));
      groups.any().apply(trim);
    }
    if (i % 100 == 0) {
      check_model(groups, model);
      check_manifests(groups);
    }
  }
  check_model(groups, model);
  finish(groups, model, rng);
  check_model(groups, model);
  check_manifests(groups);
  GroupMachine again;
  replay(again, groups, rng);
}

}  // namespace gabion::metadata::test
