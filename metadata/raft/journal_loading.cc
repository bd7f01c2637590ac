// What the journal makes of the records in the log, at opening and as they are written, and how entries are read back.
#include "common/check.h"
#include "common/log.h"
#include "metadata/raft/journal.h"

namespace gabion::metadata::raft {

class JournalReader final : public EntryReader {
 public:
  JournalReader(Journal& journal, GroupId group, std::uint64_t committed)
      : journal_(journal), group_(group), committed_(committed) {}

  std::uint64_t first() const override {
    const auto it = journal_.images_.find(group_);
    return it == journal_.images_.end() ? 1 : it->second.first;
  }
  std::uint64_t committed_at_open() const override { return committed_; }

  task<Result<std::vector<LoggedEntry>>> read(std::uint64_t from) override {
    co_await journal_.flush();
    const auto turn = co_await journal_.turn_.take();
    const Journal::Image& image = journal_.images_[group_];
    std::vector<LoggedEntry> entries;
    if (from < image.first || from > image.last()) {
      co_return Error(Errc::corrupt, fmt::format("entry {} is not in the metadata log", from));
    }
    CO_TRY(const auto records, co_await journal_.log_.read(image.positions[from - image.first]));
    for (const LogEntry& logged : records) {
      const std::uint64_t next = from + entries.size();
      if (next > image.last()) break;
      if (image.positions[next - image.first] != logged.index) continue;
      CO_TRY(const Record record, decode_record(logged.command));
      LoggedEntry& entry = entries.emplace_back();
      entry.index = next;
      if (record.entry.type != EntryType::command) continue;
      CO_TRY(entry.commands, decode_commands(record.entry.data));
    }
    co_return entries;
  }

 private:
  Journal& journal_;
  const GroupId group_;
  const std::uint64_t committed_;
};

task<Result<std::unique_ptr<Journal>>> Journal::open(MirroredLog& log, Executor executor, Clock& clock, Listener listener) {
  std::unique_ptr<Journal> journal(new Journal(log, std::move(executor), clock));
  journal->listener_ = std::move(listener);
  CO_CHECK(co_await journal->load());
  spawn(journal->executor_, journal->gate_, "metadata journal", journal->write_all());
  co_return journal;
}

// The log may begin anywhere, and have holes where it is damaged: what follows is whole again from the next base on, provided
// that all entries are there that were when it was written.
task<Result<void>> Journal::load() {
  bool whole = log_.first_index() == 1;
  std::uint64_t expected = log_.first_index();
  for (std::uint64_t next = expected; next <= log_.last_index();) {
    CO_TRY(const auto scanned, co_await log_.scan(next));
    for (const LogEntry& record : scanned.entries) {
      if (record.index != expected) {
        LOG(warn, "metadata", "entries of the metadata log are damaged on every drive", field("first", expected),
            field("last", record.index - 1));
        images_.clear();
        recovered_.clear();
        whole = false;
      }
      expected = record.index + 1;
      CO_CHECK(load_record(record, whole));
    }
    next = scanned.next;
  }
  if (!whole && log_.last_index() != 0) co_return Error(Errc::corrupt, "the metadata log does not tell where it begins");
  for (auto& [group, image] : images_) CO_CHECK(check(group, image));
  co_return Result<void>();
}

Result<void> Journal::load_record(const LogEntry& logged, bool& whole) {
  TRY(Record record, decode_record(logged.command));
  if (record.kind == Record::Kind::base) {
    whole = true;
    return load_base(record);
  }
  const auto [it, first_seen] = images_.try_emplace(record.group);
  Image& image = it->second;
  if (first_seen) image.whole = whole;
  const bool entry = record.kind == Record::Kind::entry;
  if (!image.whole && entry && record.index > image.last() + 1) {
    image.first = record.index;
    image.positions.clear();
  }
  TRY_OK(image.apply(record, logged.index));
  Recovered& recovered = recovered_[record.group];
  recovered.follow(image.first, image.positions.size() - (entry ? 1 : 0));
  if (entry) recovered.entries.push_back(std::move(record.entry));
  return {};
}

Result<void> Journal::load_base(const Record& record) {
  for (const GroupBase& base : record.bases) {
    Image& image = images_[base.group];
    image.whole = base.last < base.first || (image.first <= base.first && image.last() >= base.last);
    image.rebase(base);
    recovered_[base.group].follow(image.first, image.positions.size());
  }
  return {};
}

Result<void> Journal::check(GroupId group, Image& image) {
  const auto incomplete = [group](std::uint64_t index) {
    return Error(Errc::corrupt, fmt::format("the metadata log lacks what comes before entry {} of group {}", index, group));
  };
  Recovered& recovered = recovered_[group];
  if (!image.whole) return incomplete(image.last());
  if (image.snapshot) {
    if (image.first > image.snapshot->index + 1) return incomplete(image.first);
    if (image.last() < image.snapshot->index) {
      image.positions.clear();
      image.first = image.snapshot->index + 1;
    }
  } else if (!image.positions.empty()) {
    if (image.first != 1) return incomplete(image.first);
    if (recovered.entries.front().type != EntryType::members) return incomplete(1);
  }
  recovered.follow(image.first, image.positions.size());
  recovered.hard = image.hard;
  recovered.snapshot = image.snapshot;
  return {};
}

void Recovered::follow(std::uint64_t new_first, std::size_t size) {
  while (!entries.empty() && first < new_first) {
    entries.pop_front();
    ++first;
  }
  if (first > new_first) entries.clear();
  first = new_first;
  if (entries.size() > size) entries.resize(size);
}

Result<void> Journal::Image::apply(const Record& record, std::uint64_t position) {
  switch (record.kind) {
    case Record::Kind::entry:
      if (record.index < first || record.index > last() + 1) {
        return Error(Errc::corrupt, fmt::format("entry {} of the metadata log does not follow entry {}", record.index, last()));
      }
      positions.resize(record.index - first);
      positions.push_back(position);
      break;
    case Record::Kind::truncate:
      if (record.index < first) {
        first = record.index;
        positions.clear();
      } else if (record.index <= last()) {
        positions.resize(record.index - first);
      }
      break;
    case Record::Kind::hard_state: hard = record.hard; break;
    case Record::Kind::snapshot:
      snapshot = record.snapshot;
      first = record.snapshot.index + 1;
      positions.clear();
      break;
    case Record::Kind::base: break;
  }
  return {};
}

void Journal::Image::rebase(const GroupBase& base) {
  hard = base.hard;
  snapshot = base.snapshot;
  while (!positions.empty() && first < base.first) {
    positions.pop_front();
    ++first;
  }
  if (positions.empty()) first = base.first;
}

std::vector<GroupId> Journal::groups() const {
  std::vector<GroupId> known;
  for (const auto& [group, image] : images_) known.push_back(group);
  return known;
}

Recovered Journal::take(GroupId group) {
  const auto it = recovered_.find(group);
  if (it == recovered_.end()) return {};
  Recovered found = std::move(it->second);
  recovered_.erase(it);
  return found;
}

EntryReader& Journal::entries(GroupId group) {
  auto& reader = readers_[group];
  if (!reader) {
    const auto image = images_.find(group);
    const bool snapshot = image != images_.end() && image->second.snapshot;
    reader = std::make_unique<JournalReader>(*this, group, snapshot ? image->second.snapshot->index : 0);
  }
  return *reader;
}

}  // namespace gabion::metadata::raft
