#include "metadata/local_metadata.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/rocks_state.h"

namespace gabion::metadata {
namespace {

// A member that is about to apply a split makes its state itself; whoever did not by then gets it from another one.
constexpr Duration kUnknownPatience = std::chrono::seconds(3);
constexpr Duration kOpeningPoll = std::chrono::milliseconds(10);
constexpr Duration kOpeningRetry = std::chrono::seconds(1);

std::unique_ptr<StateStorages> make_states(LocalMetadataOptions& options) {
  if (options.states) return std::move(options.states);
  std::vector<RocksDrives::Place> places;
  for (const MetadataDrive& drive : options.drives) places.push_back({drive.disk, drive.path});
  return std::make_unique<RocksStates>(std::move(places), options.rocks, *options.rng);
}

std::vector<raft::Member> founders_of(const SplitRange& split) {
  std::vector<raft::Member> founders;
  for (const std::uint32_t voter : split.voters()) founders.push_back({NodeId{voter}, raft::MemberRole::voter});
  return founders;
}

}  // namespace

void LocalMetadataMetrics::add_to(MetricsRegistry& registry) const {
  registry.add("gabion_metadata_commands_total", "Commands committed.", "", group.commands);
  registry.add("gabion_metadata_rounds_total", "Batches of commands committed.", "", group.rounds);
  registry.add("gabion_metadata_round_seconds", "Time from taking a batch to its completion.", "", group.round_seconds);
  registry.add("gabion_metadata_checkpoints_total", "Checkpoints of the state.", "", group.checkpoints);
  registry.add("gabion_metadata_moves_total", "Moves of the state away from a failed drive.", "", moves);
}

LocalMetadata::LocalMetadata(LocalMetadataOptions options)
    : options_(std::move(options)), states_(make_states(options_)), root_(&member(kRootGroup)) {}

LocalMetadata::~LocalMetadata() {
  GABION_CHECK(stopped_ || !started_, "the metadata service is destroyed while it runs");
}

task<Result<std::unique_ptr<LocalMetadata>>> LocalMetadata::open(LocalMetadataOptions options) {
  GABION_CHECK(options.clock != nullptr && options.rng != nullptr && options.metrics != nullptr, "an option is missing");
  GABION_CHECK(!options.drives.empty(), "metadata needs a drive");
  std::unique_ptr<LocalMetadata> metadata(new LocalMetadata(std::move(options)));
  CO_CHECK(co_await run_on(metadata->options_.commit, metadata->start()));
  co_return metadata;
}

task<Result<void>> LocalMetadata::start() {
  LogOptions log;
  for (const MetadataDrive& drive : options_.drives) log.drives.emplace_back(drive.id, drive.disk, drive.executor);
  log.required = options_.required_log_replicas;
  log.allow_new = options_.allow_new;
  log.segment_bytes = options_.log_segment_bytes;
  CO_TRY(log_, co_await MirroredLog::open(std::move(log), *options_.rng));
  raft::RaftNodeOptions node;
  node.self = options_.self;
  node.executor = options_.commit;
  node.clock = options_.clock;
  node.rng = options_.rng;
  node.log = log_.get();
  node.transport = options_.transport;
  node.metrics = &options_.metrics->group;
  node.timing = options_.timing;
  node.unknown_group = [this](GroupId group) { on_unknown(group); };
  node.checkpoint_log_bytes = options_.checkpoint_log_bytes;
  node.entry_memory_bytes = options_.entry_memory_bytes;
  CO_TRY(node_, co_await raft::RaftNode::open(std::move(node)));
  auto opened = co_await open_known();
  if (!opened) co_await node_->stop();
  started_ = opened.has_value();
  co_return opened;
}

// The older ones first: applying what their logs have may make younger ones known, and the states of those that lost theirs.
// One that cannot be opened takes no other with it.
task<Result<void>> LocalMetadata::open_known() {
  std::vector<raft::Member> founders;
  if (options_.allow_new && !node_->knows(kRootGroup)) founders = options_.founders;
  CO_CHECK(co_await open_group(kRootGroup, std::move(founders)));
  for (;;) {
    const auto known = node_->known();
    const auto next = std::find_if(known.begin(), known.end(), [this](GroupId id) {
      return find(id) == nullptr && !coming_.contains(id);
    });
    if (next == known.end()) co_return Result<void>();
    if (!co_await open_group(*next, {})) open_soon(*next, false);
  }
}

task<Result<void>> LocalMetadata::open_group(GroupId id, std::vector<raft::Member> founders) {
  if (find(id) != nullptr || !opening_.insert(id).second) co_return Result<void>();
  auto opened = co_await member(id).open(states_->of(id), *log_, *node_, std::move(founders));
  opening_.erase(id);
  unknown_.erase(id);
  co_return opened;
}

void LocalMetadata::open_soon(GroupId id, bool campaign) {
  if (!coming_.insert(id).second) return;
  spawn(options_.commit, gate_, "a group that is to be opened", open_later(id, campaign));
}

task<void> LocalMetadata::open_later(GroupId id, bool campaign) {
  for (std::string said; !stopped_; co_await options_.clock->sleep(kOpeningRetry)) {
    if (preparing_.contains(id)) continue;
    const auto opened = co_await open_group(id, {});
    if (opened && campaign) node_->campaign(id);
    if (opened) break;
    if (std::exchange(said, opened.error().message) != opened.error().message) {
      LOG(error, "metadata", "a group of the metadata cannot be opened", field("group", id), field("error", said));
    }
    if (node_->is_unusable(id)) co_return;
  }
  coming_.erase(id);
}

// --- Groups that come while the node runs ---

void LocalMetadata::on_unknown(GroupId id) {
  if (!started_ || coming_.contains(id) || preparing_.contains(id) || !options_.exists || !options_.exists(id)) return;
  if (comes_by_split(id)) return;
  const TimePoint now = options_.clock->now();
  if (now - unknown_.emplace(id, now).first->second < kUnknownPatience) return;
  LOG(info, "metadata", "this node takes part in another group of the metadata", field("group", id));
  open_soon(id, false);
}

// A member here has not got to the split yet, and makes the state then. Were the group opened with nothing before, and so on too
// many members, then nobody could lead it.
bool LocalMetadata::comes_by_split(GroupId id) const {
  if (!options_.start_of) return false;
  const std::string start = options_.start_of(id);
  const auto all = groups();
  return std::any_of(all.begin(), all.end(), [this, &start](const LocalGroup* group) {
    const auto view = group->state().current();
    if (view == nullptr || !view->range->owns(start)) return false;
    const auto members = group->raft().status().members;
    return std::any_of(members.begin(), members.end(), [this](const raft::Member& one) { return one.node == options_.self; });
  });
}

task<Result<void>> LocalMetadata::prepare(SplitRange split, StateStorage& storage, std::size_t drive) {
  const auto& voters = split.voters();
  if (std::find(voters.begin(), voters.end(), static_cast<std::uint32_t>(options_.self)) == voters.end()) {
    co_return Result<void>();
  }
  preparing_.insert(split.child());
  auto made = co_await make_child(split, storage, drive);
  preparing_.erase(split.child());
  co_return made;
}

// What the drive has already, as after a crash, is left as it is. A child that is open there without a state gets it from its
// leader.
task<Result<void>> LocalMetadata::make_child(SplitRange split, StateStorage& storage, std::size_t drive) {
  const GroupId child = split.child();
  while (opening_.contains(child)) co_await options_.clock->sleep(kOpeningPoll);
  StateStorage& place = states_->of(child);
  CO_TRY(const bool made, co_await offload(options_.readers, [&split, &storage, &place, drive] {
    const auto change = [&split](KvStore& store) { return become_child(store, split, raft::kBaseIndex); };
    return storage.split_off(drive, place, change, raft::kBaseIndex);
  }));
  LocalGroup* const open = find(child);
  if (made && open != nullptr) open->state().note_copy(drive, raft::kBaseIndex);
  if (open != nullptr || node_->knows(child)) co_return Result<void>();
  co_return co_await node_->found(child, founders_of(split));
}

// Who leads the parent knows first, and is the first who can be elected.
void LocalMetadata::divided(GroupId parent, GroupId child) {
  LocalGroup* const from = find(parent);
  if (!started_ || from == nullptr || !node_->knows(child)) return;
  if (find(child) == nullptr) open_soon(child, from->raft().status().leads);
}

bool LocalMetadata::may_copy(GroupId parent) const {
  const auto known = node_->known();
  return std::none_of(known.begin(), known.end(), [this, parent](GroupId id) {
    if (id <= parent) return false;
    const LocalGroup* const younger = find(id);
    return younger == nullptr || younger->state().is_first_copy_due();
  });
}

// --- Drives, and the end ---

task<Result<void>> LocalMetadata::fail_drive(DriveId drive, std::string why) {
  for (std::size_t i = 0; i < options_.drives.size(); ++i) {
    if (options_.drives[i].id == drive) co_return co_await run_on(options_.commit, fail_now(i, std::move(why)));
  }
  co_return Error(Errc::not_found, "this drive holds no metadata");
}

// The older groups first: where a younger one is lost, its parent makes its state again.
task<Result<void>> LocalMetadata::fail_now(std::size_t drive, std::string why) {
  if (!gate_.enter()) co_return Error(Errc::cancelled, "the metadata service is stopping");
  const auto all = groups();
  for (LocalGroup* group : all) group->state().note_lost(drive, why);
  co_await node_->fail_log_drive(drive, why);
  options_.metrics->moves.add();
  Result<void> result;
  for (LocalGroup* group : all) {
    if (auto failed = co_await group->state().fail_drive(drive, why); !failed) result = failed;
  }
  gate_.leave();
  co_return result;
}

task<void> LocalMetadata::checkpoint() {
  auto made = co_await run_on(options_.commit, node_->checkpoint());
  if (!made) LOG(error, "metadata", "the metadata state cannot be made durable", field("error", made.error().message));
}

task<void> LocalMetadata::hand_over(Duration within) { return run_on(options_.commit, node_->hand_over(within)); }

task<void> LocalMetadata::stop() { co_await run_on(options_.commit, stop_now()); }

task<void> LocalMetadata::stop_now() {
  if (std::exchange(stopped_, true)) co_return;
  co_await gate_.close();
  for (LocalGroup* group : groups()) co_await group->close();
  co_await node_->stop();
  co_await log_->close();
}

LocalGroup& LocalMetadata::member(GroupId id) {
  const std::lock_guard lock(mutex_);
  auto& group = groups_[id];
  if (group) return *group;
  LocalGroup::Options options;
  options.state.readers = options_.readers;
  options.state.background = options_.background;
  options.state.clock = options_.clock;
  options.state.cluster = options_.cluster;
  options.state.group = id;
  options.state.fetch = options_.fetch;
  options.state.splits = this;
  options.commit = options_.commit;
  options.moves = &options_.metrics->moves;
  group = std::make_unique<LocalGroup>(std::move(options));
  return *group;
}

LocalGroup* LocalMetadata::find(GroupId group) const {
  if (group == kRootGroup) return root_->is_open() ? root_ : nullptr;
  const std::lock_guard lock(mutex_);
  const auto it = groups_.find(group);
  return it != groups_.end() && it->second->is_open() ? it->second.get() : nullptr;
}

std::vector<LocalGroup*> LocalMetadata::groups() const {
  const std::lock_guard lock(mutex_);
  std::vector<LocalGroup*> all;
  for (const auto& [id, group] : groups_) {
    if (group->is_open()) all.push_back(group.get());
  }
  return all;
}

task<Result<PinnedState>> LocalMetadata::pin(GroupId group) {
  LocalGroup* const here = find(group);
  if (here == nullptr) co_return Error(Errc::not_found, "this node has no state of the group");
  co_return co_await here->pin();
}

MetadataStatus LocalMetadata::status() const {
  MetadataStatus status;
  status.log = log_->status();
  status.state = root_->state().status();
  status.applied = root_->state().applied();
  status.commands = root_->state().commands();
  status.group = root_->raft().status();
  for (const LocalGroup* group : groups()) {
    const auto copies = group->state().status();
    for (std::size_t i = 0; i < copies.size(); ++i) {
      if (!status.state[i].healthy || copies[i].healthy) continue;
      status.state[i].healthy = false;
      status.state[i].error = copies[i].error;
    }
  }
  return status;
}

}  // namespace gabion::metadata
