// The disk and network that the library sees, and what comes in from other members.
#include <cstring>

#include "common/check.h"
#include "common/log.h"
#include "metadata/raft/library_impl.h"

namespace gabion::metadata::raft {
namespace {

constexpr std::size_t kSendBytesMax = 2 * MiB;   // of entries in one message, unless one alone is larger
constexpr std::size_t kDescriptorSize = 8;       // of a snapshot's content: the state itself goes another way
constexpr std::size_t kAlignment = 8;

Library::Impl& impl_of(raft_io* io) { return *static_cast<Library::Impl*>(io->impl); }
Library::Impl& impl_of(raft_fsm* fsm) { return *static_cast<Library::Impl*>(fsm->data); }

std::string_view view(const raft_buffer& buffer) { return {static_cast<const char*>(buffer.base), buffer.len}; }

raft_buffer descriptor() {
  raft_buffer buffer{};
  buffer.len = kDescriptorSize;
  buffer.base = raft_calloc(1, kDescriptorSize);
  return buffer;
}

raft_snapshot* to_library(const Snapshot& snapshot) {
  auto* out = static_cast<raft_snapshot*>(raft_calloc(1, sizeof(raft_snapshot)));
  out->index = snapshot.index;
  out->term = snapshot.term;
  out->configuration_index = snapshot.members_index;
  to_configuration(snapshot.members, out->configuration);
  out->n_bufs = 1;
  out->bufs = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
  out->bufs[0] = descriptor();
  return out;
}

Snapshot from_library(const raft_snapshot& snapshot) {
  Snapshot out;
  out.index = snapshot.index;
  out.term = snapshot.term;
  out.members_index = snapshot.configuration_index;
  out.members = to_members(snapshot.configuration);
  return out;
}

// A barrier holds whatever was in memory before it.
EntryView from_library(const raft_entry& entry) {
  static constexpr std::string_view kNothing("\0\0\0\0\0\0\0\0", 8);
  return {entry.term, static_cast<EntryType>(entry.type), entry.type == RAFT_BARRIER ? kNothing : view(entry.buf)};
}

// All entries of a message in one allocation, as the library frees them.
raft_entry* to_library(const std::vector<EntryView>& entries, std::size_t begin, std::size_t end) {
  if (begin == end) return nullptr;
  std::size_t bytes = kAlignment;
  for (std::size_t i = begin; i < end; ++i) bytes += (entries[i].data.size() + kAlignment - 1) / kAlignment * kAlignment;
  auto* out = static_cast<raft_entry*>(raft_calloc(end - begin, sizeof(raft_entry)));
  auto* batch = static_cast<char*>(raft_calloc(1, bytes));
  char* at = batch;
  for (std::size_t i = begin; i < end; ++i) {
    raft_entry& entry = out[i - begin];
    entry.term = entries[i].term;
    entry.type = static_cast<raft_entry_type>(entries[i].type);
    entry.batch = batch;
    entry.buf.base = at;
    entry.buf.len = entries[i].data.size();
    std::memcpy(at, entries[i].data.data(), entries[i].data.size());
    at += (entries[i].data.size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  return out;
}

}  // namespace

void Library::Impl::set_callbacks() {
  io.version = 2;
  io.impl = this;
  io.capacity = UINT16_MAX;  // never the reason to refuse an entry
  io.init = [](raft_io*, raft_id, const char*) { return 0; };
  io.load = [](raft_io* of, raft_term* term, raft_id* vote, raft_snapshot** out, raft_index* start, raft_entry** entries,
               size_t* count) {
    return impl_of(of).load(term, vote, out, start, entries, count);
  };
  io.start = [](raft_io* of, unsigned, raft_io_tick_cb tick, raft_io_recv_cb receive) {
    impl_of(of).on_tick = tick;
    impl_of(of).on_receive = receive;
    return 0;
  };
  io.bootstrap = [](raft_io*, const raft_configuration*) { return static_cast<int>(RAFT_INVALID); };
  io.recover = io.bootstrap;
  io.close = [](raft_io* of, raft_io_close_cb closed) { impl_of(of).on_closed = closed; };
  // A new term comes with a vote for nobody.
  io.set_term = [](raft_io* of, raft_term term) {
    impl_of(of).host.write_hard_state({term, NodeId{}});
    return 0;
  };
  io.set_vote = [](raft_io* of, raft_id vote) {
    Impl& impl = impl_of(of);
    impl.host.write_hard_state({raft_current_term(&impl.raft), to_node(vote)});
    return 0;
  };
  // Called before every append, with the index of its first entry, which append() itself is not told.
  io.truncate = [](raft_io* of, raft_index from) {
    Impl& impl = impl_of(of);
    if (from < impl.next_append) {
      impl.host.write_truncate(from);
      if (!impl.appends.empty() && impl.appends.back().last >= from) impl.refuse_entries = true;
    }
    impl.next_append = from;
    return 0;
  };
  io.append = [](raft_io* of, raft_io_append* request, const raft_entry* entries, unsigned count, raft_io_append_cb done) {
    Impl& impl = impl_of(of);
    request->cb = done;
    std::vector<EntryView> views;
    views.reserve(count);
    for (unsigned i = 0; i < count; ++i) views.push_back(from_library(entries[i]));
    const std::uint64_t first = std::exchange(impl.next_append, impl.next_append + count);
    impl.appends.push_back({request, impl.next_append - 1});
    impl.host.write_entries(first, views);
    return 0;
  };
  io.send = [](raft_io* of, raft_io_send* request, const raft_message* message, raft_io_send_cb done) {
    Impl& impl = impl_of(of);
    if (!impl.closed) impl.send(message);
    request->cb = done;
    if (done != nullptr) impl.deferred.emplace_back([request] { request->cb(request, 0); });
    return 0;
  };
  io.snapshot_put = [](raft_io* of, unsigned, raft_io_snapshot_put* request, const raft_snapshot* taken,
                       raft_io_snapshot_put_cb done) {
    request->cb = done;
    return impl_of(of).put_snapshot(request, taken);
  };
  // Answered before anything else happens, so that it is the snapshot that the library means: its term is not looked at again.
  io.snapshot_get = [](raft_io* of, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done) {
    Impl& impl = impl_of(of);
    request->cb = done;
    impl.deferred.emplace_back([&impl, request] {
      GABION_CHECK(impl.snapshot.has_value(), "a member needs a snapshot, and none was taken");
      request->cb(request, to_library(*impl.snapshot), 0);
    });
    return 0;
  };
  io.time = [](raft_io* of) {
    const auto now = impl_of(of).host.now().time_since_epoch();
    return static_cast<raft_time>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  };
  io.random = [](raft_io* of, int min, int max) {
    const auto range = static_cast<std::uint64_t>(static_cast<std::int64_t>(max) - min + 1);
    return static_cast<int>(min + static_cast<std::int64_t>(impl_of(of).host.random() % range));
  };

  fsm.version = 2;
  fsm.data = this;
  // Not told the index: the one after the last that was applied.
  fsm.apply = [](raft_fsm* of, const raft_buffer* buffer, void** result) {
    Impl& impl = impl_of(of);
    *result = nullptr;
    impl.host.apply(raft_last_applied(&impl.raft) + 1, view(*buffer));
    return 0;
  };
  fsm.snapshot = [](raft_fsm*, raft_buffer** buffers, unsigned* count) {
    *count = 1;
    *buffers = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
    (*buffers)[0] = descriptor();
    return 0;
  };
  // The state is there already.
  fsm.restore = [](raft_fsm*, raft_buffer* buffer) {
    raft_free(buffer->base);
    return 0;
  };
}

int Library::Impl::load(raft_term* term, raft_id* vote, raft_snapshot** out, raft_index* start, raft_entry** entries,
                        size_t* count) {
  *term = recovered.hard.term;
  *vote = to_library(recovered.hard.vote);
  *start = recovered.first;
  *count = recovered.entries.size();
  *out = nullptr;
  *entries = nullptr;
  if (recovered.snapshot) *out = to_library(*recovered.snapshot);
  snapshot = std::move(recovered.snapshot);
  if (*count != 0) *entries = static_cast<raft_entry*>(raft_calloc(*count, sizeof(raft_entry)));
  for (std::size_t i = 0; i < *count; ++i) {
    const Entry& entry = recovered.entries[i];
    raft_entry& loaded = (*entries)[i];
    loaded.term = entry.term;
    loaded.type = static_cast<raft_entry_type>(entry.type);
    // Each by itself, so that each can go by itself.
    loaded.buf.len = entry.data.size();
    loaded.buf.base = raft_malloc(std::max<std::size_t>(entry.data.size(), 1));
    std::memcpy(loaded.buf.base, entry.data.data(), entry.data.size());
  }
  next_append = recovered.first + *count;
  recovered = Recovered();
  return 0;
}

int Library::Impl::put_snapshot(raft_io_snapshot_put* request, const raft_snapshot* taken) {
  Snapshot given = from_library(*taken);
  if (!taking) {
    next_append = given.index + 1;
    installing = request;
    to_install = given;
    host.install(install_from, given);
    return 0;
  }
  // Only memory is given back: what of the log must stay on the drives is the journal's business.
  deferred.emplace_back([this, request, given = std::move(given)] {
    const auto keep = std::min<std::uint64_t>(host.entries_to_keep(given.index), UINT32_MAX);
    raft_set_snapshot_trailing(&raft, static_cast<unsigned>(std::max<std::uint64_t>(keep, 1)));
    snapshot = given;
    request->cb(request, 0);
  });
  return 0;
}

void Library::Impl::send(const raft_message* message) {
  const NodeId to = to_node(message->server_id);
  Message out;
  out.kind = static_cast<Message::Kind>(message->type);
  switch (message->type) {
    case RAFT_APPEND_ENTRIES: return send_entries(message);
    case RAFT_APPEND_ENTRIES_RESULT: {
      const raft_append_entries_result& in = message->append_entries_result;
      out.version = in.version;
      out.term = in.term;
      out.rejected = in.rejected;
      out.last_index = in.last_log_index;
      out.features = in.features;
      out.capacity = in.capacity;
      break;
    }
    case RAFT_REQUEST_VOTE: {
      const raft_request_vote& in = message->request_vote;
      out.version = in.version;
      out.term = in.term;
      out.last_index = in.last_log_index;
      out.last_term = in.last_log_term;
      out.disrupt_leader = in.disrupt_leader;
      out.pre_vote = in.pre_vote;
      break;
    }
    case RAFT_REQUEST_VOTE_RESULT: {
      const raft_request_vote_result& in = message->request_vote_result;
      out.version = in.version;
      out.term = in.term;
      // The library repeats the candidate's term, and a candidate that is behind would never learn of it.
      if (in.pre_vote && !in.vote_granted) out.term = std::max<std::uint64_t>(in.term, raft_current_term(&raft));
      out.granted = in.vote_granted;
      out.pre_vote = in.pre_vote;
      out.features = in.features;
      out.capacity = in.capacity;
      break;
    }
    case RAFT_INSTALL_SNAPSHOT: {
      const raft_install_snapshot& in = message->install_snapshot;
      out.version = in.version;
      out.term = in.term;
      out.last_index = in.last_index;
      // When a snapshot was taken in the same moment, the library takes its index and not its term.
      out.last_term = snapshot && snapshot->index == in.last_index ? snapshot->term : in.last_term;
      out.members_index = in.conf_index;
      out.members = to_members(in.conf);
      break;
    }
    case RAFT_TIMEOUT_NOW: {
      const raft_timeout_now& in = message->timeout_now;
      out.version = in.version;
      out.term = in.term;
      out.last_index = in.last_log_index;
      out.last_term = in.last_log_term;
      break;
    }
  }
  host.send(to, out);
}

// The library puts everything it has into one message.
void Library::Impl::send_entries(const raft_message* message) {
  const raft_append_entries& in = message->append_entries;
  Message out;
  out.kind = Message::Kind::append_entries;
  out.version = in.version;
  out.term = in.term;
  out.commit = in.leader_commit;
  out.previous_index = in.prev_log_index;
  out.previous_term = in.prev_log_term;
  for (unsigned i = 0; i <= in.n_entries; ++i) {
    std::size_t bytes = 0;
    for (const EntryView& entry : out.entries) bytes += entry.data.size();
    const bool last = i == in.n_entries;
    if (last || (!out.entries.empty() && bytes + in.entries[i].buf.len > kSendBytesMax)) {
      host.send(to_node(message->server_id), out);
      if (last) return;
      out.previous_index += out.entries.size();
      out.previous_term = out.entries.back().term;
      out.entries.clear();
    }
    out.entries.push_back(from_library(in.entries[i]));
  }
}

// A refusal from before the member had what it is known to have by now.
bool Library::Impl::outdated(NodeId from, const Message& message) const {
  raft_index matched = 0;
  // One of a later term is what a leader steps down for, whatever it says of the log.
  if (message.rejected == 0 || message.term > raft_current_term(&raft)) return false;
  if (raft_match_index(&raft, raft::to_library(from), &matched) != 0) return false;
  return message.rejected <= matched || message.last_index < matched;
}

// Whether the library expects such a message in the state it is in.
bool Library::Impl::expected(NodeId from, const Message& message) const {
  if (!started || closed || from == self || raft.state == RAFT_UNAVAILABLE) return false;
  switch (message.kind) {
    case Message::Kind::append_entries:
      return !(raft.state == RAFT_LEADER && message.term == raft.current_term) && (message.entries.empty() || !refuse_entries);
    case Message::Kind::install_snapshot:
      return !(raft.state == RAFT_LEADER && message.term == raft.current_term) && !raft.snapshot.installing &&
             installing == nullptr;
    case Message::Kind::append_result: return raft.state == RAFT_LEADER && !outdated(from, message);
    case Message::Kind::vote_result: return raft.state == RAFT_CANDIDATE;
    case Message::Kind::timeout_now: return appends.empty() && !raft.snapshot.installing;
    case Message::Kind::vote: return true;
    case Message::Kind::ping:
    case Message::Kind::ping_result: return false;
  }
  return false;
}

void Library::receive(NodeId from, const Message& message) {
  if (!impl_->expected(from, message)) return;
  if (message.kind == Message::Kind::append_entries) impl_->receive_entries(from, message);
  else impl_->receive_other(from, message);
}

// A change of the members must be the first entry of its message.
void Library::Impl::receive_entries(NodeId from, const Message& message) {
  // What was cut here is committed, so that a leader has the same. The library does not remember it, and would refuse for ever.
  if (snapshot && message.previous_index < snapshot->index && !raft.snapshot.installing && installing == nullptr) {
    Message rest = message;
    const auto known = std::min<std::uint64_t>(rest.entries.size(), snapshot->index - rest.previous_index);
    rest.entries.erase(rest.entries.begin(), rest.entries.begin() + static_cast<std::ptrdiff_t>(known));
    rest.previous_index = snapshot->index;
    rest.previous_term = snapshot->term;
    return receive_entries(from, rest);
  }
  std::size_t begin = 0;
  for (std::size_t i = 1; i < message.entries.size(); ++i) {
    if (message.entries[i].type != EntryType::members) continue;
    receive_entries(from, message, begin, i);
    if (!expected(from, message) || raft_last_index(&raft) < message.previous_index + i) return;
    begin = i;
  }
  receive_entries(from, message, begin, message.entries.size());
}

void Library::Impl::receive_entries(NodeId from, const Message& message, std::size_t begin, std::size_t end) {
  raft_message in{};
  in.type = RAFT_APPEND_ENTRIES;
  in.append_entries.version = message.version;
  in.append_entries.term = message.term;
  in.append_entries.prev_log_index = message.previous_index + begin;
  in.append_entries.prev_log_term = begin == 0 ? message.previous_term : message.entries[begin - 1].term;
  // Nothing behind what this message confirms is known to be the leader's.
  in.append_entries.leader_commit = std::min(message.commit, message.previous_index + end);
  in.append_entries.n_entries = static_cast<unsigned>(end - begin);
  in.append_entries.entries = to_library(message.entries, begin, end);
  hand_in(in, from);
}

void Library::Impl::receive_other(NodeId from, const Message& message) {
  raft_message in{};
  in.type = static_cast<raft_message_type>(message.kind);
  switch (message.kind) {
    case Message::Kind::append_result:
      in.append_entries_result = {message.version, message.term, message.rejected, message.last_index, message.features,
                                  message.capacity};
      break;
    case Message::Kind::vote:
      in.request_vote = {message.version, message.term, to_library(from), message.last_index, message.last_term,
                         message.disrupt_leader, message.pre_vote};
      break;
    case Message::Kind::vote_result:
      in.request_vote_result = {message.version, message.term, message.granted, message.pre_vote, message.features,
                                message.capacity};
      break;
    case Message::Kind::install_snapshot:
      in.install_snapshot.version = message.version;
      in.install_snapshot.term = message.term;
      in.install_snapshot.last_index = message.last_index;
      in.install_snapshot.last_term = message.last_term;
      in.install_snapshot.conf_index = message.members_index;
      to_configuration(message.members, in.install_snapshot.conf);
      in.install_snapshot.data = descriptor();
      install_from = from;
      break;
    default: in.timeout_now = {message.version, message.term, message.last_index, message.last_term}; break;
  }
  hand_in(in, from);
}

void Library::Impl::hand_in(raft_message& message, NodeId from) {
  const std::string address = to_string(from);
  message.server_id = to_library(from);
  message.server_address = address.c_str();
  on_receive(&io, &message);
  settle();
}

void Library::Impl::settle() {
  deliver_requests();
  while (!deferred.empty()) {
    const auto callback = std::move(deferred.front());
    deferred.pop_front();
    callback();
    deliver_requests();
  }
}

// What the library's own back end does through a private function. The queue is a ring of pairs (next, previous).
void Library::Impl::deliver_requests() {
  using Link = void* [2];
  auto* head = reinterpret_cast<Link*>(&raft.legacy.requests);
  while ((*head)[0] != static_cast<void*>(head)) {
    auto* link = static_cast<Link*>((*head)[0]);
    auto* next = static_cast<Link*>((*link)[0]);
    auto* previous = static_cast<Link*>((*link)[1]);
    (*previous)[0] = next;
    (*next)[1] = previous;
    // All requests begin alike.
    auto* request = reinterpret_cast<struct raft_apply*>(reinterpret_cast<char*>(link) - offsetof(struct raft_apply, queue));
    switch (request->type) {
      case RAFT_COMMAND: request->cb(request, request->status, request->result); break;
      case RAFT_BARRIER: {
        auto* barrier = reinterpret_cast<struct raft_barrier*>(request);
        barrier->cb(barrier, barrier->status);
        break;
      }
      case RAFT_CHANGE: {
        auto* change = reinterpret_cast<raft_change*>(request);
        change->cb(change, change->status);
        break;
      }
      default: {
        auto* transfer = reinterpret_cast<struct raft_transfer*>(request);
        transfer->cb(transfer);
        break;
      }
    }
  }
}

}  // namespace gabion::metadata::raft
