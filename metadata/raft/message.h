// Messages between the members of a group, as bytes: those of the library, with its version, features and capacity fields so
// that another release of it may be on the other side, and the pings that confirm a leader for reads. Pure.
//
// A decoded message refers to the bytes it was decoded from. What a decoder lets through satisfies what the library expects of
// its peers and checks only in debug builds: no term is zero that must not be, terms of entries ascend, lists of members can
// be decoded.
#pragma once

#include "metadata/raft/record.h"

namespace gabion::metadata::raft {

// An entry whose bytes are somebody else's.
struct EntryView {
  EntryView() = default;
  EntryView(std::uint64_t of_term, EntryType what, std::string_view bytes) : term(of_term), type(what), data(bytes) {}
  std::uint64_t term = 0;
  EntryType type = EntryType::command;
  std::string_view data;
};

struct Message {
  enum class Kind : std::uint8_t {
    append_entries = 1,
    append_result = 2,
    vote = 3,
    vote_result = 4,
    install_snapshot = 5,
    timeout_now = 6,
    ping = 7,
    ping_result = 8,
  };
  Message() = default;
  Kind kind = Kind::ping;
  std::uint8_t version = 0;  // the library's, of this kind of message
  std::uint64_t term = 0;
  // append_entries: of the entry before the first; commit: what the leader knows to be committed
  std::uint64_t previous_index = 0, previous_term = 0, commit = 0;
  std::vector<EntryView> entries;
  // append_result: the index that was rejected, or 0
  std::uint64_t rejected = 0;
  // append_result, vote, install_snapshot, timeout_now
  std::uint64_t last_index = 0, last_term = 0;
  std::uint64_t members_index = 0;  // install_snapshot
  std::vector<Member> members;
  bool disrupt_leader = false;  // vote
  bool pre_vote = false;        // vote, vote_result
  bool granted = false;         // vote_result
  std::uint16_t features = 0, capacity = 0;  // append_result, vote_result
  std::uint64_t round = 0;  // ping, ping_result: which question this is, or answers
};

inline constexpr std::size_t kMessageMax = 12 * MiB;
inline constexpr std::size_t kMessageEntriesMax = 4096;

std::string encode_message(const Message& message);
// corrupt when it cannot be a message of this version.
Result<Message> decode_message(std::string_view bytes);

}  // namespace gabion::metadata::raft
