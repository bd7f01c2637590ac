// Records of the Raft journal, and what entries hold: refused or read; what is read is written as the same bytes.
#include "common/check.h"
#include "metadata/raft/record.h"

using namespace gabion;
using namespace gabion::metadata::raft;

namespace {

std::string encode(const Record& record) {
  switch (record.kind) {
    case Record::Kind::entry:
      return encode_entry(record.group, record.index, record.entry.term, record.entry.type, record.entry.data);
    case Record::Kind::truncate: return encode_truncate(record.group, record.index);
    case Record::Kind::hard_state: return encode_hard_state(record.group, record.hard);
    case Record::Kind::snapshot: return encode_snapshot(record.group, record.snapshot);
    case Record::Kind::base: return encode_base(record.bases);
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto record = decode_record(bytes)) {
    const std::string again = encode(*record);
    // The group's number means nothing in a base.
    GABION_CHECK(record->kind == Record::Kind::base || again == bytes, "a record is written as it was read");
    GABION_CHECK(encode(decode_record(again).value()) == again, "a record is read as it was written");
  }
  if (const auto commands = decode_commands(bytes)) GABION_CHECK(encode_commands(*commands) == bytes, "commands are kept");
  if (const auto members = decode_members_entry(bytes)) GABION_CHECK(encode_members_entry(*members) == bytes, "members are kept");
  return 0;
}
