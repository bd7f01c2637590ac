#include "metadata/raft/library.h"

#include <climits>
#include <cstring>

#include "common/check.h"
#include "metadata/raft/library_impl.h"

namespace gabion::metadata::raft {
namespace {

constexpr unsigned kInstallTimeoutMs = 24 * 3600 * 1000;  // longer than any transfer: a lost one is noticed by other means
constexpr unsigned kEntriesInFlight = 64;
constexpr unsigned kCatchUpRoundMs = 60'000;

struct Proposal {
  struct raft_apply request{};
  Library::Host* host = nullptr;
};
struct Barrier {
  struct raft_barrier request{};
  Library::Done done;
};
struct Change {
  raft_change request{};
  Library::Done done;
};
struct Transfer {
  struct raft_transfer request{};
  Library::Done done;
};

// Requests of one kind differ in type alone: the library calls back with the request, which is the first member.
template <class Request, class Raw>
void complete(Raw* raw, int status) {
  const std::unique_ptr<Request> request(reinterpret_cast<Request*>(raw));
  request->done(status);
}

void on_change(raft_change* request, int status) { complete<Change>(request, status); }

unsigned to_ms(Duration duration) {
  return static_cast<unsigned>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

}  // namespace

Error library_error(int number) {
  switch (number) {
    case RAFT_NOTLEADER: return {Errc::not_leader, "this node does not lead the group"};
    case RAFT_LEADERSHIPLOST: return {Errc::unknown_outcome, "the leadership was lost while this was under way"};
    case RAFT_CANTCHANGE: return {Errc::conflict, "another change of the members is under way"};
    case RAFT_NOCONNECTION: return {Errc::unavailable, "the member does not answer or is too slow to catch up"};
    case RAFT_BADID:
    case RAFT_NOTFOUND: return {Errc::not_found, "there is no such member, or it has no vote"};
    case RAFT_BADROLE:
    case RAFT_DUPLICATEID:
    case RAFT_DUPLICATEADDRESS: return {Errc::already_exists, "the node has this role already"};
    case RAFT_SHUTDOWN:
    case RAFT_CANCELED: return {Errc::unknown_outcome, "the node is stopping"};
    default: return {Errc::unavailable, std::string("raft: ") + raft_strerror(number)};
  }
}

std::vector<Member> to_members(const raft_configuration& configuration) {
  std::vector<Member> members;
  for (unsigned i = 0; i < configuration.n; ++i) {
    const raft_server& server = configuration.servers[i];
    members.push_back({to_node(server.id), *member_role(server.role)});
  }
  return members;
}

void to_configuration(const std::vector<Member>& members, raft_configuration& configuration) {
  raft_configuration_init(&configuration);
  for (const Member& member : members) {
    const int failed = raft_configuration_add(&configuration, to_library(member.node), to_string(member.node).c_str(),
                                              library_role(member.role));
    GABION_CHECK(failed == 0, "members were checked when they were decoded");
  }
}

Library::Library(Host& host, NodeId self, const Timing& timing) : impl_(std::make_unique<Impl>(host, self)) {
  Impl& impl = *impl_;
  impl.set_callbacks();
  const int failed = raft_init(&impl.raft, &impl.io, &impl.fsm, to_library(self), to_string(self).c_str());
  GABION_CHECK(failed == 0, "libraft cannot be initialised");
  raft_set_election_timeout(&impl.raft, to_ms(timing.election));
  raft_set_heartbeat_timeout(&impl.raft, to_ms(timing.heartbeat));
  raft_set_install_snapshot_timeout(&impl.raft, kInstallTimeoutMs);
  raft_set_max_inflight_entries(&impl.raft, kEntriesInFlight);
  raft_set_max_catch_up_round_duration(&impl.raft, kCatchUpRoundMs);
  raft_set_pre_vote(&impl.raft, true);
  // Space is the journal's business, and snapshots are taken by bytes, in cut().
  raft_set_capacity_threshold(&impl.raft, 0);
  raft_set_snapshot_threshold(&impl.raft, UINT_MAX);
}

Library::~Library() {
  if (!impl_->closed) close();
}

Result<void> Library::start(Recovered recovered) {
  impl_->recovered = std::move(recovered);
  if (const int failed = raft_start(&impl_->raft); failed != 0) return library_error(failed);
  impl_->started = true;
  impl_->settle();
  return {};
}

void Library::close() {
  Impl& impl = *impl_;
  impl.closed = true;
  raft_close(&impl.raft, nullptr);
  for (; !impl.appends.empty(); impl.appends.pop_front()) {
    raft_io_append* request = impl.appends.front().request;
    request->cb(request, RAFT_CANCELED);
  }
  if (raft_io_snapshot_put* request = std::exchange(impl.installing, nullptr)) request->cb(request, RAFT_CANCELED);
  for (; !impl.deferred.empty(); impl.deferred.pop_front()) impl.deferred.front()();
  impl.on_closed(&impl.io);
}

void Library::tick() {
  impl_->on_tick(&impl_->io);
  impl_->settle();
}

void Library::persisted() {
  raft_io_append* request = impl_->appends.front().request;
  impl_->appends.pop_front();
  if (impl_->appends.empty()) impl_->refuse_entries = false;
  request->cb(request, 0);
  impl_->settle();
}

void Library::installed() {
  raft_io_snapshot_put* request = std::exchange(impl_->installing, nullptr);
  impl_->snapshot = std::move(impl_->to_install);
  request->cb(request, 0);
  impl_->settle();
}

void Library::campaign() {
  ::raft& raft = impl_->raft;
  if (raft.state == RAFT_CANDIDATE && raft.candidate_state.in_pre_vote) raft.candidate_state.randomized_election_timeout = 0;
  if (raft.state == RAFT_FOLLOWER && raft.follower_state.current_leader.id == 0) {
    raft.follower_state.randomized_election_timeout = 0;
  }
}

Result<std::uint64_t> Library::propose(std::string_view data) {
  auto proposal = std::make_unique<Proposal>();
  proposal->host = &impl_->host;
  // One buffer only: the library takes more of them and loses all but the first.
  raft_buffer buffer{};
  buffer.len = data.size();
  buffer.base = raft_malloc(data.size());
  std::memcpy(buffer.base, data.data(), data.size());
  const int failed = raft_apply(&impl_->raft, &proposal->request, &buffer, 1, [](struct raft_apply* request, int status, void*) {
    const std::unique_ptr<Proposal> done(reinterpret_cast<Proposal*>(request));
    done->host->proposed(request->index, status == 0);
  });
  if (failed != 0) {
    raft_free(buffer.base);
    return library_error(failed);
  }
  const std::uint64_t index = proposal.release()->request.index;
  impl_->settle();
  return index;
}

Result<void> Library::barrier(Done done) {
  auto barrier = std::make_unique<Barrier>();
  barrier->done = std::move(done);
  const int failed = raft_barrier(&impl_->raft, &barrier->request,
                                  [](struct raft_barrier* request, int status) { complete<Barrier>(request, status); });
  if (failed != 0) return library_error(failed);
  (void)barrier.release();
  impl_->settle();
  return {};
}

Result<void> Library::add(NodeId node, Done done) {
  if (!members_settled() || impl_->raft.legacy.change != nullptr) return library_error(RAFT_CANTCHANGE);
  auto change = std::make_unique<Change>();
  change->done = std::move(done);
  const int failed = raft_add(&impl_->raft, &change->request, to_library(node), to_string(node).c_str(), on_change);
  if (failed != 0) return library_error(failed);
  (void)change.release();
  impl_->settle();
  return {};
}

Result<void> Library::assign(NodeId node, MemberRole role, Done done) {
  if (!members_settled() || impl_->raft.legacy.change != nullptr) return library_error(RAFT_CANTCHANGE);
  auto change = std::make_unique<Change>();
  change->done = std::move(done);
  const int failed = raft_assign(&impl_->raft, &change->request, to_library(node), library_role(role), on_change);
  if (failed != 0) {
    impl_->raft.legacy.change = nullptr;  // it may have been left there
    return library_error(failed);
  }
  (void)change.release();
  impl_->settle();
  return {};
}

Result<void> Library::remove(NodeId node, Done done) {
  if (!members_settled() || impl_->raft.legacy.change != nullptr) return library_error(RAFT_CANTCHANGE);
  auto change = std::make_unique<Change>();
  change->done = std::move(done);
  const int failed = raft_remove(&impl_->raft, &change->request, to_library(node), on_change);
  if (failed != 0) return library_error(failed);
  (void)change.release();
  impl_->settle();
  return {};
}

Result<void> Library::transfer(NodeId to, Done done) {
  if (impl_->raft.transfer != nullptr) return Error(Errc::conflict, "the leadership is being transferred already");
  auto transfer = std::make_unique<Transfer>();
  transfer->done = std::move(done);
  const int failed = raft_transfer(&impl_->raft, &transfer->request, to_library(to),
                                   [](struct raft_transfer* request) { complete<Transfer>(request, 0); });
  if (failed != 0) return library_error(failed);
  (void)transfer.release();
  impl_->settle();
  return {};
}

bool Library::cut() {
  ::raft& raft = impl_->raft;
  const std::uint64_t before = impl_->snapshot ? impl_->snapshot->index : 0;
  // After a start the library knows members that are newer than what it knows to be committed.
  const std::uint64_t open = raft.configuration_uncommitted_index;
  const bool members_known =
      raft.configuration_committed_index <= raft.commit_index && (open == 0 || open > raft.commit_index);
  if (state() == State::unavailable || raft.last_applied != raft.commit_index || raft.commit_index <= before ||
      raft.last_stored < raft.commit_index || raft.snapshot.installing || !members_known) {
    return false;
  }
  // The library looks whether it is time for a snapshot with every event; a tick more does no harm.
  impl_->taking = true;
  raft_set_snapshot_threshold(&raft, 1);
  impl_->on_tick(&impl_->io);
  raft_set_snapshot_threshold(&raft, UINT_MAX);
  impl_->settle();
  impl_->taking = false;
  return impl_->snapshot && impl_->snapshot->index > before;
}

const std::optional<Snapshot>& Library::snapshot() const { return impl_->snapshot; }

Library::State Library::state() const {
  switch (impl_->raft.state) {
    case RAFT_FOLLOWER: return State::follower;
    case RAFT_CANDIDATE: return State::candidate;
    case RAFT_LEADER: return State::leader;
    default: return State::unavailable;
  }
}

bool Library::transferring() const { return impl_->raft.transfer != nullptr; }
bool Library::installing() const { return impl_->raft.snapshot.installing; }
std::uint64_t Library::term() const { return raft_current_term(&impl_->raft); }
std::uint64_t Library::committed() const { return raft_commit_index(&impl_->raft); }
std::uint64_t Library::passed() const { return raft_last_applied(&impl_->raft); }
std::uint64_t Library::last_index() const { return raft_last_index(&impl_->raft); }
std::uint64_t Library::last_stored() const { return impl_->raft.last_stored; }

NodeId Library::leader() const {
  raft_id id = 0;
  const char* address = nullptr;
  raft_leader(&impl_->raft, &id, &address);
  return to_node(id);
}

std::vector<Member> Library::members() const { return to_members(impl_->raft.configuration); }

std::pair<std::uint64_t, std::uint64_t> Library::members_version() const {
  return {impl_->raft.configuration_committed_index, impl_->raft.configuration_uncommitted_index};
}

bool Library::members_settled() const { return impl_->raft.configuration_uncommitted_index == 0; }

std::uint64_t Library::matched(NodeId node) const {
  raft_index index = 0;
  return raft_match_index(&impl_->raft, to_library(node), &index) == 0 ? index : 0;
}

}  // namespace gabion::metadata::raft
