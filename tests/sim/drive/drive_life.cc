#include "tests/sim/drive/drive_life.h"

#include <algorithm>

namespace gabion::sim {
namespace {

using chunkserver::DriveHealth;
using chunkserver::DriveOptions;
using chunkserver::kCellBytes;
using chunkserver::Mutation;
using chunkserver::ShardKey;

constexpr std::uint64_t kKeys = 10;
constexpr std::uint64_t kOperationsPerPower = 60;
constexpr int kOperationsMax = 200;

DriveOptions random_options(SeededRng& rng, Mutation mutation) {
  DriveOptions options;
  options.segment_bytes = 2 * KiB << rng.below(4);
  options.batch_bytes = 1 * KiB << rng.below(4);
  options.direct_bytes = rng.below(2) == 0 ? 1 * MiB : 512 << rng.below(4);
  options.batch_operations = 1 + rng.below(6);
  options.index_flush_bytes = 1 * KiB << rng.below(8);
  options.compact_garbage = 0.1 + 0.1 * static_cast<double>(rng.below(6));
  options.open_segments = 1 + rng.below(4);
  options.reserve_share = 0;
  options.reserve_segments = rng.below(3);
  options.mutation = mutation;
  return options;
}

std::string describe(const std::shared_ptr<const std::string>& value) {
  return value ? fmt::format("{} bytes, version {}", value->size(), value->substr(0, 8)) : std::string("nothing");
}

}  // namespace

DriveLife::DriveLife(std::uint64_t seed, Mutation mutation)
    : seed_(seed), world_(seed), rng_(seed * 2 + 1), drive_(world_, random_options(rng_, mutation)) {
  if (rng_.below(4) == 0) {
    const std::uint64_t segments = drive_.options.reserve_segments + 3 + rng_.below(6);
    drive_.disk.set_capacity(segments * drive_.options.segment_bytes);
  }
  recover();
}

void DriveLife::fail(const std::string& what) {
  if (!failure_) failure_ = fmt::format("seed {}, state {}: {}", seed_, states_, what);
}

// --- Operations ---

ShardKey DriveLife::random_key() {
  ShardKey key;
  const std::uint64_t number = rng_.below(kKeys);
  key.block.bytes[0] = static_cast<std::uint8_t>(number / 2 * 40);
  key.index = static_cast<std::uint8_t>(number % 2);
  return key;
}

// Never the same twice, so that every byte read tells which put it came from.
DriveLife::Value DriveLife::random_value() {
  std::size_t size = rng_.below(1200);
  if (rng_.below(8) == 0) size = rng_.below(8);
  if (rng_.below(100) == 0) size = kCellBytes - 2 + rng_.below(2000);
  std::string text(size, '\0');
  std::uint64_t state = ++values_made_ * 0x9e3779b97f4a7c15u + seed_;
  for (char& c : text) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  const std::string version = fmt::format("{:08}", values_made_);
  std::copy_n(version.begin(), std::min(version.size(), size), text.begin());
  return std::make_shared<const std::string>(std::move(text));
}

DriveLife::Change DriveLife::random_change() {
  return {random_key(), rng_.below(3) == 0 ? nullptr : random_value()};
}

task<Result<void>> DriveLife::change(Change change) {
  if (!change.value) {
    std::vector<ShardKey> keys = {change.key};
    return drive_.engine->remove({}, std::move(keys));
  }
  // In two pieces, as gathered writes come.
  const Bytes all = Bytes::copy_of(*change.value);
  const std::size_t cut = all.size() / 3;
  std::vector<Bytes> pieces = {all.slice(0, cut), all.slice(cut, all.size() - cut)};
  return drive_.engine->put({}, change.key, std::move(pieces));
}

// Some changes at once, so that they share a group commit. Those of one key may take effect in any order.
void DriveLife::change_group() {
  std::vector<Change> changes;
  std::vector<task<Result<void>>> tasks;
  for (std::uint64_t i = 1 + rng_.below(5); i > 0; --i) {
    changes.push_back(random_change());
    tasks.push_back(change(changes.back()));
  }
  const auto results = world_.run(gather(std::move(tasks)));
  std::map<ShardKey, std::vector<Value>> possible;
  std::map<ShardKey, bool> acknowledged;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    possible[changes[i].key].push_back(changes[i].value);
    acknowledged[changes[i].key] |= results[i].has_value();
    if (!results[i] && results[i].error().code != Errc::exhausted && results[i].error().code != Errc::unavailable) {
      fail("a change was answered with " + results[i].error().message);
    }
  }
  for (auto& [key, values] : possible) {
    auto& known = model_.try_emplace(key, 1, nullptr).first->second;
    if (acknowledged[key]) known.clear();
    known.insert(known.end(), values.begin(), values.end());
  }
}

std::optional<DriveLife::Value> DriveLife::read(const ShardKey& key) {
  const auto bytes = world_.run(drive_.engine->read({}, key, 0, 0));
  if (bytes) return std::make_shared<const std::string>(bytes->text());
  if (bytes.error().code == Errc::not_found) return Value();
  const auto status = world_.run(drive_.engine->status({}));
  const bool failed = status && status->health == DriveHealth::failed;
  if (!failed && up()) fail(fmt::format("a read was answered with {}", bytes.error().message));
  return std::nullopt;
}

void DriveLife::read_one() {
  const ShardKey key = random_key();
  const auto seen = read(key);
  if (!seen || !*seen || (*seen)->empty()) return;
  const auto offset = static_cast<std::uint32_t>(rng_.below((*seen)->size()));
  const auto length = static_cast<std::uint32_t>(1 + rng_.below((*seen)->size() - offset));
  const auto range = world_.run(drive_.engine->read({}, key, offset, length));
  if (!range || range->text() != std::string_view(**seen).substr(offset, length)) fail("a range differs from the whole");
}

void DriveLife::compact() {
  const auto compacted = world_.run(drive_.engine->compact_once());
  if (!compacted && compacted.error().code != Errc::unavailable && compacted.error().code != Errc::exhausted) {
    fail("compaction was answered with " + compacted.error().message);
  }
}

// The process ends, cleanly or not, and starts again; the machine keeps running.
void DriveLife::restart() {
  if (rng_.below(2) == 0) drive_.close();
  drive_.engine.reset();
  drive_.index.crash(world_.rng());
  if (rng_.below(3) == 0) drive_.index.damage();
  recover();
}

void DriveLife::operate() {
  const std::uint64_t dice = rng_.below(20);
  if (dice < 12) return change_group();
  if (dice < 14) return read_one();
  if (dice < 18) return compact();
  if (dice < 19) return restart();
  if (rng_.below(4) == 0) drive_.index.damage();  // while in use
  return check_all();
}

// --- Crashes ---

void DriveLife::crash(Crash how) {
  drive_.crash(how);
  ++states_;
}

// Opens the drive, which fails only for want of power or because of a sync that was made to fail.
void DriveLife::recover() {
  const auto opened = drive_.open();
  const bool injected = !opened && opened.error().message.find("injected") != std::string::npos;
  if (opened && drive_.engine->recovered().rebuilt) ++rebuilt_;
  if (opened && drive_.engine->recovered().damaged_bytes != 0) ++torn_;
  if (!opened && !injected && drive_.disk.powered()) fail("the drive does not open: " + opened.error().message);
}

void DriveLife::live_until_crash() {
  if (rng_.below(8) == 0) drive_.disk.fail_sync_after(rng_.below(20));
  drive_.disk.cut_power_after(rng_.below(kOperationsPerPower));
  for (int i = 0; i < kOperationsMax && up() && drive_.engine; ++i) {
    operate();
    if (drive_.engine && world_.run(drive_.engine->status({}))->health == DriveHealth::failed) {
      if (up() && rng_.below(2) == 0) restart();  // the process is restarted on a drive whose sync failed
      else break;
    }
  }
  if (failure_) return;
  crash(kCrashes[rng_.below(4)]);
  if (rng_.below(4) == 0) drive_.index.damage();
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (attempt < 4 && rng_.below(2) == 0) drive_.disk.cut_power_after(rng_.below(6));
    recover();
    if (failure_) return;
    if (drive_.engine) check_all();
    if (drive_.disk.powered()) break;
    crash(kCrashes[rng_.below(4)]);
  }
  drive_.disk.cut_power_after(UINT64_MAX);
}

bool DriveLife::run_script(int steps, std::uint64_t cut, Crash how, std::optional<std::uint64_t> recovery_cut) {
  drive_.disk.cut_power_after(cut);
  for (int i = 0; i < steps && up() && drive_.engine; ++i) operate();
  const bool reached = !drive_.disk.powered();
  if (failure_) return reached;
  crash(how);
  if (recovery_cut) {
    drive_.disk.cut_power_after(*recovery_cut);
    recover();
    if (!drive_.disk.powered()) crash(how);
    else drive_.disk.cut_power_after(UINT64_MAX);
  }
  if (!drive_.engine) recover();
  if (!failure_) check_all();
  if (failure_) return reached;
  // Everything must also follow from the segments alone.
  drive_.engine.reset();
  drive_.index.damage();
  recover();
  if (!failure_) check_all();
  return reached;
}

// --- Checks ---

void DriveLife::add_to(Coverage& coverage) const {
  const chunkserver::DriveMetrics& metrics = drive_.metrics;
  coverage["batches"] += metrics.batches.value();
  coverage["segments compacted"] += metrics.compacted_segments.value();
  coverage["bytes moved by compaction"] += metrics.compacted_bytes.value();
  coverage["puts refused by a full drive"] += metrics.refused_full.value();
  coverage["drives failed"] += static_cast<std::uint64_t>(metrics.failed.value());
  coverage["indexes made anew at open"] += rebuilt_;
  coverage["indexes made anew in use"] += metrics.index_rebuilds.value();
  coverage["recoveries from torn writes"] += torn_;
}

// What is read is one of what may be. After a recovery it is settled by that: it must not change again.
void DriveLife::check_all() {
  std::map<ShardKey, Value> seen;
  for (auto& [key, possible] : model_) {
    const auto value = read(key);
    if (!value) return;  // the power went, or the drive failed
    const auto same = [&](const Value& may) { return !may == !*value && (!may || *may == **value); };
    if (std::none_of(possible.begin(), possible.end(), same)) {
      std::string expected;
      for (const Value& may : possible) expected += " [" + describe(may) + "]";
      return fail(fmt::format("shard {:02x}/{} reads as {}, expected one of{}", key.block.bytes[0], key.index,
                              describe(*value), expected));
    }
    possible = {*value};
    if (*value) seen[key] = *value;
    trace_ = trace_ * 31 + (*value ? (*value)->size() + 1 : 0);
  }
  check_list(seen);
  check_status(seen);
}

void DriveLife::check_list(const std::map<ShardKey, Value>& seen) {
  std::map<ShardKey, std::uint32_t> listed;
  ShardKey from;
  while (true) {
    const auto page = world_.run(drive_.engine->list({}, from, 3));
    if (!page) return up() ? fail("list was answered with " + page.error().message) : void();
    for (const auto& shard : page->shards) listed[shard.key] = shard.length;
    if (!page->more) break;
    from = page->shards.back().key;
    ++from.index;
  }
  if (listed.size() != seen.size()) return fail(fmt::format("list has {} shards, {} can be read", listed.size(), seen.size()));
  for (const auto& [key, value] : seen) {
    const auto it = listed.find(key);
    if (it == listed.end() || it->second != value->size()) return fail("list and read disagree");
  }
}

void DriveLife::check_status(const std::map<ShardKey, Value>& seen) {
  const auto status = world_.run(drive_.engine->status({}));
  std::uint64_t bytes = 0;
  for (const auto& [key, value] : seen) bytes += value->size();
  if (!status || status->shards != seen.size() || status->shard_bytes != bytes) fail("status counts wrongly");
}

}  // namespace gabion::sim
