// Records of the journal: exact bytes, and nothing accepted that is not whole.
#include <catch2/catch_test_macros.hpp>

#include "common/encoding.h"
#include "metadata/raft/record.h"

namespace gabion::metadata::raft {
namespace {

std::vector<Member> three() {
  return {{NodeId{1}, MemberRole::voter}, {NodeId{2}, MemberRole::standby}, {NodeId{70000}, MemberRole::spare}};
}

Snapshot snapshot() {
  Snapshot out;
  out.index = 90;
  out.term = 4;
  out.members_index = 80;
  out.members = three();
  return out;
}

std::vector<GroupBase> bases() {
  std::vector<GroupBase> out(2);
  out[0].hard = {4, NodeId{2}};
  out[0].snapshot = snapshot();
  out[0].first = 85;
  out[0].last = 99;
  out[1].group = 7;
  return out;
}

std::vector<std::string> all() {
  return {encode_entry(7, 12, 3, EntryType::command, encode_commands({"one", "", "three"})),
          encode_entry(0, 1, 1, EntryType::members, encode_members_entry(three())),
          encode_entry(0, 2, 1, EntryType::barrier, std::string(8, '\0')),
          encode_truncate(7, 12),
          encode_hard_state(7, {5, NodeId{3}}),
          encode_snapshot(7, snapshot()),
          encode_base(bases())};
}

}  // namespace

TEST_CASE("records are read back as they were written") {
  const auto records = all();
  const auto entry = decode_record(records[0]).value();
  CHECK(entry.kind == Record::Kind::entry);
  CHECK(entry.group == 7);
  CHECK(entry.index == 12);
  CHECK(entry.entry.term == 3);
  CHECK(decode_commands(entry.entry.data).value() == std::vector<std::string>{"one", "", "three"});
  CHECK(decode_members_entry(decode_record(records[1]).value().entry.data).value() == three());
  CHECK(decode_record(records[3]).value().index == 12);
  CHECK(decode_record(records[4]).value().hard == HardState{5, NodeId{3}});
  CHECK(decode_record(records[5]).value().snapshot == snapshot());
  CHECK(decode_record(records[6]).value().bases == bases());
}

TEST_CASE("the bytes of journal records do not change between versions") {
  const auto hex = [](const std::string& bytes) { return hex_encode(as_bytes(bytes)); };
  CHECK(hex(encode_hard_state(7, {5, NodeId{3}})) == "0307000000050000000000000003000000");
  CHECK(hex(encode_truncate(7, 12)) == "02070000000c00000000000000");
  CHECK(hex(encode_entry(7, 12, 3, EntryType::command, "ab")) == "01070000000c0000000000000003000000000000000161" "62");
  // The library reads this one, as it reads its own.
  CHECK(hex(encode_members_entry({{NodeId{1}, MemberRole::voter}})) ==
        "010100000000000000" "0100000000000000" "6e3100" "01" "000000");
}

TEST_CASE("a record that is cut short or too long is refused") {
  for (const std::string& record : all()) {
    for (std::size_t size = 0; size < record.size(); ++size) {
      const auto decoded = decode_record(std::string_view(record).substr(0, size));
      // The data of an entry goes to the end of its record, whose length the log knows.
      if (decoded.has_value()) CHECK((decoded->kind == Record::Kind::entry && decoded->entry.type != EntryType::members));
    }
    if (decode_record(record)->kind != Record::Kind::entry) CHECK(!decode_record(record + '\0').has_value());
  }
}

TEST_CASE("records that make no sense are refused") {
  CHECK(!decode_record(encode_entry(0, 0, 1, EntryType::command, "")).has_value());
  CHECK(!decode_record(encode_entry(0, 1, 0, EntryType::command, "")).has_value());
  CHECK(!decode_record(encode_entry(0, 1, 1, static_cast<EntryType>(4), "")).has_value());
  CHECK(!decode_record(encode_entry(0, 1, 1, EntryType::members, "x")).has_value());
  CHECK(!decode_record(encode_truncate(0, 0)).has_value());
  Snapshot wrong = snapshot();
  wrong.members_index = wrong.index + 1;
  CHECK(!decode_record(encode_snapshot(0, wrong)).has_value());
  wrong = snapshot();
  wrong.members.push_back(wrong.members[0]);
  CHECK(!decode_record(encode_snapshot(0, wrong)).has_value());
  auto base = bases();
  base[0].first = base[0].last + 2;
  CHECK(!decode_record(encode_base(base)).has_value());
  CHECK(decode_record("\x09" "abcd").error().code == Errc::invalid);  // of a newer version
}

TEST_CASE("members and commands in an entry are checked to the last byte") {
  const std::string members = encode_members_entry(three());
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::string damaged = members;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    const auto decoded = decode_members_entry(damaged);
    if (decoded) CHECK(*decoded != three());
  }
  CHECK(!decode_members_entry(encode_members_entry({})).has_value());
  CHECK(!decode_members_entry(encode_members_entry(std::vector<Member>(2, Member{NodeId{1}}))).has_value());
  CHECK(!decode_members_entry(members + std::string(8, '\0')).has_value());
  const std::string commands = encode_commands({"one", "two"});
  for (std::size_t size = 0; size < commands.size(); ++size) {
    CHECK(!decode_commands(std::string_view(commands).substr(0, size)).has_value());
  }
  CHECK(!decode_commands(commands + "x").has_value());
  CHECK(!decode_commands(std::string(4, '\xff')).has_value());
}

}  // namespace gabion::metadata::raft
