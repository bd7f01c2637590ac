// A ShardStore in memory with faults to order: a drive that is down, full, slow, hangs, loses or corrupts shards, or tells
// wrong bytes with good checksums. One thread (the simulated world's, or one io_context).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "chunkserver/shard_store.h"
#include "common/async.h"
#include "common/rng.h"

namespace gabion::test {

class FakeShardStore final : public chunkserver::ShardStore {
 public:
  using ShardKey = chunkserver::ShardKey;

  // `clock` and `rng` are needed for delays and chances only.
  explicit FakeShardStore(Clock* clock = nullptr, Rng* rng = nullptr) : clock_(clock), rng_(rng) {}
  ~FakeShardStore() override { GABION_CHECK(hanging_.empty(), "a hanging call outlives its fake drive"); }

  // --- Faults ---
  struct Faults {
    bool down = false;                    // every call is unavailable
    bool full = false;                    // put is exhausted
    bool hang = false;                    // calls wait until release()
    Duration delay_min{0}, delay_max{0};  // of every call
    unsigned put_failure_percent = 0;     // put is unavailable; it may have happened
    unsigned read_failure_percent = 0;    // read is unavailable
    bool alias = false;                   // keep the caller's memory instead of a copy (benchmarks)
    bool discard = false;                 // put stores nothing (benchmarks)
  };
  Faults faults;

  void release() {
    faults.hang = false;
    for (auto& event : std::exchange(hanging_, {})) event->set();
  }
  // The drive stops in the middle of what it does: calls under way become unavailable, and may have happened.
  void crash() { ++generation_; }
  void wipe() {
    shards_.clear();
    corrupt_.clear();
  }
  bool lose(const ShardKey& key) { return shards_.erase(key) != 0; }
  // Every read that touches the cell says corrupt. nullopt: every cell.
  void corrupt(const ShardKey& key, std::optional<std::size_t> cell = std::nullopt) { corrupt_[key].insert(cell ? *cell : kAll); }
  void corrupt_everything() {
    for (const auto& [key, bytes] : shards_) corrupt(key);
  }
  // Flips a bit of what is stored; its checksum fits again.
  void tamper(const ShardKey& key, std::size_t offset) {
    Bytes& bytes = shards_.at(key);
    std::string text(bytes.text());
    text.at(offset) = static_cast<char>(text.at(offset) ^ 1);
    bytes = Bytes::copy_of(text);
  }
  void set(const ShardKey& key, Bytes bytes) { shards_[key] = std::move(bytes); }

  // --- What is stored and what was asked ---
  const std::map<ShardKey, Bytes>& shards() const { return shards_; }
  bool has(const ShardKey& key) const { return shards_.contains(key); }
  struct Calls {
    std::uint64_t puts = 0, reads = 0, stats = 0, removes = 0, lists = 0, bytes_read = 0;
  };
  Calls calls;

  // --- ShardStore ---
  task<Result<void>> put(Context, ShardKey key, std::vector<Bytes> pieces) override {
    ++calls.puts;
    const std::uint64_t generation = generation_;
    const bool lucky = !chance(faults.put_failure_percent);
    co_await pass_time();
    const bool alive = lucky && !faults.down && generation == generation_;
    if (!alive && (faults.down || rng_ == nullptr || rng_->below(2) == 0)) co_return down();
    if (faults.full) co_return Error(Errc::exhausted, "the fake drive is full");
    if (faults.discard) co_return Result<void>();
    corrupt_.erase(key);
    if (faults.alias && pieces.size() == 1) shards_[key] = std::move(pieces[0]);
    else shards_[key] = joined(pieces);
    if (!alive) co_return down();  // it happened, and the answer was lost
    co_return Result<void>();
  }

  task<Result<Bytes>> read(Context, ShardKey key, std::uint32_t offset, std::uint32_t length) override {
    ++calls.reads;
    const std::uint64_t generation = generation_;
    const bool lucky = !chance(faults.read_failure_percent);
    co_await pass_time();
    if (!lucky || faults.down || generation != generation_) co_return down();
    const auto it = shards_.find(key);
    if (it == shards_.end()) co_return Error(Errc::not_found, "no such shard");
    if (offset > it->second.size() || length > it->second.size() - offset) co_return Error(Errc::invalid, "outside the shard");
    const std::size_t count = length == 0 ? it->second.size() - offset : length;
    if (is_corrupt(key, offset, count)) co_return Error(Errc::corrupt, "a cell's checksum does not match");
    calls.bytes_read += count;
    co_return it->second.slice(offset, count);
  }

  task<Result<chunkserver::ShardInfo>> stat(Context, ShardKey key) override {
    ++calls.stats;
    co_await pass_time();
    if (faults.down) co_return down();
    const auto it = shards_.find(key);
    if (it == shards_.end()) co_return Error(Errc::not_found, "no such shard");
    co_return chunkserver::ShardInfo{key, static_cast<std::uint32_t>(it->second.size())};
  }

  task<Result<void>> remove(Context, std::vector<ShardKey> keys) override {
    ++calls.removes;
    co_await pass_time();
    if (faults.down) co_return down();
    for (const ShardKey& key : keys) {
      shards_.erase(key);
      corrupt_.erase(key);
    }
    co_return Result<void>();
  }

  task<Result<chunkserver::ShardPage>> list(Context, ShardKey from, std::size_t limit) override {
    ++calls.lists;
    co_await pass_time();
    if (faults.down) co_return down();
    chunkserver::ShardPage page;
    for (auto it = shards_.lower_bound(from); it != shards_.end(); ++it) {
      page.more = page.shards.size() == limit;
      if (page.more) break;
      page.shards.push_back({it->first, static_cast<std::uint32_t>(it->second.size())});
    }
    co_return page;
  }

  task<Result<chunkserver::DriveStatus>> status(Context) override {
    chunkserver::DriveStatus status;
    if (faults.down) {
      status.health = chunkserver::DriveHealth::failed;
      status.reason = "the fake drive is down";
    }
    status.shards = shards_.size();
    co_return status;
  }

 private:
  static constexpr std::size_t kAll = ~std::size_t{0};

  static Error down() { return {Errc::unavailable, "the fake drive is down"}; }
  bool chance(unsigned percent) { return percent != 0 && rng_->below(100) < percent; }
  static Bytes joined(const std::vector<Bytes>& pieces) {
    std::size_t size = 0;
    for (const Bytes& piece : pieces) size += piece.size();
    Buffer buffer(size);
    std::byte* to = buffer.data();
    for (const Bytes& piece : pieces) {
      if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
    }
    return Bytes(buffer);
  }
  bool is_corrupt(const ShardKey& key, std::size_t offset, std::size_t length) const {
    const auto it = corrupt_.find(key);
    if (it == corrupt_.end()) return false;
    if (it->second.contains(kAll)) return true;
    for (const std::size_t cell : it->second) {
      const std::size_t begin = cell * chunkserver::kCellBytes;
      if (begin < offset + length && offset < begin + chunkserver::kCellBytes) return true;
    }
    return false;
  }
  task<void> pass_time() {
    if (faults.delay_max.count() > 0) {
      const auto spread = static_cast<std::uint64_t>((faults.delay_max - faults.delay_min).count()) + 1;
      co_await clock_->sleep(faults.delay_min + Duration(rng_->below(spread)));
    }
    if (!faults.hang) co_return;
    auto event = std::make_shared<Event>();
    hanging_.push_back(event);
    co_await event->wait();
  }

  Clock* const clock_;
  Rng* const rng_;
  std::map<ShardKey, Bytes> shards_;
  std::map<ShardKey, std::set<std::size_t>> corrupt_;
  std::vector<std::shared_ptr<Event>> hanging_;
  std::uint64_t generation_ = 0;
};

}  // namespace gabion::test
