// Transaction is what commands are applied in: it reads through its own changes to the store, and writes the changes of many
// commands as one batch together with the totals, of which the applied index is one. Used by one thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "common/check.h"
#include "common/ids.h"
#include "metadata/group_range.h"
#include "metadata/keys.h"
#include "metadata/kv_store.h"

namespace gabion::metadata {

// One row, written with every batch.
struct Totals {
  ClusterId cluster;           // whose commands these are
  std::uint64_t index = 0;     // of the last command applied: how many there were
  std::uint64_t sequence = 0;  // of the last journal entry
  std::uint64_t buckets = 0;
  std::uint64_t objects = 0;
  std::uint64_t repairs = 0;
  std::uint64_t doomed = 0;
  std::uint64_t uploads = 0;
  std::uint64_t completed = 0;  // uploads that are remembered
  std::uint64_t remembered = 0;  // commands with an id, ever
  std::uint64_t ring_epoch = 0;  // of the cluster state
  std::uint64_t entry = 0;       // of the group's log: everything up to it is applied
  std::uint64_t entry_end = 0;   // `index` behind that entry: what is beyond it belongs to the next one
  std::uint64_t oldest_ring = 0;  // blocks placed by earlier ones are not taken any more; 0: none has been dropped
};
std::string encode_totals(const Totals& totals);
Result<Totals> decode_totals(std::string_view row);

class Transaction {
 public:
  explicit Transaction(KvStore& store) : store_(store) {}
  Result<void> load();
  // The next command starts: scans are allowed until it changes something.
  void begin() { changed_ = false; }
  // Everything is in the store. After an error the transaction is of no use any more.
  Result<void> finish();

  Result<bool> get(Table table, std::string_view key, std::string& value);
  template <class Message>
  Result<bool> read(Table table, std::string_view key, Message& message) {
    TRY(const bool found, get(table, key, scratch_));
    if (found && !message.ParseFromString(scratch_)) return Error(Errc::corrupt, "a record of the metadata state is damaged");
    return found;
  }
  Result<bool> exists(Table table, std::string_view key) { return get(table, key, scratch_); }
  void put(Table table, std::string key, std::string value);
  template <class Message>
  void write(Table table, std::string key, const Message& message) {
    put(table, std::move(key), message.SerializeAsString());
  }
  void erase(Table table, std::string key);
  // All rows whose keys begin with `prefix`. Only before the command has changed anything: what earlier commands changed is
  // written first, so that the store alone has it all.
  Result<std::unique_ptr<KvIterator>> scan(Table table, std::string_view prefix);
  Result<std::unique_ptr<KvIterator>> scan(Table table, std::string_view from, std::string upper_bound);

  Totals& totals() { return totals_; }
  const Totals& totals() const { return totals_; }
  // What the group owns: another object after each change.
  const std::shared_ptr<const GroupRange>& range() const { return range_; }
  void set_range(const OwnRange& range);
  // Buckets that were found to be taken: saves a lookup for each command.
  std::unordered_set<std::uint64_t>& known_buckets() { return known_buckets_; }

 private:
  Result<void> write_pending();

  KvStore& store_;
  Changes changes_;
  Totals totals_;
  std::shared_ptr<const GroupRange> range_ = std::make_shared<GroupRange>();
  bool pending_ = false;
  bool changed_ = false;
  std::string scratch_;
  std::unordered_set<std::uint64_t> known_buckets_;
};

}  // namespace gabion::metadata
