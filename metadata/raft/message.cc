#include "metadata/raft/message.h"

#include "metadata/raft/fields.h"

namespace gabion::metadata::raft {
namespace {

constexpr std::uint8_t kFormat = 1;

void append_entries(std::string& out, const Message& message) {
  append_field(out, message.previous_index);
  append_field(out, message.previous_term);
  append_field(out, message.commit);
  append_field(out, static_cast<std::uint32_t>(message.entries.size()));
  for (const EntryView& entry : message.entries) {
    append_field(out, entry.term);
    append_field(out, static_cast<std::uint8_t>(entry.type));
    append_field(out, static_cast<std::uint32_t>(entry.data.size()));
    out.append(entry.data);
  }
}

bool read_flag(FieldReader& in, bool& flag) {
  const auto value = in.read<std::uint8_t>();
  flag = value == 1;
  return value <= 1;
}

bool read_entry(FieldReader& in, EntryView& entry) {
  entry.term = in.read<std::uint64_t>();
  const auto type = in.read<std::uint8_t>();
  entry.type = static_cast<EntryType>(type);
  entry.data = in.take(in.read<std::uint32_t>());
  if (!in.good() || type == 0 || type > 3) return false;
  return entry.type != EntryType::members || decode_members_entry(entry.data).has_value();
}

bool read_append_entries(FieldReader& in, Message& message) {
  message.previous_index = in.read<std::uint64_t>();
  message.previous_term = in.read<std::uint64_t>();
  message.commit = in.read<std::uint64_t>();
  const auto count = in.read<std::uint32_t>();
  if (!in.good() || count > kMessageEntriesMax || (message.previous_index == 0) != (message.previous_term == 0)) return false;
  std::uint64_t term = std::max<std::uint64_t>(message.previous_term, 1);
  for (std::uint32_t i = 0; i < count; ++i) {
    EntryView entry;
    if (!read_entry(in, entry) || entry.term < term) return false;
    term = entry.term;
    message.entries.push_back(entry);
  }
  // The first entry of a group says who its members are.
  if (message.previous_index == 0 && count != 0 && message.entries[0].type != EntryType::members) return false;
  return term <= message.term;
}

bool read_append_result(FieldReader& in, Message& message) {
  message.rejected = in.read<std::uint64_t>();
  message.last_index = in.read<std::uint64_t>();
  message.features = in.read<std::uint16_t>();
  message.capacity = in.read<std::uint16_t>();
  return true;
}

bool read_vote(FieldReader& in, Message& message) {
  message.last_index = in.read<std::uint64_t>();
  message.last_term = in.read<std::uint64_t>();
  return read_flag(in, message.disrupt_leader) && read_flag(in, message.pre_vote) && message.last_term <= message.term;
}

bool read_vote_result(FieldReader& in, Message& message) {
  const bool flags = read_flag(in, message.granted) && read_flag(in, message.pre_vote);
  message.features = in.read<std::uint16_t>();
  message.capacity = in.read<std::uint16_t>();
  return flags;
}

bool read_install_snapshot(FieldReader& in, Message& message) {
  message.last_index = in.read<std::uint64_t>();
  message.last_term = in.read<std::uint64_t>();
  message.members_index = in.read<std::uint64_t>();
  if (!read_members(in, message.members)) return false;
  return message.last_index != 0 && message.last_term != 0 && message.last_term <= message.term &&
         message.members_index != 0 && message.members_index <= message.last_index;
}

bool read_timeout_now(FieldReader& in, Message& message) {
  message.last_index = in.read<std::uint64_t>();
  message.last_term = in.read<std::uint64_t>();
  return true;
}

bool read_body(FieldReader& in, Message& message) {
  switch (message.kind) {
    case Message::Kind::append_entries: return read_append_entries(in, message);
    case Message::Kind::append_result: return read_append_result(in, message);
    case Message::Kind::vote: return read_vote(in, message);
    case Message::Kind::vote_result: return read_vote_result(in, message);
    case Message::Kind::install_snapshot: return read_install_snapshot(in, message);
    case Message::Kind::timeout_now: return read_timeout_now(in, message);
    case Message::Kind::ping:
    case Message::Kind::ping_result: message.round = in.read<std::uint64_t>(); return true;
  }
  return false;
}

}  // namespace

std::string encode_message(const Message& message) {
  std::size_t size = 64 + message.members.size() * 5;
  for (const EntryView& entry : message.entries) size += 13 + entry.data.size();
  std::string out;
  out.reserve(size);
  append_field(out, kFormat);
  append_field(out, static_cast<std::uint8_t>(message.kind));
  append_field(out, message.version);
  append_field(out, message.term);
  switch (message.kind) {
    case Message::Kind::append_entries: append_entries(out, message); break;
    case Message::Kind::append_result:
      append_field(out, message.rejected);
      append_field(out, message.last_index);
      append_field(out, message.features);
      append_field(out, message.capacity);
      break;
    case Message::Kind::vote:
      append_field(out, message.last_index);
      append_field(out, message.last_term);
      append_field(out, static_cast<std::uint8_t>(message.disrupt_leader));
      append_field(out, static_cast<std::uint8_t>(message.pre_vote));
      break;
    case Message::Kind::vote_result:
      append_field(out, static_cast<std::uint8_t>(message.granted));
      append_field(out, static_cast<std::uint8_t>(message.pre_vote));
      append_field(out, message.features);
      append_field(out, message.capacity);
      break;
    case Message::Kind::install_snapshot:
      append_field(out, message.last_index);
      append_field(out, message.last_term);
      append_field(out, message.members_index);
      append_members(out, message.members);
      break;
    case Message::Kind::timeout_now:
      append_field(out, message.last_index);
      append_field(out, message.last_term);
      break;
    case Message::Kind::ping:
    case Message::Kind::ping_result: append_field(out, message.round); break;
  }
  return out;
}

Result<Message> decode_message(std::string_view bytes) {
  const auto refused = [] { return Error(Errc::corrupt, "a Raft message cannot be decoded"); };
  if (bytes.size() > kMessageMax) return refused();
  FieldReader in(bytes);
  if (in.read<std::uint8_t>() != kFormat) return refused();
  Message message;
  message.kind = static_cast<Message::Kind>(in.read<std::uint8_t>());
  message.version = in.read<std::uint8_t>();
  message.term = in.read<std::uint64_t>();
  if (!in.good() || message.term == UINT64_MAX || !read_body(in, message) || !in.whole()) return refused();
  // A result may come from a member that has seen no term yet.
  const bool result = message.kind == Message::Kind::append_result || message.kind == Message::Kind::vote_result;
  if (message.term == 0 && !result) return refused();
  return message;
}

}  // namespace gabion::metadata::raft
