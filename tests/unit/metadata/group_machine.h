// The state machine of one group over a store in memory, and how others are split off from it.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "metadata/apply.h"
#include "metadata/reads.h"
#include "metadata/state_machine.h"
#include "tests/unit/metadata/commands.h"

namespace gabion::metadata::test {

class GroupMachine {
 public:
  GroupMachine() : GroupMachine(std::make_shared<MemoryImage>()) {}
  explicit GroupMachine(std::shared_ptr<MemoryImage> image) : image_(std::move(image)) { open(); }

  CommandResult apply(Command command) {
    if (command.time_us() == 0) command.set_time_us(++time_us_);
    const auto valid = validate(command);
    CAPTURE(valid ? "" : valid.error().message);
    REQUIRE(valid.has_value());
    log_.push_back(command.SerializeAsString());
    const auto encoded = machine_->apply(machine_->applied() + 1, log_.back());
    REQUIRE(encoded.has_value());
    REQUIRE(machine_->commit().has_value());
    CommandResult result;
    REQUIRE(result.ParseFromString(*encoded));
    return result;
  }
  Outcome outcome(Command command) { return apply(std::move(command)).outcome(); }
  void open() {
    if (store_) REQUIRE(store_->flush().has_value());
    machine_.reset();
    store_ = std::make_unique<MemoryKv>(image_);
    machine_ = StateMachine::load(*store_).value();
  }
  // As a host does it: the child gets a copy of what was there before, and then this group loses its part.
  GroupMachine split(GroupId child, std::string at) {
    Command command = split_range(child, std::move(at));
    const auto due = machine_->split_due(command.SerializeAsString());
    REQUIRE(due.has_value());
    REQUIRE(due->has_value());
    GroupMachine other(copy());
    REQUIRE(become_child(*other.store_, **due, 1).has_value());
    other.open();
    other.time_us_ = time_us_;
    CHECK(outcome(std::move(command)) == APPLIED);
    return other;
  }
  static Command split_range(GroupId child, std::string at) {
    Command command;
    command.mutable_split_range()->set_child(child);
    command.mutable_split_range()->set_at(std::move(at));
    return command;
  }
  // How many commands it took until nothing was left.
  int trim(std::uint32_t limit = 1000) {
    Command command;
    command.mutable_trim_range()->set_limit(limit);
    int commands = 1;
    while (apply(command).more()) ++commands;
    return commands;
  }
  std::shared_ptr<MemoryImage> copy() {
    REQUIRE(store_->flush().has_value());
    auto image = std::make_shared<MemoryImage>();
    image->tables = image_->tables;
    return image;
  }

  StateMachine& machine() { return *machine_; }
  const GroupRange& range() const { return *machine_->range(); }
  const Totals& totals() const { return machine_->totals(); }
  MemoryKv& store() { return *store_; }
  // The commands that it applied itself.
  const std::vector<std::string>& log() const { return log_; }
  reads::State state() const { return {*store_, range()}; }
  Result<Object> object(BucketId bucket, const std::string& key) const {
    return reads::object(state(), bucket, key, Metadata::With::manifest, ReadMode::wait);
  }

 private:
  std::shared_ptr<MemoryImage> image_;
  std::unique_ptr<MemoryKv> store_;
  std::unique_ptr<StateMachine> machine_;
  std::vector<std::string> log_;
  std::uint64_t time_us_ = 0;
};

inline Command raise_bucket(BucketId bucket) {
  Command command;
  command.mutable_raise_bucket()->set_bucket(bucket);
  return command;
}
inline Command open_bucket(BucketId bucket, std::uint64_t generation) {
  Command command;
  command.mutable_open_bucket()->set_bucket(bucket);
  command.mutable_open_bucket()->set_generation(generation);
  return command;
}
inline Command close_bucket(BucketId bucket, std::uint64_t generation, std::string from = {}, std::string to = {}) {
  Command command;
  command.mutable_close_bucket()->set_bucket(bucket);
  command.mutable_close_bucket()->set_generation(generation);
  command.mutable_close_bucket()->set_from(std::move(from));
  command.mutable_close_bucket()->set_to(std::move(to));
  return command;
}
inline Command bucket_gone(BucketId bucket) {
  Command command;
  command.mutable_close_bucket()->set_bucket(bucket);
  command.mutable_close_bucket()->set_gone(true);
  return command;
}
inline Command lend(ManifestId manifest, const std::string& loan) {
  Command command;
  command.mutable_lend_manifest()->set_manifest(manifest);
  command.mutable_lend_manifest()->set_loan(loan);
  return command;
}
inline Command end_loan(const std::string& loan) {
  Command command;
  command.mutable_end_loan()->set_loan(loan);
  return command;
}

}  // namespace gabion::metadata::test
