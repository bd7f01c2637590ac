// One life of the metadata on simulated drives: random commands in sessions that end with a stop or a power cut at any
// operation, with drives that are missing, wiped, damaged or fail a sync. After each opening the state is compared with
// a model that applied the same commands. The same seed gives the same life.
#pragma once

#include <optional>
#include <string>

#include "metadata/local_metadata.h"
#include "metadata/memory_kv.h"
#include "metadata/mutation.h"
#include "tests/support/sim.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {

struct Faults {
  bool power_cuts = true;
  bool lost_drives = false;    // missing for a session, or wiped
  bool bit_flips = false;      // in the log of one drive
  bool failed_syncs = false;
  bool failed_states = false;  // the store cannot be read or written any more
  bool full_drives = false;
};

class Scenario {
 public:
  Scenario(std::uint64_t seed, Faults faults, std::size_t drives);
  // What went wrong, or nullopt.
  std::optional<std::string> run(int sessions);

 private:
  bool session();
  bool open();
  bool check_recovered();
  void traffic();
  void record(const std::vector<Command>& commands, const std::vector<std::string>& encoded,
              const std::vector<Result<CommandResult>>& results);
  bool end();
  bool fail(std::string what);
  std::size_t in_sync_after_losing(std::size_t drive) const;
  void lose_drives();
  void flip_bits();
  void note_in_sync();
  std::unique_ptr<MemoryKv> model(std::size_t commands) const;

  // Runs the task; when one disk loses power, all do.
  template <class T>
  T drive(task<T> work) {
    std::optional<T> result;
    asio::co_spawn(world_.executor(), std::move(work), [&](std::exception_ptr exception, T value) {
      if (exception) escaped_exception("scenario", exception);
      result.emplace(std::move(value));
    });
    while (!result) step();
    return std::move(*result);
  }
  void drive(task<void> work);
  void step();
  bool powered() const;

  const Faults faults_;
  sim::SimWorld world_;
  SeededRng choices_;
  SeededRng eager_flushes_;
  std::vector<std::unique_ptr<sim::SimDisk>> disks_;
  std::vector<std::shared_ptr<MemoryImage>> images_;
  std::vector<DriveId> ids_;
  std::vector<bool> missing_;
  std::vector<bool> in_sync_;  // holds everything that was acknowledged
  RandomCommands commands_;
  std::vector<std::string> history_;  // by index, from 1
  std::size_t acknowledged_ = 0;
  LocalMetadataMetrics metrics_;
  MemoryStates* storage_ = nullptr;
  std::unique_ptr<LocalMetadata> metadata_;
  std::string failure_;
  std::size_t flip_victim_ = 0;
};

}  // namespace gabion::metadata::test
