// The inside of Library, for its own files: nobody else includes this, nor libraft's header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>

#include "metadata/raft/library.h"

// The header checks its layout with types that are defined within sizeof, which C++ does not allow.
#define static_assert(...)
extern "C" {
#include <raft.h>
}
#undef static_assert

namespace gabion::metadata::raft {

struct Library::Impl {
  Impl(Host& surroundings, NodeId node) : host(surroundings), self(node) {}

  Host& host;
  const NodeId self;
  ::raft raft{};
  raft_io io{};
  raft_fsm fsm{};
  raft_io_tick_cb on_tick = nullptr;
  raft_io_recv_cb on_receive = nullptr;
  raft_io_close_cb on_closed = nullptr;
  bool started = false;
  bool closed = false;

  // What load() hands over.
  Recovered recovered;

  struct Append {
    raft_io_append* request;
    std::uint64_t last;
  };
  std::deque<Append> appends;        // under way
  std::uint64_t next_append = 1;
  bool refuse_entries = false;       // until `appends` is empty
  std::deque<std::function<void()>> deferred;  // callbacks of the library, which must not be called from within it

  std::optional<Snapshot> snapshot;  // a member that is too far behind is told of this one
  bool taking = false;
  raft_io_snapshot_put* installing = nullptr;
  Snapshot to_install;
  NodeId install_from{};

  void set_callbacks();  // of io and fsm
  int load(raft_term* term, raft_id* vote, raft_snapshot** out, raft_index* start, raft_entry** entries, size_t* count);
  int put_snapshot(raft_io_snapshot_put* request, const raft_snapshot* taken);
  void send(const raft_message* message);
  void send_entries(const raft_message* message);
  bool outdated(NodeId from, const Message& message) const;
  bool expected(NodeId from, const Message& message) const;
  void receive_entries(NodeId from, const Message& message);
  void receive_entries(NodeId from, const Message& message, std::size_t begin, std::size_t end);
  void receive_other(NodeId from, const Message& message);
  void hand_in(raft_message& message, NodeId from);
  // After every call: callbacks that were put off, and the requests that are completed.
  void settle();
  void deliver_requests();
};

std::vector<Member> to_members(const raft_configuration& configuration);
void to_configuration(const std::vector<Member>& members, raft_configuration& configuration);
inline raft_id to_library(NodeId node) { return static_cast<raft_id>(node); }
inline NodeId to_node(raft_id id) { return NodeId{static_cast<std::uint32_t>(id)}; }

}  // namespace gabion::metadata::raft
