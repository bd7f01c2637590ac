#include "metadata/raft/record.h"

#include <algorithm>

#include "metadata/raft/fields.h"

namespace gabion::metadata::raft {
namespace {

constexpr std::size_t kGroupsMax = 4096;

std::string start(Record::Kind kind, GroupId group) {
  std::string out;
  append_field(out, static_cast<std::uint8_t>(kind));
  append_field(out, group);
  return out;
}

void append_hard(std::string& out, const HardState& hard) {
  append_field(out, hard.term);
  append_field(out, static_cast<std::uint32_t>(hard.vote));
}

HardState read_hard(FieldReader& in) {
  HardState hard;
  hard.term = in.read<std::uint64_t>();
  hard.vote = NodeId{in.read<std::uint32_t>()};
  return hard;
}

void append_snapshot(std::string& out, const Snapshot& snapshot) {
  append_field(out, snapshot.index);
  append_field(out, snapshot.term);
  append_field(out, snapshot.members_index);
  append_members(out, snapshot.members);
}

bool read_snapshot(FieldReader& in, Snapshot& snapshot) {
  snapshot.index = in.read<std::uint64_t>();
  snapshot.term = in.read<std::uint64_t>();
  snapshot.members_index = in.read<std::uint64_t>();
  if (!read_members(in, snapshot.members)) return false;
  return snapshot.index != 0 && snapshot.term != 0 && snapshot.members_index != 0 &&
         snapshot.members_index <= snapshot.index;
}

bool read_base(FieldReader& in, GroupBase& base) {
  base.group = in.read<GroupId>();
  base.hard = read_hard(in);
  base.first = in.read<std::uint64_t>();
  base.last = in.read<std::uint64_t>();
  const auto has_snapshot = in.read<std::uint8_t>();
  if (!in.good() || has_snapshot > 1 || base.first == 0 || base.last < base.first - 1) return false;
  if (has_snapshot == 0) return true;
  return read_snapshot(in, base.snapshot.emplace());
}

bool read_bases(FieldReader& in, std::vector<GroupBase>& bases) {
  const auto count = in.read<std::uint32_t>();
  if (!in.good() || count > kGroupsMax) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!read_base(in, bases.emplace_back())) return false;
  }
  return true;
}

bool read_entry(FieldReader& in, Record& record) {
  record.index = in.read<std::uint64_t>();
  record.entry.term = in.read<std::uint64_t>();
  const auto type = in.read<std::uint8_t>();
  record.entry.type = static_cast<EntryType>(type);
  record.entry.data = in.rest();
  if (record.index == 0 || record.entry.term == 0 || type == 0 || type > 3) return false;
  return record.entry.type != EntryType::members || decode_members_entry(record.entry.data).has_value();
}

}  // namespace

void append_members(std::string& out, const std::vector<Member>& members) {
  append_field(out, static_cast<std::uint32_t>(members.size()));
  for (const Member& member : members) {
    append_field(out, static_cast<std::uint32_t>(member.node));
    append_field(out, static_cast<std::uint8_t>(member.role));
  }
}

bool read_members(FieldReader& in, std::vector<Member>& members) {
  const auto count = in.read<std::uint32_t>();
  if (!in.good() || count == 0 || count > kMembersMax) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    Member member;
    member.node = NodeId{in.read<std::uint32_t>()};
    const auto role = in.read<std::uint8_t>();
    if (!in.good() || member.node == NodeId{} || role > 2) return false;
    if (std::any_of(members.begin(), members.end(), [&](const Member& other) { return other.node == member.node; })) return false;
    member.role = static_cast<MemberRole>(role);
    members.push_back(member);
  }
  return true;
}

std::string encode_entry(GroupId group, std::uint64_t index, std::uint64_t term, EntryType type, std::string_view data) {
  std::string out;
  out.reserve(22 + data.size());
  append_field(out, static_cast<std::uint8_t>(Record::Kind::entry));
  append_field(out, group);
  append_field(out, index);
  append_field(out, term);
  append_field(out, static_cast<std::uint8_t>(type));
  return out.append(data);
}

std::string encode_truncate(GroupId group, std::uint64_t from) {
  std::string out = start(Record::Kind::truncate, group);
  append_field(out, from);
  return out;
}

std::string encode_hard_state(GroupId group, const HardState& hard) {
  std::string out = start(Record::Kind::hard_state, group);
  append_hard(out, hard);
  return out;
}

std::string encode_snapshot(GroupId group, const Snapshot& snapshot) {
  std::string out = start(Record::Kind::snapshot, group);
  append_snapshot(out, snapshot);
  return out;
}

std::string encode_base(const std::vector<GroupBase>& bases) {
  std::string out = start(Record::Kind::base, 0);
  append_field(out, static_cast<std::uint32_t>(bases.size()));
  for (const GroupBase& base : bases) {
    append_field(out, base.group);
    append_hard(out, base.hard);
    append_field(out, base.first);
    append_field(out, base.last);
    append_field(out, static_cast<std::uint8_t>(base.snapshot ? 1 : 0));
    if (base.snapshot) append_snapshot(out, *base.snapshot);
  }
  return out;
}

Result<Record> decode_record(std::string_view bytes) {
  FieldReader in(bytes);
  Record record;
  const auto kind = in.read<std::uint8_t>();
  record.kind = static_cast<Record::Kind>(kind);
  record.group = in.read<GroupId>();
  bool good = false;
  switch (record.kind) {
    case Record::Kind::entry: good = read_entry(in, record); break;
    case Record::Kind::truncate:
      record.index = in.read<std::uint64_t>();
      good = record.index != 0;
      break;
    case Record::Kind::hard_state:
      record.hard = read_hard(in);
      good = true;
      break;
    case Record::Kind::snapshot: good = read_snapshot(in, record.snapshot); break;
    case Record::Kind::base: good = read_bases(in, record.bases); break;
    default: return Error(Errc::invalid, fmt::format("record kind {} of the metadata log is of another version of gabion", kind));
  }
  if (!good || !in.whole()) return Error(Errc::corrupt, "a record of the metadata log cannot be decoded");
  return record;
}

std::string encode_commands(const std::vector<std::string>& commands) {
  std::size_t size = 4;
  for (const std::string& command : commands) size += 4 + command.size();
  std::string out;
  out.reserve(size);
  append_field(out, static_cast<std::uint32_t>(commands.size()));
  for (const std::string& command : commands) {
    append_field(out, static_cast<std::uint32_t>(command.size()));
    out.append(command);
  }
  return out;
}

Result<std::vector<std::string>> decode_commands(std::string_view bytes) {
  FieldReader in(bytes);
  const auto count = in.read<std::uint32_t>();
  std::vector<std::string> commands;
  for (std::uint32_t i = 0; in.good() && i < count; ++i) commands.emplace_back(in.take(in.read<std::uint32_t>()));
  if (!in.whole()) return Error(Errc::corrupt, "the commands of a log entry cannot be decoded");
  return commands;
}

// The library's encoding: version, number of members, and for each its number, its address as a C string, and its role;
// zeros up to a multiple of eight. The address is the node's name.
std::string encode_members_entry(const std::vector<Member>& members) {
  std::string out;
  append_field(out, std::uint8_t{1});
  append_field(out, static_cast<std::uint64_t>(members.size()));
  for (const Member& member : members) {
    append_field(out, static_cast<std::uint64_t>(member.node));
    out.append(to_string(member.node)).push_back('\0');
    append_field(out, static_cast<std::uint8_t>(library_role(member.role)));
  }
  out.resize((out.size() + 7) / 8 * 8, '\0');
  return out;
}

Result<std::vector<Member>> decode_members_entry(std::string_view bytes) {
  const auto damaged = [] { return Error(Errc::corrupt, "the list of members in a log entry cannot be decoded"); };
  FieldReader in(bytes);
  const auto version = in.read<std::uint8_t>();
  const auto count = in.read<std::uint64_t>();
  if (!in.good() || bytes.size() % 8 != 0 || version != 1 || count == 0 || count > kMembersMax) return damaged();
  std::vector<Member> members;
  for (std::uint64_t i = 0; i < count; ++i) {
    Member member;
    const auto node = in.read<std::uint64_t>();
    if (!in.good() || node == 0 || node > UINT32_MAX) return damaged();
    member.node = NodeId{static_cast<std::uint32_t>(node)};
    const std::string name = to_string(member.node) + '\0';
    const std::string_view address = in.take(name.size());
    const auto role = member_role(in.read<std::uint8_t>());
    if (!in.good() || address != name || !role) return damaged();
    if (std::any_of(members.begin(), members.end(), [&](const Member& other) { return other.node == member.node; })) {
      return damaged();
    }
    member.role = *role;
    members.push_back(member);
  }
  if (in.left() >= 8 || in.rest().find_first_not_of('\0') != std::string_view::npos) return damaged();
  return members;
}

}  // namespace gabion::metadata::raft
