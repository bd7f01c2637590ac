// A Metadata under test and how to run its tasks, so that one contract covers every implementation.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "metadata/local_metadata.h"
#include "metadata/memory_kv.h"
#include "tests/support/run.h"
#include "tests/support/sim.h"
#include "tests/support/temp_dir.h"

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

// LocalMetadata over simulated drives and stores in memory.
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
    options.storage = std::make_unique<MemoryStateStorage>(images_);
    metadata_ = world_.run(LocalMetadata::open(std::move(options))).value();
  }
  ~SimSubject() override { world_.run(metadata_->stop()); }
  LocalMetadata& metadata() override { return *metadata_; }
  void drive(task<void> work) override { world_.run(std::move(work)); }

 private:
  sim::SimWorld world_;
  std::vector<std::unique_ptr<sim::SimDisk>> disks_;
  std::vector<std::shared_ptr<MemoryImage>> images_;
  LocalMetadataMetrics metrics_;
  std::unique_ptr<LocalMetadata> metadata_;
};

// LocalMetadata over RocksDB and real files on several drives, with the threads it has in production.
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
  LocalMetadata& metadata() override { return *metadata_; }
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

// --- Commands, short ---

inline Command create_bucket(const std::string& name) {
  Command command;
  command.mutable_create_bucket()->set_name(name);
  command.mutable_create_bucket()->set_owner("tenant");
  return command;
}
inline Command delete_bucket(const std::string& name) {
  Command command;
  command.mutable_delete_bucket()->set_name(name);
  return command;
}
// `content` stands for the bytes: its MD5 is not computed, the ETag is 16 bytes made of it.
inline std::string etag_bytes(const std::string& content) {
  std::string etag = content;
  etag.resize(16, '.');
  return etag;
}
inline std::string etag_text(const std::string& content) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : etag_bytes(content)) {
    text.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kHex[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}
inline Manifest inline_manifest(const std::string& content) {
  Manifest manifest;
  manifest.set_size(content.size());
  manifest.set_inline_data(content);
  return manifest;
}
inline Manifest block_manifest(const std::string& block, std::uint32_t length) {
  Manifest manifest;
  manifest.set_size(length);
  manifest.set_data_shards(4);
  manifest.set_parity_shards(2);
  manifest.add_blocks()->set_id(etag_bytes(block));
  manifest.mutable_blocks(0)->set_length(length);
  return manifest;
}
inline Command put(BucketId bucket, const std::string& key, const std::string& content) {
  Command command;
  PutObject& op = *command.mutable_put_object();
  op.set_bucket(bucket);
  op.set_key(key);
  op.mutable_version()->set_size(content.size());
  op.mutable_version()->set_etag(etag_bytes(content));
  op.mutable_version()->set_owner("tenant");
  if (!content.empty()) *op.mutable_manifest() = inline_manifest(content);
  return command;
}
inline Command put_blocks(BucketId bucket, const std::string& key, const std::string& block, std::uint32_t length) {
  Command command = put(bucket, key, "");
  command.mutable_put_object()->mutable_version()->set_size(length);
  command.mutable_put_object()->mutable_version()->set_etag(etag_bytes(block));
  *command.mutable_put_object()->mutable_manifest() = block_manifest(block, length);
  return command;
}
inline Command copy(BucketId bucket, const std::string& key, const Version& source) {
  Command command;
  PutObject& op = *command.mutable_put_object();
  op.set_bucket(bucket);
  op.set_key(key);
  *op.mutable_version() = source;
  if (source.manifest() != 0) op.mutable_share()->set_manifest(source.manifest());
  return command;
}
inline Command remove(BucketId bucket, const std::string& key) {
  Command command;
  command.mutable_delete_object()->set_bucket(bucket);
  command.mutable_delete_object()->set_key(key);
  return command;
}
inline Command create_upload(BucketId bucket, const std::string& key, const std::string& id) {
  Command command;
  command.mutable_create_upload()->set_bucket(bucket);
  command.mutable_create_upload()->mutable_upload()->set_key(key);
  command.mutable_create_upload()->mutable_upload()->set_id(id);
  return command;
}
inline Command put_part(BucketId bucket, const std::string& key, const std::string& id, std::uint32_t number,
                        const std::string& block, std::uint32_t length) {
  Command command;
  PutPart& op = *command.mutable_put_part();
  op.set_bucket(bucket);
  op.set_key(key);
  op.set_upload_id(id);
  op.mutable_part()->set_number(number);
  op.mutable_part()->set_md5(etag_bytes(block));
  if (length != 0) *op.mutable_manifest() = block_manifest(block, length);
  return command;
}
inline Command complete(BucketId bucket, const std::string& key, const std::string& id,
                        const std::vector<std::pair<std::uint32_t, std::string>>& parts) {
  Command command;
  CompleteUpload& op = *command.mutable_complete_upload();
  op.set_bucket(bucket);
  op.set_key(key);
  op.set_upload_id(id);
  for (const auto& [number, block] : parts) {
    op.add_parts()->set_number(number);
    op.mutable_parts(op.parts_size() - 1)->set_md5(etag_bytes(block));
  }
  op.mutable_version()->set_etag(etag_bytes("whole " + id));
  op.mutable_version()->set_etag_parts(static_cast<std::uint32_t>(parts.size()));
  return command;
}
inline Command abort_upload(BucketId bucket, const std::string& key, const std::string& id) {
  Command command;
  command.mutable_abort_upload()->set_bucket(bucket);
  command.mutable_abort_upload()->set_key(key);
  command.mutable_abort_upload()->set_upload_id(id);
  return command;
}

}  // namespace gabion::metadata::test
