// Messages between members: all fields arrive, and what cannot be a message is refused.
#include <catch2/catch_test_macros.hpp>

#include "metadata/raft/message.h"

namespace gabion::metadata::raft {
namespace {

const std::string kMembers = encode_members_entry({{NodeId{1}}, {NodeId{2}, MemberRole::standby}});

Message message(Message::Kind kind) {
  Message out;
  out.kind = kind;
  out.version = 2;
  out.term = 9;
  switch (kind) {
    case Message::Kind::append_entries:
      out.previous_index = 40;
      out.previous_term = 7;
      out.commit = 39;
      out.entries = {{7, EntryType::command, "commands"}, {8, EntryType::members, kMembers}, {9, EntryType::barrier, "12345678"}};
      break;
    case Message::Kind::install_snapshot:
      out.last_index = 40;
      out.last_term = 7;
      out.members_index = 3;
      out.members = {{NodeId{1}}, {NodeId{2}, MemberRole::standby}};
      break;
    default:
      out.rejected = 5;
      out.last_index = 40;
      out.last_term = 7;
      out.disrupt_leader = out.pre_vote = out.granted = true;
      out.features = 1;
      out.capacity = 60000;
      out.round = 12;
  }
  return out;
}

const std::vector<Message::Kind> kKinds = {
    Message::Kind::append_entries, Message::Kind::append_result, Message::Kind::vote, Message::Kind::vote_result,
    Message::Kind::install_snapshot, Message::Kind::timeout_now, Message::Kind::ping, Message::Kind::ping_result};

}  // namespace

TEST_CASE("messages arrive as they were sent") {
  for (const Message::Kind kind : kKinds) {
    const std::string bytes = encode_message(message(kind));
    const auto decoded = decode_message(bytes);
    REQUIRE(decoded.has_value());
    CHECK(decoded->kind == kind);
    CHECK(decoded->version == 2);
    CHECK(decoded->term == 9);
    CHECK(encode_message(*decoded) == bytes);
  }
  const std::string entries = encode_message(message(Message::Kind::append_entries));
  const auto decoded = decode_message(entries).value();
  REQUIRE(decoded.entries.size() == 3);
  CHECK(decoded.entries[1].data == kMembers);
  const std::string bytes = encode_message(message(Message::Kind::vote_result));
  CHECK(decode_message(bytes)->capacity == 60000);
  CHECK(decode_message(bytes)->features == 1);
}

TEST_CASE("a message that is cut short or too long is refused") {
  for (const Message::Kind kind : kKinds) {
    const std::string bytes = encode_message(message(kind));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CHECK(!decode_message(std::string_view(bytes).substr(0, size)).has_value());
    }
    CHECK(!decode_message(bytes + 'x').has_value());
  }
  CHECK(!decode_message(std::string(kMessageMax + 1, '\1')).has_value());
}

TEST_CASE("messages that the library would not survive are refused") {
  const auto refused = [](auto change) {
    Message wrong = message(Message::Kind::append_entries);
    change(wrong);
    return !decode_message(encode_message(wrong)).has_value();
  };
  CHECK(refused([](Message& m) { m.term = 0; }));
  CHECK(refused([](Message& m) { m.term = 8; }));  // an entry of a later term
  CHECK(refused([](Message& m) { m.entries[1].term = 6; }));  // terms go down
  CHECK(refused([](Message& m) { m.entries[0].term = 0; }));
  CHECK(refused([](Message& m) { m.entries[1].data = "nonsense"; }));
  CHECK(refused([](Message& m) { m.previous_term = 0; }));
  CHECK(refused([](Message& m) { m.previous_index = m.previous_term = 0; }));  // the first entry names the members
  CHECK(refused([](Message& m) { m.entries[0].type = static_cast<EntryType>(9); }));
  const auto snapshot_refused = [](auto change) {
    Message wrong = message(Message::Kind::install_snapshot);
    change(wrong);
    return !decode_message(encode_message(wrong)).has_value();
  };
  CHECK(snapshot_refused([](Message& m) { m.last_index = 0; }));
  CHECK(snapshot_refused([](Message& m) { m.last_term = 10; }));
  CHECK(snapshot_refused([](Message& m) { m.members_index = 41; }));
  CHECK(snapshot_refused([](Message& m) { m.members.clear(); }));
}

}  // namespace gabion::metadata::raft
