// The simulated world: one thread, virtual time, an executor whose order of events is a function of the seed, and disks
// that forget, tear and fail. The same seed gives the same run.
//
//   SimWorld world(seed);
//   SimDisk disk(world.rng());
//   world.run(some_task());          // drives events until the task is done; CHECKs that it does finish
#pragma once

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "common/async.h"
#include "common/clock.h"
#include "common/disk.h"
#include "common/rng.h"

namespace gabion::sim {

class SimWorld;

// Satisfies Asio's executor requirements over a SimWorld's event queue.
class SimExecutor {
 public:
  explicit SimExecutor(SimWorld& world) : world_(&world) {}
  friend bool operator==(const SimExecutor& a, const SimExecutor& b) noexcept { return a.world_ == b.world_; }
  friend bool operator!=(const SimExecutor& a, const SimExecutor& b) noexcept { return a.world_ != b.world_; }
  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept;
  static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) noexcept {
    return boost::asio::execution::blocking.never;
  }
  template <class F>
  void execute(F f) const;

 private:
  SimWorld* world_;
};

class SimClock final : public Clock {
 public:
  explicit SimClock(SimWorld& world) : world_(world) {}
  TimePoint now() const override;
  WallMicros wall() const override;
  task<void> sleep(Duration duration) override;
  // Moves wall time only, as an operator or a bad time server does.
  void jump_wall(std::int64_t micros) { wall_offset_ += micros; }

 private:
  SimWorld& world_;
  std::int64_t wall_offset_ = 0;
};

class SimWorld : public boost::asio::execution_context {
 public:
  explicit SimWorld(std::uint64_t seed);
  ~SimWorld();
  Executor executor() { return SimExecutor(*this); }
  SimClock& clock() { return clock_; }
  SeededRng& rng() { return rng_; }
  std::uint64_t now_ns() const { return now_ns_; }

  void at(std::uint64_t when_ns, std::function<void()> event);
  bool step();  // runs the earliest event; false when there is none
  // Runs events until nothing is left or virtual time would pass `until`.
  void run_for(Duration duration);

  // Spawns the task and runs events until it is done. Aborts when events run out first (a deadlock) or after a billion.
  template <class T>
  T run(task<T> work) {
    std::optional<T> result;
    asio::co_spawn(executor(), std::move(work), [&](std::exception_ptr exception, T value) {
      if (exception) escaped_exception("simulation", exception);
      result.emplace(std::move(value));
    });
    while (!result) GABION_CHECK(step(), "the simulated task can never finish: nothing is left to happen");
    return std::move(*result);
  }
  void run(task<void> work) {
    bool done = false;
    asio::co_spawn(executor(), std::move(work), [&](std::exception_ptr exception) {
      if (exception) escaped_exception("simulation", exception);
      done = true;
    });
    while (!done) GABION_CHECK(step(), "the simulated task can never finish: nothing is left to happen");
  }

 private:
  struct Event {
    std::uint64_t when, sequence;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return when != other.when ? when > other.when : sequence > other.sequence;
    }
  };
  std::uint64_t now_ns_ = 0;
  std::uint64_t sequence_ = 0;
  std::priority_queue<Event> events_;
  SeededRng rng_;
  SimClock clock_{*this};
};

template <class F>
void SimExecutor::execute(F f) const {
  auto shared = std::make_shared<F>(std::move(f));
  world_->at(world_->now_ns(), [shared] { std::move (*shared)(); });
}

// What a power cut does to bytes written and not yet synced, and to names not yet synced (always a prefix of the
// unsynced name changes, as a journalling file system keeps their order).
enum class Crash {
  drop_all,     // nothing unsynced survives
  keep_all,     // everything does, as if it had been synced
  keep_prefix,  // the first few unsynced sectors survive
  random,       // each unsynced sector survives or not: order is lost and writes are torn
};
inline constexpr Crash kCrashes[] = {Crash::drop_all, Crash::keep_all, Crash::keep_prefix, Crash::random};

// A file system in memory with the durability rules of common/disk.h. Not thread-safe.
class SimDisk final : public Disk {
 public:
  static constexpr std::size_t kSector = 512;
  explicit SimDisk(Rng& rng) : rng_(rng) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<void> make_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_dir(const std::string& path) override;
  Result<DiskSpace> space() override;

  // --- Faults ---
  // Operations that change something (write, sync, create, rename, remove, truncate, sync_dir, make_dir) so far.
  std::uint64_t operations() const { return operations_; }
  // The power fails at the n-th operation from now (0 = the next): it does not happen (a write may happen in part), and
  // everything after it fails with Errc::unavailable until crash().
  void cut_power_after(std::uint64_t operations) { power_left_ = operations; }
  bool powered() const { return powered_; }
  // The machine comes back: unsynced state is resolved as `how` says. Files open before are dead.
  void crash(Crash how);
  // The n-th sync from now (0 = the next) fails once, and what it covered is dropped, as kernels do.
  void fail_sync_after(std::uint64_t syncs) { sync_left_ = syncs; }
  // Lies: syncs succeed and do nothing.
  void ignore_syncs(bool on) { ignore_syncs_ = on; }
  // Reads of this path fail with Errc::unavailable.
  void fail_reads_of(const std::string& path) { unreadable_.insert(path); }
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  // Flips one bit of what is stored. False when the file is shorter.
  bool flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);
  // Forgets everything, as a wiped drive.
  void wipe();
  std::vector<std::string> files() const;  // paths of all files, sorted
  std::uint64_t file_size(const std::string& path) const;

 private:
  friend class SimFile;
  struct Change {  // an unsynced write of one sector, or a truncation
    std::uint64_t offset;
    std::string bytes;
    bool truncate = false;
  };
  struct Inode {
    std::string durable;
    std::string current;
    std::vector<Change> pending;
    std::uint64_t reserved = 0;
    std::uint64_t taken() const { return std::max<std::uint64_t>(current.size(), reserved); }
  };
  struct NameChange {
    enum class Kind { create, make_dir, rename, remove } kind;
    std::string path, to;
    std::shared_ptr<Inode> inode;
  };
  struct Tree {
    std::map<std::string, std::shared_ptr<Inode>> files;
    std::set<std::string> dirs;
    void apply(const NameChange& change);
  };

  Result<void> operate(const std::string& what);
  Result<void> write(Inode& inode, std::uint64_t offset, std::span<const ByteView> pieces);
  Result<void> sync(Inode& inode);
  void put(Inode& inode, std::uint64_t offset, ByteView bytes);
  std::uint64_t used() const;
  // Whether a file of this size has room.
  bool fits(const Inode& inode, std::uint64_t size) const;
  void change_name(NameChange change);
  static std::string parent(const std::string& path);
  static void apply(std::string& content, const Change& change);

  Rng& rng_;
  Tree current_;
  Tree durable_;
  std::vector<NameChange> pending_names_;
  std::uint64_t generation_ = 0;  // of open files; a crash makes older ones dead
  std::uint64_t operations_ = 0;
  std::optional<std::uint64_t> power_left_;
  std::optional<std::uint64_t> sync_left_;
  std::uint64_t capacity_ = 1ull << 40;
  bool powered_ = true;
  bool ignore_syncs_ = false;
  std::set<std::string> unreadable_;
};

}  // namespace gabion::sim
