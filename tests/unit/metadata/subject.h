// A Metadata under test and how to run its tasks, so that one contract covers every implementation.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "metadata/local_metadata.h"
#include "metadata/memory_kv.h"
#include "tests/support/run.h"
#include "tests/support/sim.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/metadata/commands.h"

namespace gabion::metadata::test {

class Subject {
 public:
  virtual ~Subject() = default;
  virtual Metadata& metadata() = 0;
  virtual void drive(task<void> work) = 0;

  template <class T>
  T run(task<T> work) {
    std::optional<T> value;
    drive(store(std::move(work), value));
    return std::move(*value);
  }
  // A command that the state machine decides.
  CommandResult commit(Command command) { return run(metadata().commit(Context(), std::move(command))).value(); }

 private:
  template <class T>
  static task<void> store(task<T> work, std::optional<T>& into) {
    into.emplace(co_await std::move(work));
  }
};

// Group 0 of a LocalMetadata over simulated drives and stores in memory.
class SimSubject final : public Subject {
 public:
  SimSubject() : world_(1) {
    for (std::size_t i = 0; i < 3; ++i) {
      disks_.push_back(std::make_unique<sim::SimDisk>(world_.rng()));
      images_.push_back(std::make_shared<MemoryImage>());
    }
    LocalMetadataOptions options;
    for (auto& disk : disks_) options.drives.emplace_back(DriveId::random(world_.rng()), disk.get(), "", world_.executor());
    options.commit = options.readers = options.background = world_.executor();
    options.clock = &world_.clock();
    options.rng = &world_.rng();
    options.metrics = &metrics_;
    options.allow_new = true;
    options.states = std::make_unique<MemoryStates>(images_);
    metadata_ = world_.run(LocalMetadata::open(std::move(options))).value();
  }
  ~SimSubject() override { world_.run(metadata_->stop()); }
  LocalGroup& metadata() override { return metadata_->root(); }
  void drive(task<void> work) override { world_.run(std::move(work)); }

 private:
  sim::SimWorld world_;
  std::vector<std::unique_ptr<sim::SimDisk>> disks_;
  std::vector<std::shared_ptr<MemoryImage>> images_;
  LocalMetadataMetrics metrics_;
  std::unique_ptr<LocalMetadata> metadata_;
};

// Group 0 of a LocalMetadata over RocksDB and real files on several drives, with the threads it has in production.
class RealSubject final : public Subject {
 public:
  explicit RealSubject(std::size_t drives = 3) {
    SeededRng ids(7);
    for (std::size_t i = 0; i < drives; ++i) {
      roots_.push_back(dir_.path() + "/drive" + std::to_string(i));
      std::filesystem::create_directories(roots_.back());
      ids_.push_back(DriveId::random(ids));
    }
    open_disks();
    open(true);
  }
  ~RealSubject() override {
    if (metadata_) stop();
  }
  LocalGroup& metadata() override { return metadata_->root(); }
  LocalMetadata& node() { return *metadata_; }
  void drive(task<void> work) override { gabion::test::run(std::move(work)); }

  // Opens it again as after a clean stop.
  void reopen() {
    stop();
    open(false);
  }
  void stop() {
    gabion::test::run(metadata_->stop());
    metadata_.reset();
  }
  void open(bool allow_new) { metadata_ = try_open(allow_new).value(); }
  Result<std::unique_ptr<LocalMetadata>> try_open(bool allow_new) {
    LocalMetadataOptions options;
    for (std::size_t i = 0; i < disks_.size(); ++i)
      options.drives.emplace_back(ids_[i], disks_[i].get(), roots_[i], log_.get_executor());
    options.commit = commit_.get_executor();
    options.readers = readers_.get_executor();
    options.background = background_.get_executor();
    options.clock = &clock_;
    options.rng = &rng_;
    options.metrics = &metrics_;
    options.allow_new = allow_new;
    return gabion::test::run(LocalMetadata::open(std::move(options)));
  }
  void wipe(std::size_t i) {
    disks_[i].reset();
    std::filesystem::remove_all(roots_[i]);
    std::filesystem::create_directories(roots_[i]);
    disks_[i] = PosixDisk::open_root(roots_[i]).value();
  }
  const std::string& root(std::size_t i) const { return roots_[i]; }
  DriveId drive_id(std::size_t i) const { return ids_[i]; }

 private:
  void open_disks() {
    for (const std::string& root : roots_) disks_.push_back(PosixDisk::open_root(root).value());
  }
  gabion::test::TempDir dir_;
  std::vector<std::string> roots_;
  std::vector<DriveId> ids_;
  std::vector<std::unique_ptr<PosixDisk>> disks_;
  asio::thread_pool commit_{1}, readers_{1}, background_{1}, log_{2};
  RealClock clock_;
  SystemRng rng_;
  LocalMetadataMetrics metrics_;
  std::unique_ptr<LocalMetadata> metadata_;
};

}  // namespace gabion::metadata::test
