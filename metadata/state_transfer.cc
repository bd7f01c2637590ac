#include "metadata/state_transfer.h"

#include <algorithm>
#include <set>

#include "common/crc.h"
#include "common/log.h"
#include "metadata/rpc.pb.h"

namespace gabion::metadata {
namespace {

constexpr Duration kWatch = std::chrono::seconds(1);
constexpr Duration kPauseFirst = std::chrono::milliseconds(50);
constexpr Duration kPauseMost = std::chrono::seconds(2);
constexpr std::size_t kNameMax = 100;

// A name that comes from another node becomes a file of ours.
bool harmless(const std::string& name) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
  return !name.empty() && name.size() <= kNameMax && name.front() != '.' && name.find_first_not_of(kLetters) == std::string::npos;
}

}  // namespace

// --- StateSource ---

std::size_t StateSource::pinned() const {
  const std::lock_guard lock(mutex_);
  return leases_.size();
}

task<Result<rpc::Reply>> StateSource::handle(Context, rpc::Peer peer, rpc::Method method, std::string header, Bytes) {
  if (peer.node == NodeId{}) co_return Error(Errc::denied, "only members of the cluster get its state");
  if (!gate_.enter()) co_return Error(Errc::unavailable, "the node is stopping");
  Result<rpc::Reply> reply = Error(Errc::invalid, "not a question about a state");
  if (method == rpc::Method::snapshot_open) {
    StateOpenRequest request;
    if (request.ParseFromString(header)) reply = co_await open(peer.node, request.group(), request.index());
  } else if (method == rpc::Method::snapshot_read) {
    reply = co_await read(peer.node, std::move(header));
  }
  gate_.leave();
  co_return reply;
}

task<Result<rpc::Reply>> StateSource::open(NodeId peer, raft::GroupId group, std::uint64_t index) {
  std::vector<std::shared_ptr<StateExport>> old;
  {
    const std::lock_guard lock(mutex_);
    // Who asks anew for the state of a group has given up what it had of it.
    for (auto it = leases_.begin(); it != leases_.end();) {
      if (it->second.holder == peer && it->second.group == group) {
        old.push_back(std::move(it->second.state));
        it = leases_.erase(it);
      } else {
        ++it;
      }
    }
    if (leases_.size() + opening_ >= options_.most)
      co_return Error(Errc::exhausted, "this node gives its state to as many others as it can");
    ++opening_;
  }
  if (!old.empty()) co_await let_go(std::move(old));
  auto pinned = co_await options_.pin(group);
  const std::lock_guard lock(mutex_);
  --opening_;
  if (!pinned) co_return pinned.error();
  if (pinned->index < index) co_return Error(Errc::unavailable, "the state of this node is behind the one that is needed");
  if (stopping_) co_return Error(Errc::unavailable, "the node is stopping");

  StateOpenAnswer answer;
  std::uint64_t number = options_.rng->next();
  while (number == 0 || leases_.contains(number)) number = options_.rng->next();
  answer.set_lease(number);
  answer.set_index(pinned->index);
  answer.set_lineage(std::string(pinned->state->lineage().raw()));
  for (const StateFile& file : pinned->state->files()) {
    auto& listed = *answer.add_files();
    listed.set_name(file.name);
    listed.set_size(file.size);
  }
  leases_[number] = {peer, group, options_.clock->now() + options_.lease, std::move(pinned->state)};
  if (!watching_) watching_ = spawn(options_.executor, gate_, "leases of states", watch());
  rpc::Reply reply;
  reply.header = answer.SerializeAsString();
  co_return reply;
}

task<Result<rpc::Reply>> StateSource::read(NodeId peer, std::string header) {
  StateReadRequest request;
  if (!request.ParseFromString(header)) co_return Error(Errc::invalid, "not a question about a state");
  std::shared_ptr<StateExport> state;
  {
    const std::lock_guard lock(mutex_);
    const auto at = leases_.find(request.lease());
    if (at == leases_.end() || at->second.holder != peer) co_return Error(Errc::not_found, "this state is not kept any more");
    at->second.expires = options_.clock->now() + options_.lease;
    state = at->second.state;
    if (request.done()) leases_.erase(at);
  }
  if (request.done()) {
    std::vector<std::shared_ptr<StateExport>> done;
    done.push_back(std::move(state));
    co_await let_go(std::move(done));
    co_return rpc::Reply();
  }
  const bool within = request.file() < state->files().size() && request.length() != 0 && request.length() <= kStatePiece &&
                      request.offset() < state->files()[request.file()].size &&
                      request.length() <= state->files()[request.file()].size - request.offset();
  if (!within) co_return Error(Errc::invalid, "the state has no such piece");
  co_return co_await read_piece(std::move(state), request.file(), request.offset(), request.length());
}

task<Result<rpc::Reply>> StateSource::read_piece(std::shared_ptr<StateExport> state, std::size_t file, std::uint64_t offset,
                                                 std::size_t length) {
  std::uint32_t crc = 0;
  auto piece = co_await offload(options_.background, [&state, file, offset, length, &crc]() -> Result<Bytes> {
    auto bytes = state->read(file, offset, length);
    if (bytes) crc = crc32c(0, bytes->view());
    state.reset();  // perhaps the last to let go, which removes files
    return bytes;
  });
  if (!piece) co_return piece.error();
  StateReadAnswer answer;
  answer.set_crc32c(crc);
  rpc::Reply reply;
  reply.header = answer.SerializeAsString();
  reply.payload = *std::move(piece);
  co_return reply;
}

task<void> StateSource::let_go(std::vector<std::shared_ptr<StateExport>> states) {
  co_await offload(options_.background, [&states] { states.clear(); });
}

task<void> StateSource::watch() {
  for (;;) {
    co_await options_.clock->sleep(kWatch);
    std::vector<std::shared_ptr<StateExport>> expired;
    bool over = false;
    {
      const std::lock_guard lock(mutex_);
      for (auto it = leases_.begin(); it != leases_.end();) {
        if (!stopping_ && it->second.expires > options_.clock->now()) {
          ++it;
          continue;
        }
        if (!stopping_) {
          LOG(warn, "metadata", "a member stopped fetching the state", field("member", to_string(it->second.holder)));
        }
        expired.push_back(std::move(it->second.state));
        it = leases_.erase(it);
      }
      over = leases_.empty();
      if (over) watching_ = false;
    }
    if (!expired.empty()) co_await let_go(std::move(expired));
    if (over) co_return;
  }
}

task<void> StateSource::stop() {
  std::vector<std::shared_ptr<StateExport>> states;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [number, lease] : leases_) states.push_back(std::move(lease.state));
    leases_.clear();
  }
  if (!states.empty()) co_await let_go(std::move(states));
  co_await gate_.close();
}

// --- StateFetcher ---

StateFetcher::Patience StateFetcher::fresh() const { return {options_.clock->now() + options_.patience, kPauseFirst}; }

task<Result<void>> StateFetcher::wait(Patience& patience, const Error& why) {
  if (options_.cancelled && options_.cancelled()) co_return Error(Errc::cancelled, "the fetching of a state was stopped");
  if (options_.clock->now() >= patience.until) co_return why;
  co_await options_.clock->sleep(patience.pause);
  patience.pause = std::min(patience.pause * 2, kPauseMost);
  co_return Result<void>();
}

Context StateFetcher::call_context() const {
  Context ctx;
  ctx.deadline = options_.clock->now() + options_.call;
  ctx.priority = Priority::background;
  return ctx;
}

task<Result<std::uint64_t>> StateFetcher::fetch(NodeId from, raft::GroupId group, std::uint64_t index, StateImport& import) {
  Patience patience = fresh();
  for (;;) {
    rpc::Channel* channel = options_.peers->find(from);
    if (channel == nullptr) {
      CO_CHECK(co_await wait(patience, Error(Errc::unavailable, to_string(from) + " is not known here")));
      continue;
    }
    auto opened = co_await open(*channel, group, index);
    if (!opened) {
      CO_CHECK(co_await wait(patience, opened.error()));
      continue;
    }
    auto here = co_await offload(options_.background,
                                 [&import, &opened] { return import.begin(opened->lineage, opened->files); });
    if (!here) co_return here.error();
    auto fetched = co_await fetch_files(*channel, *opened, *here, import, patience);
    if (!fetched && fetched.error().code == Errc::not_found) {
      CO_CHECK(co_await wait(patience, fetched.error()));
      continue;
    }
    // Also after a failure: the source need not wait for its lease to end.
    StateReadRequest done;
    done.set_lease(opened->lease);
    done.set_done(true);
    static_cast<void>(co_await channel->call(call_context(), rpc::Method::snapshot_read, done.SerializeAsString(), {}));
    if (!fetched) co_return fetched.error();
    co_return opened->index;
  }
}

task<Result<StateFetcher::Opened>> StateFetcher::open(rpc::Channel& channel, raft::GroupId group, std::uint64_t index) {
  StateOpenRequest request;
  request.set_group(group);
  request.set_index(index);
  CO_TRY(auto reply, co_await channel.call(call_context(), rpc::Method::snapshot_open, request.SerializeAsString(), {}));
  co_return parse_opened(reply.header, index);
}

Result<StateFetcher::Opened> StateFetcher::parse_opened(const std::string& header, std::uint64_t index) {
  StateOpenAnswer answer;
  if (!answer.ParseFromString(header)) return Error(Errc::corrupt, "the description of a state is damaged");
  const auto lineage = StateLineage::from_raw(answer.lineage());
  if (!lineage || answer.index() < index) return Error(Errc::corrupt, "the description of a state makes no sense");
  if (static_cast<std::size_t>(answer.files_size()) > kStateFilesMax) {
    return Error(Errc::too_large, "the state has too many files");
  }
  Opened opened;
  opened.lease = answer.lease();
  opened.index = answer.index();
  opened.lineage = *lineage;
  std::set<std::string> names;
  for (const auto& file : answer.files()) {
    if (!harmless(file.name()) || !names.insert(file.name()).second)
      return Error(Errc::corrupt, "the description of a state names a file that cannot be one");
    opened.files.push_back({file.name(), file.size()});
  }
  return opened;
}

task<Result<void>> StateFetcher::fetch_files(rpc::Channel& channel, const Opened& opened, std::vector<bool> here,
                                             StateImport& import, Patience& patience) {
  for (std::size_t file = 0; file < opened.files.size(); ++file) {
    if (here[file]) continue;
    CO_CHECK(co_await fetch_file(channel, opened.lease, file, opened.files[file].size, import, patience));
  }
  co_return Result<void>();
}

task<Result<void>> StateFetcher::fetch_file(rpc::Channel& channel, std::uint64_t lease, std::size_t file, std::uint64_t size,
                                            StateImport& import, Patience& patience) {
  for (std::uint64_t offset = 0; offset < size;) {
    std::vector<Piece> pieces;
    std::vector<task<Result<Bytes>>> asked;
    for (std::uint64_t at = offset; at < size && pieces.size() < options_.in_flight; at += kStatePiece) {
      pieces.push_back({file, at, static_cast<std::size_t>(std::min<std::uint64_t>(kStatePiece, size - at))});
      asked.push_back(fetch_piece(channel, lease, pieces.back()));
    }
    auto came = co_await gather(std::move(asked));
    // What came in order counts; behind a gap everything is asked for again.
    std::optional<Error> failure;
    for (std::size_t i = 0; i < pieces.size() && !failure; ++i) {
      if (!came[i]) {
        failure = came[i].error();
        break;
      }
      const Piece piece = pieces[i];
      Bytes bytes = *std::move(came[i]);
      CO_CHECK(co_await offload(options_.background, [&import, &piece, &bytes] {
        return import.write(piece.file, piece.offset, bytes);
      }));
      offset = piece.offset + piece.length;
      patience = fresh();
    }
    if (!failure) continue;
    if (failure->code == Errc::not_found) co_return *failure;
    CO_CHECK(co_await wait(patience, *failure));
  }
  co_return co_await offload(options_.background, [&import, file] { return import.finish(file); });
}

task<Result<Bytes>> StateFetcher::fetch_piece(rpc::Channel& channel, std::uint64_t lease, Piece piece) {
  StateReadRequest request;
  request.set_lease(lease);
  request.set_file(static_cast<std::uint32_t>(piece.file));
  request.set_offset(piece.offset);
  request.set_length(static_cast<std::uint32_t>(piece.length));
  CO_TRY(auto reply, co_await channel.call(call_context(), rpc::Method::snapshot_read, request.SerializeAsString(), {}));
  StateReadAnswer answer;
  if (!answer.ParseFromString(reply.header) || reply.payload.size() != piece.length ||
      answer.crc32c() != crc32c(0, reply.payload.view())) {
    co_return Error(Errc::corrupt, "a piece of a state arrived damaged");
  }
  co_return std::move(reply.payload);
}

}  // namespace gabion::metadata
