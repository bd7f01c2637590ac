// Random commands that mostly make sense, and the check of what must hold of any state.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "metadata/apply.h"
#include "tests/unit/metadata/commands.h"

namespace gabion::metadata::test {

class RandomCommands {
 public:
  explicit RandomCommands(Rng& rng) : rng_(rng) {}

  Command next() {
    Command command = make();
    command.set_time_us(++time_us_ * 1000 - rng_.below(3000));
    return command;
  }

  // Learns from what a command did.
  void note(const Command& command, const CommandResult& result) {
    if (result.outcome() != APPLIED) return;
    if (command.has_create_bucket()) buckets_.push_back(result.bucket().id());
    if (result.version().manifest() != 0) manifests_.push_back(result.version().manifest());
    if (command.has_create_upload()) {
      uploads_.push_back({command.create_upload().bucket(),
                          command.create_upload().upload().key(),
                          command.create_upload().upload().id(),
                          {}});
    }
    if (command.has_put_part()) {
      for (auto& upload : uploads_) {
        if (upload.id == command.put_part().upload_id())
          upload.parts[command.put_part().part().number()] = command.put_part().part().md5();
      }
    }
  }

 private:
  struct KnownUpload {
    BucketId bucket;
    std::string key, id;
    std::map<std::uint32_t, std::string> parts;
  };

  BucketId bucket() { return buckets_.empty() ? 1 : buckets_[rng_.below(buckets_.size())]; }
  std::string key() { return std::string(1, static_cast<char>('a' + rng_.below(5))) + (rng_.below(2) == 0 ? "/x" : ""); }
  ManifestId manifest() {
    return manifests_.empty()
               ? 1
               : manifests_[manifests_.size() - 1 - rng_.below(std::min<std::size_t>(manifests_.size(), 12))];
  }
  std::string block() { return "block" + std::to_string(++blocks_); }

  Command make() {
    if (buckets_.empty() || rng_.below(60) == 0) return create_bucket("bucket" + std::to_string(rng_.below(4)));
    switch (rng_.below(14)) {
      case 0: return put(bucket(), key(), "inline");
      case 1:
      case 2: {
        const std::string name = block();
        Command command = put_blocks(bucket(), key(), name, 1000);
        if (rng_.below(3) == 0) {
          command.mutable_put_object()->add_intents()->set_block(etag_bytes(name));
          command.mutable_put_object()->mutable_intents(0)->add_shards(static_cast<std::uint32_t>(rng_.below(6)));
        }
        if (rng_.below(4) == 0) command.mutable_put_object()->mutable_conditions()->set_if_none_match_any(true);
        return command;
      }
      case 3: {
        Version source;
        source.set_manifest(manifest());
        return copy(bucket(), key(), source);
      }
      case 4: return remove(bucket(), key());
      case 5: {
        Command command;
        for (int i = 0; i < 3; ++i) *command.mutable_delete_objects()->add_objects() = remove(bucket(), key()).delete_object();
        return command;
      }
      case 6: return create_upload(bucket(), key(), "upload" + std::to_string(++upload_ids_));
      case 7:
      case 8:
      case 9: return part();
      case 10:
      case 11: return finish_upload();
      case 12: return maintenance();
      default: return rng_.below(8) == 0 ? delete_bucket("bucket" + std::to_string(rng_.below(4))) : remove(bucket(), key());
    }
  }

  KnownUpload& upload() {
    if (uploads_.empty()) uploads_.push_back({bucket(), key(), "none", {}});
    return uploads_[uploads_.size() - 1 - rng_.below(std::min<std::size_t>(uploads_.size(), 6))];
  }

  Command part() {
    const KnownUpload& target = upload();
    const auto number = static_cast<std::uint32_t>(1 + rng_.below(4));
    if (rng_.below(3) != 0)
      return put_part(target.bucket, target.key, target.id, number, block(),
                      static_cast<std::uint32_t>(rng_.below(2) * 1000));
    Command command = put_part(target.bucket, target.key, target.id, number, block(), 0);
    for (std::size_t i = 1 + rng_.below(2); i > 0; --i) {
      Slice& slice = *command.mutable_put_part()->add_shares();
      slice.set_manifest(manifest());
      slice.set_offset(rng_.below(3) * 500);
      slice.set_length(rng_.below(3) * 500);
    }
    return command;
  }

  Command finish_upload() {
    const KnownUpload& target = upload();
    if (rng_.below(4) == 0) return abort_upload(target.bucket, target.key, target.id);
    std::vector<std::pair<std::uint32_t, std::string>> parts;
    Command command = complete(target.bucket, target.key, target.id, {});
    for (const auto& [number, md5] : target.parts) {
      if (rng_.below(5) == 0) continue;
      CompletedPart& part = *command.mutable_complete_upload()->add_parts();
      part.set_number(number);
      part.set_md5(md5);
    }
    return command;
  }

  Command maintenance() {
    Command command;
    switch (rng_.below(6)) {
      case 0: command.mutable_confirm_doomed()->add_manifests(manifest()); break;
      case 1: command.mutable_finish_doomed()->add_manifests(manifest()); break;
      case 2:
        command.mutable_trim_journal()->set_before_us(time_us_ * 1000 - 200'000);
        command.mutable_trim_journal()->set_limit(static_cast<std::uint32_t>(rng_.below(50)));
        break;
      case 3: {
        RepairIntent& intent = *command.mutable_add_repairs()->add_intents();
        intent.set_block(etag_bytes("block" + std::to_string(1 + rng_.below(blocks_ + 1))));
        intent.set_manifest(manifest());
        intent.add_shards(static_cast<std::uint32_t>(rng_.below(6)));
        break;
      }
      case 4: {
        // Of the contents that manifests have at first: what was replaced once is refused from then on.
        ReplaceBlocks& replace = *command.mutable_replace_blocks();
        replace.set_manifest(manifest());
        replace.mutable_blocks()->set_data_shards(2);
        replace.mutable_blocks()->set_parity_shards(1);
        Block& fresh = *replace.mutable_blocks()->add_blocks();
        fresh.set_id(etag_bytes(block()));
        fresh.set_length(1000);
        break;
      }
      default:
        command.mutable_finish_repair()->set_block(etag_bytes("block" + std::to_string(1 + rng_.below(blocks_ + 1))));
        command.mutable_finish_repair()->add_shards(static_cast<std::uint32_t>(rng_.below(6)));
        break;
    }
    return command;
  }

  Rng& rng_;
  std::uint64_t time_us_ = 1'000'000;
  std::uint64_t blocks_ = 0;
  std::uint64_t upload_ids_ = 0;
  std::vector<BucketId> buckets_;
  std::vector<ManifestId> manifests_;
  std::vector<KnownUpload> uploads_;
};

template <class Message, class Visit>
void for_each(const KvStore& store, Table table, const std::string& prefix, std::size_t skip, Visit visit) {
  const auto rows = store.iterate(table, keys::successor(prefix));
  for (rows->seek(prefix); rows->valid(); rows->next()) {
    Message message;
    REQUIRE(message.ParseFromArray(rows->value().data() + skip, static_cast<int>(rows->value().size() - skip)));
    visit(std::string(rows->key()), message);
  }
}

inline std::size_t count_rows(const KvStore& store, Table table, const std::string& prefix) {
  std::size_t n = 0;
  const auto rows = store.iterate(table, keys::successor(prefix));
  for (rows->seek(prefix); rows->valid(); rows->next()) ++n;
  return n;
}

// Counts every reference by a full scan and compares.
inline void check_references(const KvStore& store) {
  std::map<ManifestId, std::uint64_t> counted;
  std::size_t objects = 0;
  for_each<Version>(store, Table::objects, "", 0, [&](const std::string&, const Version& version) {
    ++objects;
    if (version.manifest() != 0) ++counted[version.manifest()];
  });
  for_each<Part>(store, Table::other, "p", 0, [&](const std::string&, const Part& part) {
    if (part.manifest() != 0) ++counted[part.manifest()];
  });
  for_each<Loan>(store, Table::other, keys::all_loans(), 0,
                 [&](const std::string&, const Loan& loan) { ++counted[loan.manifest()]; });
  std::map<ManifestId, Manifest> manifests;
  for_each<Manifest>(store, Table::manifests, "", 0, [&](const std::string& key, const Manifest& manifest) {
    manifests[load_be64(key.data())] = manifest;
    for (const Slice& slice : manifest.slices()) ++counted[slice.manifest()];
  });
  REQUIRE(manifests.size() == counted.size());
  for (const auto& [id, manifest] : manifests) {
    CAPTURE(id);
    std::string row;
    const bool stored = store.get(Table::other, keys::references(id), row, ReadMode::wait).value();
    REQUIRE(counted[id] == (stored ? load_le<std::uint64_t>(row.data()) : 1));
    for (const Slice& slice : manifest.slices()) {
      REQUIRE(manifests.contains(slice.manifest()));
      REQUIRE(manifests[slice.manifest()].slices_size() == 0);
      REQUIRE(slice.offset() + slice.length() <= manifests[slice.manifest()].size());
    }
  }
  std::size_t replaced = 0;
  std::string row_of_name;
  for (const auto& [id, manifest] : manifests) {
    if (manifest.contents() == 0) continue;
    ++replaced;
    REQUIRE(store.get(Table::other, keys::contents(manifest.contents()), row_of_name, ReadMode::wait).value());
    REQUIRE(load_le<std::uint64_t>(row_of_name.data()) == id);
  }
  CHECK(replaced == count_rows(store, Table::other, "C"));
  for_each<RepairIntent>(store, Table::other, keys::all_repairs(), 0,
                         [&](const std::string&, const RepairIntent& intent) { REQUIRE(manifests.contains(intent.manifest())); });
  std::string row;
  REQUIRE(store.get(Table::other, keys::totals(), row, ReadMode::wait).value());
  const Totals totals = decode_totals(row).value();
  CHECK(totals.objects == objects);
  CHECK(totals.buckets == count_rows(store, Table::other, keys::all_buckets()));
  CHECK(totals.doomed == count_rows(store, Table::other, keys::all_doomed()));
  CHECK(totals.repairs == count_rows(store, Table::other, keys::all_repairs()));
  CHECK(totals.uploads == count_rows(store, Table::other, keys::all_uploads()));
  CHECK(totals.completed == count_rows(store, Table::other, keys::all_completed()));
}

}  // namespace gabion::metadata::test
