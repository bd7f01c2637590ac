#include "tests/sim/metadata/scenario.h"

#include <algorithm>

#include "metadata/log_replica.h"
#include "metadata/raft/record.h"
#include "metadata/state_machine.h"

namespace gabion::metadata::test {
namespace {

constexpr std::size_t kSegmentBytes = 4 * KiB;
constexpr std::uint64_t kCheckpointBytes = 12 * KiB;

task<std::vector<Result<CommandResult>>> commit_all(Metadata& metadata, std::vector<Command> commands) {
  std::vector<task<Result<CommandResult>>> running;
  for (Command& command : commands) running.push_back(metadata.commit(Context(), std::move(command)));
  auto results = co_await gather(std::move(running));
  co_return results;
}

// The first entry of the group that is left in the log, as its last base says.
std::uint64_t first_entry(LogReplica& replica, const LogReplica::Inventory& inventory) {
  std::uint64_t first = 1;
  for (const auto& [number, size] : inventory.segments) {
    const auto content = replica.read_segment(number);
    if (!content) continue;
    for (const ScannedRecord& found : scan_segment(*content, inventory.members->log, number)) {
      const std::string_view bytes = *content;
      const auto record = raft::decode_record(bytes.substr(found.offset + kRecordHeaderSize, found.payload_size));
      if (record && record->kind == raft::Record::Kind::base) first = record->bases.at(0).first;
    }
  }
  return first;
}

}  // namespace

Scenario::Scenario(std::uint64_t seed, Faults faults, std::size_t drives)
    : faults_(faults),
      world_(seed),
      choices_(seed * 31 + 7),
      eager_flushes_(seed),
      missing_(drives),
      in_sync_(drives, true),
      commands_(choices_) {
  for (std::size_t i = 0; i < drives; ++i) {
    disks_.push_back(std::make_unique<sim::SimDisk>(world_.rng()));
    images_.push_back(std::make_shared<MemoryImage>());
    ids_.push_back(DriveId::random(world_.rng()));
  }
  flip_victim_ = choices_.below(drives);
}

bool Scenario::fail(std::string what) {
  failure_ = std::move(what);
  return false;
}

bool Scenario::powered() const {
  return std::all_of(disks_.begin(), disks_.end(), [](const auto& disk) { return disk->powered(); });
}

void Scenario::step() {
  const bool before = powered();
  GABION_CHECK(world_.step(), "the simulated task can never finish: nothing is left to happen");
  if (!before || powered()) return;
  for (auto& disk : disks_) disk->cut_power_after(0);
  for (auto& image : images_) image->failed = true;
}

void Scenario::drive(task<void> work) {
  bool done = false;
  asio::co_spawn(world_.executor(), std::move(work), [&](std::exception_ptr exception) {
    if (exception) escaped_exception("scenario", exception);
    done = true;
  });
  while (!done) step();
}

std::unique_ptr<MemoryKv> Scenario::model(std::size_t commands) const {
  auto store = std::make_unique<MemoryKv>(std::make_shared<MemoryImage>());
  const auto machine = StateMachine::load(*store).value();
  for (std::size_t i = 0; i < commands; ++i)
    GABION_CHECK(machine->apply(i + 1, history_[i]).has_value(), "the model applies everything");
  GABION_CHECK(machine->commit().has_value(), "the model commits");
  return store;
}

bool Scenario::open() {
  LocalMetadataOptions options;
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    options.drives.emplace_back(ids_[i], missing_[i] ? nullptr : disks_[i].get(), "", world_.executor());
    images_[i]->failed = missing_[i];
  }
  options.commit = options.readers = options.background = world_.executor();
  options.clock = &world_.clock();
  options.rng = &world_.rng();
  options.metrics = &metrics_;
  options.allow_new = acknowledged_ == 0;
  options.checkpoint_log_bytes = kCheckpointBytes;
  options.log_segment_bytes = kSegmentBytes;
  auto storage = std::make_unique<MemoryStates>(images_);
  storage_ = storage.get();
  options.states = std::move(storage);
  auto opened = drive(LocalMetadata::open(std::move(options)));
  if (!opened) {
    if (powered()) return fail("it does not open: " + opened.error().message);
    return false;
  }
  metadata_ = *std::move(opened);
  return true;
}

bool Scenario::check_recovered() {
  if (!powered()) return true;  // lost again just after opening
  const std::uint64_t applied = metadata_->status().commands;
  if (applied < acknowledged_) return fail(fmt::format("acknowledged {}, recovered {}", acknowledged_, applied));
  if (applied > history_.size()) return fail(fmt::format("proposed {}, recovered {}", history_.size(), applied));
  history_.resize(applied);
  acknowledged_ = applied;
  const auto store = storage_->of(kRootGroup).opened();
  if (!store) return fail("no state is open");
  // The model does not know the entries of the log.
  const auto without_totals = [](const MemoryKv& kv) {
    std::string dump = kv.dump();
    std::string row;
    if (kv.get(Table::other, keys::totals(), row, ReadMode::wait).value()) {
      Totals totals = decode_totals(row).value();
      totals.entry = totals.entry_end = 0;
      dump.replace(dump.find(row), row.size(), encode_totals(totals));
    }
    return dump;
  };
  if (applied != 0 && without_totals(*store) != without_totals(*model(applied))) return fail("the state differs from the model");
  return true;
}

void Scenario::record(const std::vector<Command>& commands, const std::vector<std::string>& encoded,
                      const std::vector<Result<CommandResult>>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i] && results[i].error().code == Errc::exhausted) continue;  // certainly not done
    history_.push_back(encoded[i]);
    if (!results[i]) continue;
    acknowledged_ = history_.size();
    commands_.note(commands[i], *results[i]);
  }
}

// Who holds everything that was acknowledged: the members of the newest epoch, once they have a state to which the log
// can be applied.
void Scenario::note_in_sync() {
  std::vector<std::uint64_t> epochs(disks_.size());
  std::vector<bool> whole(disks_.size());
  std::uint64_t newest = 0;
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    LogReplica replica(*disks_[i]);
    const auto inventory = replica.inspect();
    if (!inventory || !inventory->members) continue;
    epochs[i] = inventory->members->epoch;
    newest = std::max(newest, epochs[i]);
    const std::uint64_t first = first_entry(replica, *inventory);
    whole[i] = first == 1 || (images_[i]->mark && images_[i]->mark->index + 1 >= first);
  }
  for (std::size_t i = 0; i < disks_.size(); ++i) in_sync_[i] = newest != 0 && epochs[i] == newest && whole[i];
}

std::size_t Scenario::in_sync_after_losing(std::size_t drive) const {
  std::size_t n = 0;
  for (std::size_t i = 0; i < disks_.size(); ++i) n += i != drive && in_sync_[i] && !missing_[i] ? 1 : 0;
  return n;
}

void Scenario::traffic() {
  for (std::size_t round = choices_.below(12) + 1; round > 0 && powered(); --round) {
    if (faults_.failed_syncs && choices_.below(8) == 0) disks_[choices_.below(disks_.size())]->fail_sync_after(choices_.below(4));
    if (faults_.failed_states && choices_.below(10) == 0) {
      std::size_t working = 0;
      for (const auto& image : images_) working += image->failed ? 0 : 1;
      const std::size_t victim = choices_.below(images_.size());
      if (working > 1 && !images_[victim]->failed) images_[victim]->failed = true;
    }
    if (faults_.full_drives) {
      for (auto& disk : disks_) disk->set_capacity(choices_.below(6) == 0 ? 1000 + choices_.below(20'000) : 1ull << 40);
    }
    std::vector<Command> commands;
    std::vector<std::string> encoded;
    for (std::size_t n = choices_.below(10) + 1; n > 0; --n) {
      commands.push_back(commands_.next());
      encoded.push_back(commands.back().SerializeAsString());
    }
    const auto results = drive(commit_all(metadata_->root(), commands));
    record(commands, encoded, results);
    if (choices_.below(10) == 0) drive(metadata_->checkpoint());
    for (auto& image : images_) image->eager = eager_flushes_.below(4) == 0;
  }
}

// The session is over: by a clean stop, or by a power cut that may have happened already.
bool Scenario::end() {
  const bool cut = !powered() || (faults_.power_cuts && choices_.below(3) != 0);
  if (cut && powered()) {
    for (auto& disk : disks_) disk->cut_power_after(0);
    for (auto& image : images_) image->failed = true;
  }
  if (metadata_) {
    drive(metadata_->stop());
    metadata_.reset();
  }
  if (!cut && powered()) {
    for (auto& image : images_) image->failed = false;
    for (auto& disk : disks_) disk->set_capacity(1ull << 40);
    return true;
  }
  const sim::Crash how = sim::kCrashes[choices_.below(std::size(sim::kCrashes))];
  for (auto& disk : disks_) {
    disk->set_capacity(1ull << 40);
    disk->crash(how);
  }
  for (auto& image : images_) image->crash();
  return true;
}

void Scenario::lose_drives() {
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    missing_[i] = false;
    if (acknowledged_ == 0) continue;
    const std::uint64_t fate = choices_.below(8);
    if (fate > 1 || in_sync_after_losing(i) == 0) continue;
    if (fate == 0) {
      missing_[i] = true;
      continue;
    }
    disks_[i]->wipe();
    images_[i]->wipe();
    in_sync_[i] = false;
  }
}

void Scenario::flip_bits() {
  if (in_sync_after_losing(flip_victim_) == 0) return;
  sim::SimDisk& disk = *disks_[flip_victim_];
  const auto files = disk.files();
  for (std::size_t n = choices_.below(4); n > 0 && !files.empty(); --n) {
    const std::string& path = files[choices_.below(files.size())];
    const std::uint64_t size = disk.file_size(path);
    if (size != 0) disk.flip_bit(path, choices_.below(size), static_cast<unsigned>(choices_.below(8)));
  }
  in_sync_[flip_victim_] = false;
}

bool Scenario::session() {
  for (auto& disk : disks_) disk->fail_sync_after(UINT64_MAX);
  note_in_sync();
  if (faults_.lost_drives) lose_drives();
  if (faults_.bit_flips) flip_bits();
  if (faults_.power_cuts && choices_.below(4) != 0) {
    // Far enough to fall into traffic as often as into the opening.
    disks_[choices_.below(disks_.size())]->cut_power_after(choices_.below(choices_.below(2) == 0 ? 30 : 300));
  }
  if (open()) {
    if (!check_recovered()) return false;
    traffic();
  }
  if (!failure_.empty()) return false;
  return end();
}

std::optional<std::string> Scenario::run(int sessions) {
  for (int i = 0; i < sessions && failure_.empty(); ++i) session();
  if (failure_.empty()) {
    // A quiet last opening: everything acknowledged must be there.
    for (auto& disk : disks_) disk->crash(sim::Crash::drop_all);
    for (auto& image : images_) image->crash();
    std::fill(missing_.begin(), missing_.end(), false);
    if (open()) check_recovered();
  }
  if (metadata_) {
    drive(metadata_->stop());
    metadata_.reset();
  }
  if (failure_.empty()) return std::nullopt;
  return failure_;
}

}  // namespace gabion::metadata::test
