// The metadata service in memory, for tests of what stands above it: the real state machine and the real reads over
// tables in memory, without a log. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "metadata/loans.h"
#include "metadata/memory_kv.h"
#include "metadata/metadata.h"
#include "metadata/reads.h"
#include "metadata/state_machine.h"

namespace gabion::test {

class MemoryMetadata : public metadata::Metadata {
 public:
  explicit MemoryMetadata(Clock& clock) : MemoryMetadata(clock, std::make_shared<metadata::MemoryImage>()) {}
  // Of the group whose state this is.
  MemoryMetadata(Clock& clock, std::shared_ptr<metadata::MemoryImage> image)
      : clock_(clock), image_(std::move(image)), kv_(image_) {
    auto machine = metadata::StateMachine::load(kv_);
    GABION_CHECK(machine.has_value(), "an empty state can be loaded");
    machine_ = *std::move(machine);
  }

  // --- For tests ---
  // Gets the state of the child before a split is applied; without it nothing is split.
  std::function<void(const metadata::SplitRange&, std::shared_ptr<metadata::MemoryImage>)> on_split;
  const metadata::GroupRange& range() const { return *machine_->range(); }
  metadata::MemoryKv& store() { return kv_; }
  // The next commits fail with this, once each; with `applied` they happen all the same.
  void fail_next_commit(Error error, bool applied = false) { failure_ = Failure{std::move(error), applied}; }
  // Runs once before the next commit that `when` is true for: what another client does meanwhile.
  void before_commit(std::function<bool(const metadata::Command&)> when, std::function<void()> run) {
    interloper_ = Interloper{std::move(when), std::move(run)};
  }
  metadata::CommandResult apply(metadata::Command command) {
    if (command.time_us() == 0) command.set_time_us(clock_.wall());
    const auto valid = metadata::validate(command);
    GABION_CHECK(valid.has_value(), "the gateway sends valid commands only");
    const std::string encoded = command.SerializeAsString();
    split_off(encoded);
    auto applied = machine_->apply(machine_->applied() + 1, encoded);
    GABION_CHECK(applied.has_value(), "the state machine applies valid commands");
    GABION_CHECK(machine_->commit().has_value(), "tables in memory can be written");
    metadata::CommandResult result;
    GABION_CHECK(result.ParseFromString(*applied), "results can be decoded");
    return result;
  }

  task<Result<metadata::CommandResult>> commit(Context, metadata::Command command) override {
    if (interloper_ && interloper_->when(command)) {
      auto run = std::move(interloper_->run);
      interloper_.reset();
      run();
    }
    if (auto failure = std::exchange(failure_, std::nullopt)) {
      if (failure->applied) apply(std::move(command));
      co_return failure->error;
    }
    if (const auto valid = metadata::validate(command); !valid) co_return valid.error();
    if (const auto timely = metadata::check_timely(command, clock_.wall()); !timely) co_return timely.error();
    auto result = apply(std::move(command));
    if (result.outcome() == metadata::MOVED) co_return Error(Errc::moved, result.detail());
    co_return result;
  }
  task<Result<metadata::Bucket>> bucket(Context, std::string name) override {
    co_return metadata::reads::bucket(state(), name, ReadMode::wait);
  }
  task<Result<std::vector<metadata::Bucket>>> buckets(Context) override { co_return metadata::reads::buckets(state()); }
  task<Result<metadata::Object>> object(Context, metadata::BucketId bucket, std::string key, With with) override {
    co_return metadata::reads::object(state(), bucket, key, with, ReadMode::wait);
  }
  task<Result<metadata::Manifest>> manifest(Context, metadata::GroupId, metadata::ManifestId id) override {
    co_return metadata::reads::manifest(kv_, id, ReadMode::wait);
  }
  task<Result<metadata::ObjectPage>> list_objects(Context, metadata::ListRequest request) override {
    co_return metadata::reads::list_objects(state(), request);
  }
  task<Result<metadata::UploadPage>> list_uploads(Context, metadata::ListUploadsRequest request) override {
    co_return metadata::reads::list_uploads(state(), request);
  }
  task<Result<metadata::PartPage>> list_parts(Context, metadata::BucketId bucket, std::string key, std::string upload_id,
                                              std::uint32_t after, std::size_t limit) override {
    co_return metadata::reads::list_parts(state(), bucket, key, upload_id, after, limit);
  }
  task<Result<std::vector<metadata::JournalEntry>>> journal(Context, metadata::GroupId,
                                                            metadata::BucketId bucket, std::uint64_t after,
                                                            std::size_t limit) override {
    co_return metadata::reads::journal(state(), bucket, after, limit);
  }
  task<Result<std::vector<metadata::RepairIntent>>> repairs(Context, metadata::GroupId, std::string after_block,
                                                            std::size_t limit) override {
    co_return metadata::reads::repairs(kv_, after_block, limit);
  }
  task<Result<std::vector<metadata::Doomed>>> doomed(Context, metadata::GroupId,
                                                     metadata::ManifestId after, std::size_t limit) override {
    co_return metadata::reads::doomed(kv_, after, limit);
  }
  task<Result<std::vector<ListedManifest>>> manifests(Context, metadata::GroupId,
                                                      metadata::ManifestId after, std::size_t limit) override {
    co_return metadata::reads::manifests(kv_, after, limit);
  }
  task<Result<std::vector<metadata::GroupId>>> groups(Context) override {
    co_return std::vector<metadata::GroupId>{range().group};
  }
  task<Result<std::vector<metadata::ManifestId>>> live_manifests(Context, metadata::GroupId,
                                                                 std::vector<metadata::ManifestId> ids) override {
    co_return metadata::reads::live_manifests(kv_, std::move(ids));
  }
  task<Result<VersionedClusterState>> cluster_state(Context) override {
    co_return metadata::reads::cluster_state(state(), ReadMode::wait);
  }
  task<Result<metadata::Statistics>> statistics(Context) override {
    co_return metadata::reads::statistics(kv_, ReadMode::wait);
  }

 private:
  metadata::reads::State state() const { return {kv_, *machine_->range()}; }

  void split_off(const std::string& encoded) {
    const auto due = machine_->split_due(encoded);
    GABION_CHECK(due.has_value(), "the state can be read");
    if (!due->has_value()) return;
    GABION_CHECK(on_split != nullptr && kv_.flush().has_value(), "somebody takes what is split off");
    auto image = std::make_shared<metadata::MemoryImage>();
    image->tables = image_->tables;
    metadata::MemoryKv child(image);
    GABION_CHECK(metadata::become_child(child, **due, 1).has_value() && child.flush().has_value(), "a group can be split off");
    on_split(**due, std::move(image));
  }

  struct Failure {
    Error error;
    bool applied;
  };
  struct Interloper {
    std::function<bool(const metadata::Command&)> when;
    std::function<void()> run;
  };
  Clock& clock_;
  std::shared_ptr<metadata::MemoryImage> image_;
  metadata::MemoryKv kv_;
  std::unique_ptr<metadata::StateMachine> machine_;
  std::optional<Failure> failure_;
  std::optional<Interloper> interloper_;
};

}  // namespace gabion::test
