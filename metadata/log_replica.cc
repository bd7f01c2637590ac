#include "metadata/log_replica.h"

#include <charconv>

#include "common/check.h"
#include "metadata/mutation.h"

namespace gabion::metadata {
namespace {

const std::string kDirectory = "metadata/log";
const std::string kMembers[] = {kDirectory + "/members", kDirectory + "/members.copy"};
const std::string kOthers = kDirectory + "/left-behind";
const std::string kSpare = kDirectory + "/spare";
constexpr std::string_view kSegmentSuffix = ".log";
constexpr std::size_t kNameDigits = 16;
constexpr std::size_t kMembersFileMax = 64 * KiB;
constexpr std::size_t kSegmentFileMax = 256 * MiB;

std::string segment_path(std::uint64_t first_index) {
  return fmt::format("{}/{:016x}{}", kDirectory, first_index, kSegmentSuffix);
}

std::optional<std::uint64_t> segment_index(std::string_view name) {
  if (name.size() != kNameDigits + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) return std::nullopt;
  std::uint64_t index = 0;
  const char* end = name.data() + kNameDigits;
  const auto parsed = std::from_chars(name.data(), end, index, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return index;
}

}  // namespace

Result<LogReplica::Inventory> LogReplica::inspect() {
  TRY_OK(disk_.make_dir("metadata"));
  TRY_OK(disk_.sync_dir(""));
  TRY_OK(disk_.make_dir(kDirectory));
  TRY_OK(disk_.sync_dir("metadata"));
  Inventory inventory;
  for (const std::string& path : kMembers) {
    auto content = read_file(disk_, path, kMembersFileMax);
    if (!content && content.error().code == Errc::not_found) continue;
    if (!content && content.error().code != Errc::too_large) return content.error();
    auto members = content ? decode_members(*content) : Result<Members>(content.error());
    if (!members && members.error().code == Errc::invalid) return members.error();
    if (!members) inventory.members_damaged = true;
    else if (!inventory.members || inventory.members->epoch < members->epoch ||
             (inventory.members->epoch == members->epoch && inventory.members->committed < members->committed)) {
      inventory.members = std::move(*members);
    }
  }
  if (inventory.members) inventory.members_damaged = false;
  auto others = read_file(disk_, kOthers, kMembersFileMax);
  if (!others && others.error().code != Errc::not_found) return others.error();
  if (others) {
    auto decoded = decode_members(*others);
    if (decoded) inventory.others = std::move(*decoded);
    else inventory.others_damaged = true;
  }
  TRY(const auto names, disk_.list(kDirectory));
  for (const std::string& name : names) {
    const auto index = segment_index(name);
    if (!index) continue;
    TRY(auto file, disk_.open(kDirectory + "/" + name, OpenMode::read));
    TRY(const std::uint64_t size, file->size());
    inventory.segments.emplace(*index, size);
  }
  return inventory;
}

Result<void> LogReplica::write_members(const Members& members) {
  const std::string content = encode_members(members);
  for (const std::string& path : kMembers) TRY_OK(replace(path, content));
  return {};
}

Result<void> LogReplica::leave_behind(const Members& others) {
  return replace(kOthers, encode_members(others));
}

Result<void> LogReplica::take_along() {
  if (auto removed = disk_.remove(kOthers); !removed && removed.error().code != Errc::not_found) return removed;
  return disk_.sync_dir(kDirectory);
}

Result<std::string> LogReplica::read_segment(std::uint64_t first_index) {
  return read_file(disk_, segment_path(first_index), kSegmentFileMax);
}

Result<void> LogReplica::replace_segment(std::uint64_t first_index, std::string_view content) {
  return replace(segment_path(first_index), content);
}

Result<void> LogReplica::replace(const std::string& path, std::string_view content) {
  auto replaced = replace_file(disk_, path, content);
  if (replaced || replaced.error().code != Errc::exhausted) return replaced;
  TRY_OK(drop_spare());
  return replace_file(disk_, path, content);
}

Result<void> LogReplica::hold_spare() {
  if (spare_ || segment_bytes_ == 0) return {};
  auto file = disk_.open(kSpare, OpenMode::update);
  if (!file && file.error().code == Errc::not_found) file = disk_.open(kSpare, OpenMode::create);
  if (!file) return file.error();
  if (auto reserved = (*file)->reserve(segment_bytes_); !reserved) {
    TRY_OK(drop_spare());  // a part of the space helps nobody
    return reserved;
  }
  spare_ = true;
  return {};
}

Result<void> LogReplica::drop_spare() {
  spare_ = false;
  auto removed = disk_.remove(kSpare);
  if (!removed && removed.error().code == Errc::not_found) return {};
  return removed;
}

Result<void> LogReplica::reserve_tail() {
  auto reserved = tail_->reserve(segment_bytes_);
  if (!reserved && reserved.error().code == Errc::exhausted) return {};  // appending finds out
  return reserved;
}

Result<void> LogReplica::remove_segment(std::uint64_t first_index) {
  auto removed = disk_.remove(segment_path(first_index));
  if (!removed && removed.error().code == Errc::not_found) return {};
  return removed;
}

Result<void> LogReplica::open_tail(std::uint64_t first_index) {
  TRY(auto opened, disk_.open(segment_path(first_index), OpenMode::update));
  tail_ = std::move(opened);
  TRY_OK(tail_->sync());
  TRY_OK(reserve_tail());
  return disk_.sync_dir(kDirectory);
}

Result<void> LogReplica::roll(std::uint64_t first_index, std::string_view content) {
  const std::string path = segment_path(first_index);
  const OpenMode mode = spare_ ? OpenMode::update : OpenMode::create;
  if (std::exchange(spare_, false)) TRY_OK(disk_.rename(kSpare, path));
  TRY(auto opened, disk_.open(path, mode));
  tail_ = std::move(opened);
  TRY_OK(reserve_tail());
  TRY_OK(tail_->write(0, as_bytes(content)));
  if (mutated(Mutation::skip_log_sync)) return {};
  TRY_OK(tail_->sync());
  return disk_.sync_dir(kDirectory);
}

Result<void> LogReplica::unroll(std::uint64_t first_index, std::uint64_t previous) {
  TRY_OK(remove_segment(first_index));
  TRY_OK(disk_.sync_dir(kDirectory));
  return open_tail(previous);
}

Result<void> LogReplica::append(std::uint64_t offset, std::string_view bytes) {
  GABION_CHECK(tail_ != nullptr, "a log without a tail is appended to");
  TRY_OK(tail_->write(offset, as_bytes(bytes)));
  if (mutated(Mutation::skip_log_sync)) return {};
  return tail_->sync();
}

Result<void> LogReplica::cut_tail(std::uint64_t size) {
  TRY_OK(tail_->truncate(size));
  TRY_OK(reserve_tail());
  return tail_->sync();
}

}  // namespace gabion::metadata
