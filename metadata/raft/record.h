// The records of the journal: what the groups of this node must not forget, each under the number of its group. Pure.
//
//   entry       (index, term, type, data)  follows the entry before it
//   truncate    (from)                      entries from there on are gone
//   hard_state  (term, vote)
//   snapshot    (index, term, members)      the state was replaced by one with all up to index; the log begins anew behind it
//   base        for each group its hard state, its snapshot and its entries' first and last: what is before the oldest of them
//               is not needed any more
#pragma once

#include <optional>
#include <vector>

#include "common/result.h"
#include "metadata/raft/raft.h"

namespace gabion::metadata::raft {

struct HardState {
  std::uint64_t term = 0;
  NodeId vote{};
  friend bool operator==(const HardState&, const HardState&) = default;
};

// Everything up to `index` is in the state; these were the members then.
struct Snapshot {
  Snapshot() = default;
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::uint64_t members_index = 0;  // of the entry that made them members
  std::vector<Member> members;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// The numbers are those of the library as well as of the journal and the wire.
enum class EntryType : std::uint8_t { command = 1, barrier = 2, members = 3 };

struct Entry {
  Entry() = default;
  Entry(std::uint64_t of_term, EntryType what, std::string bytes) : term(of_term), type(what), data(std::move(bytes)) {}
  std::uint64_t term = 0;
  EntryType type = EntryType::command;
  std::string data;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// Of one group.
struct GroupBase {
  GroupBase() = default;
  GroupId group = 0;
  HardState hard;
  std::optional<Snapshot> snapshot;
  std::uint64_t first = 1;
  std::uint64_t last = 0;  // of the entries that were there then; first - 1: none
  friend bool operator==(const GroupBase&, const GroupBase&) = default;
};

struct Record {
  enum class Kind : std::uint8_t { entry = 1, truncate = 2, hard_state = 3, snapshot = 4, base = 5 };
  Record() = default;
  Kind kind = Kind::entry;
  GroupId group = 0;
  std::uint64_t index = 0;  // of an entry; of a truncation, where it begins
  Entry entry;
  HardState hard;
  Snapshot snapshot;
  std::vector<GroupBase> bases;
  friend bool operator==(const Record&, const Record&) = default;
};

std::string encode_entry(GroupId group, std::uint64_t index, std::uint64_t term, EntryType type, std::string_view data);
std::string encode_truncate(GroupId group, std::uint64_t from);
std::string encode_hard_state(GroupId group, const HardState& hard);
std::string encode_snapshot(GroupId group, const Snapshot& snapshot);
std::string encode_base(const std::vector<GroupBase>& bases);
Result<Record> decode_record(std::string_view bytes);

// The commands that one entry holds.
std::string encode_commands(const std::vector<std::string>& commands);
Result<std::vector<std::string>> decode_commands(std::string_view bytes);

// A role as the library numbers it.
constexpr int library_role(MemberRole role) {
  return role == MemberRole::standby ? 0 : role == MemberRole::voter ? 1 : 2;
}
constexpr std::optional<MemberRole> member_role(int library_role) {
  switch (library_role) {
    case 0: return MemberRole::standby;
    case 1: return MemberRole::voter;
    case 2: return MemberRole::spare;
    default: return std::nullopt;
  }
}

// The members as an entry holds them, in the library's encoding. At least one, no node twice, at most kMembersMax.
inline constexpr std::size_t kMembersMax = 64;
std::string encode_members_entry(const std::vector<Member>& members);
Result<std::vector<Member>> decode_members_entry(std::string_view bytes);

// Members within a record or a message.
void append_members(std::string& out, const std::vector<Member>& members);
bool read_members(class FieldReader& in, std::vector<Member>& members);

}  // namespace gabion::metadata::raft
