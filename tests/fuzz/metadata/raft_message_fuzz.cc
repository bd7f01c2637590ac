// Messages that another member may send: refused, or read within their bounds and written as the same bytes.
#include "common/check.h"
#include "metadata/raft/message.h"

using namespace gabion;
using namespace gabion::metadata::raft;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = decode_message(bytes);
  if (!message) return 0;
  std::uint64_t term = message->previous_term;
  for (const EntryView& entry : message->entries) {
    GABION_CHECK(entry.term >= term && entry.term <= message->term, "terms of entries ascend");
    const char* const begin = entry.data.data();
    GABION_CHECK(entry.data.empty() || (begin >= bytes.data() && begin + entry.data.size() <= bytes.data() + size),
                 "entries are inside the message");
    term = entry.term;
  }
  GABION_CHECK(encode_message(*message) == bytes, "a message is written as it was read");
  return 0;
}
