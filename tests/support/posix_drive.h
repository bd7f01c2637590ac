// PosixDrive is one drive engine on a real directory, which goes when it goes, with real threads and the real index. Link
// chunkserver to use it.
#pragma once

#include <stdlib.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "chunkserver/drive_store.h"
#include "chunkserver/rocks_index.h"
#include "common/check.h"
#include "tests/support/run.h"

namespace gabion::test {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "gabion-test-XXXXXX").string();
    GABION_CHECK(::mkdtemp(name.data()) != nullptr, "a test needs a temporary directory");
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// An io_context with one thread, which ends when this does.
class OneThread {
 public:
  OneThread() : work_(asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
  ~OneThread() {
    work_.reset();
    thread_.join();
  }
  Executor executor() { return io_.get_executor(); }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

struct PosixDrive {
  explicit PosixDrive(const chunkserver::DriveOptions& o = {}) : options(o) {
    SystemRng rng;
    identity.cluster = ClusterId::random(rng);
    identity.drive = DriveId::random(rng);
    auto opened = PosixDisk::open_root(dir.path());
    GABION_CHECK(opened.has_value(), "the temporary directory can be opened");
    disk = std::move(*opened);
    GABION_CHECK(chunkserver::format_drive(*disk, identity).has_value(), "an empty directory can be formatted");
  }
  ~PosixDrive() {
    if (engine) close();
  }

  Result<void> open() {
    TRY(index, chunkserver::RocksIndex::open(index_path(), identity.drive, shared));
    TRY(engine, chunkserver::DriveStore::open(options, identity, *disk, *index, writer.executor(), readers.get_executor(), clock,
                                              metrics));
    return {};
  }
  void close() {
    run(engine->stop());
    engine.reset();
    index.reset();
  }
  std::string index_path() const { return dir.path() + "/" + chunkserver::kIndexDir; }

  TempDir dir;
  std::unique_ptr<PosixDisk> disk;
  chunkserver::DriveOptions options;
  chunkserver::DriveMetrics metrics;
  chunkserver::Identity identity;
  chunkserver::RocksShared shared;
  RealClock clock;
  std::unique_ptr<chunkserver::RocksIndex> index;
  OneThread writer;
  asio::thread_pool readers{2};
  std::unique_ptr<chunkserver::DriveStore> engine;
};

}  // namespace gabion::test
