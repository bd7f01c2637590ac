#include "tests/sim/raft/split_cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/unit/metadata/commands.h"

namespace gabion::metadata::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMachines = 3;
constexpr int kClients = 4;
constexpr Duration kAttempt = 400ms;
constexpr Duration kConvergence = 60s;

std::string row(BucketId bucket, const std::string& key) {
  std::string out;
  append_be64(out, bucket);
  return out + key;
}

bool passing(Errc code) { return code != Errc::not_found && code != Errc::moved && code != Errc::invalid; }

}  // namespace

SplitCluster::SplitCluster(std::uint64_t seed, SplitTroubles troubles)
    : world_(seed), choices_(seed * 7919 + 5), network_(world_), troubles_(troubles) {
  SplitMachine::Options options;
  for (std::uint32_t n = 1; n <= kMachines; ++n) options.founders.push_back({NodeId{n}, raft::MemberRole::voter});
  options.exists = [this](GroupId group) { return group <= last_group_; };
  options.start_of = [this](GroupId group) { return starts_[group]; };
  options.checkpoint_log_bytes = (4 + choices_.below(40)) * KiB;
  options.entry_memory_bytes = (2 + choices_.below(20)) * KiB;
  for (std::uint32_t n = 1; n <= kMachines; ++n) {
    machines_.push_back(std::make_unique<SplitMachine>(NodeId{n}, world_, network_, choices_, options));
  }
}

SplitCluster::~SplitCluster() = default;

void SplitCluster::broken(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

std::string SplitCluster::describe() {
  std::string out;
  for (auto& machine : machines_) {
    out += fmt::format("; {}{}", to_string(machine->id()), machine->off() ? " is off" : machine->life() ? "" : " is not up");
    const auto life = machine->life();
    if (!life) continue;
    for (const LocalGroup* const group : life->metadata->groups()) {
      const auto status = group->raft().status();
      out += fmt::format(", group {} {} term {} applied {} of {}", group->id(), status.leads ? "leads in" : "follows in",
                         status.term, status.applied, status.last_index);
    }
  }
  return out;
}

bool SplitCluster::step() {
  if (!failure_.empty() || !world_.step()) return false;
  for (auto& machine : machines_) {
    if (machine->power_lost()) cut_machine(*machine);
  }
  return true;
}

template <class Condition>
bool SplitCluster::run_until(Condition condition, Duration limit) {
  const std::uint64_t end = world_.now_ns() + static_cast<std::uint64_t>(limit.count());
  while (!condition()) {
    if (world_.now_ns() > end || !step()) return condition();
  }
  return true;
}

// --- Machines ---

task<void> SplitCluster::do_start(SplitMachine& machine) {
  const auto started = co_await run_on(machine.processor().executor(), machine.start());
  if (!started) broken(fmt::format("{} does not start: {}", to_string(machine.id()), started.error().message));
  busy_.erase(machine.id());
}

task<void> SplitCluster::do_stop(SplitMachine& machine) {
  co_await run_on(machine.processor().executor(), machine.stop());
  busy_.erase(machine.id());
}

task<void> SplitCluster::do_bury(SplitMachine& machine) {
  const auto how = sim::kCrashes[choices_.below(std::size(sim::kCrashes))];
  co_await run_on(machine.processor().executor(), machine.bury(how));
}

void SplitCluster::start_machine(SplitMachine& machine) {
  if (machine.off() && busy_.insert(machine.id()).second) spawn_task(do_start(machine));
}

void SplitCluster::stop_machine(SplitMachine& machine) {
  if (!machine.life() || !busy_.insert(machine.id()).second) return;
  machine.life()->stopping = true;
  spawn_task(do_stop(machine));
}

// Also while it starts, and not while it stops.
void SplitCluster::cut_machine(SplitMachine& machine) {
  if (!machine.alive() || machine.stopping()) return;
  ++crashes_;
  machine.cut();
  spawn_task(do_bury(machine));
}

void SplitCluster::heal() {
  network_.heal();
  network_.set_faults({});
}

void SplitCluster::strike() {
  SplitMachine& victim = *machines_[choices_.below(machines_.size())];
  switch (choices_.below(8)) {
    case 0:
      if (troubles_.messages) {
        sim::LinkFaults faults;
        faults.lost = static_cast<std::uint32_t>(choices_.below(250));
        faults.doubled = static_cast<std::uint32_t>(choices_.below(250));
        faults.late = static_cast<std::uint32_t>(choices_.below(250));
        network_.set_faults(faults);
      }
      break;
    case 1:
      if (troubles_.partitions) network_.isolate(victim.id());
      break;
    case 2: heal(); break;
    case 3:
      if (troubles_.pauses) victim.processor().pause_for(std::chrono::milliseconds(choices_.below(1500)));
      break;
    case 4:
      if (troubles_.restarts) stop_machine(victim);
      break;
    case 5:
      if (troubles_.crashes && victim.life()) victim.disk(choices_.below(2)).cut_power_after(choices_.below(40));
      break;
    case 6:
      if (!troubles_.crashes) break;
      if (choices_.below(6) != 0) cut_machine(victim);
      else for (auto& machine : machines_) cut_machine(*machine);
      break;
    default:
      for (auto& machine : machines_) start_machine(*machine);
      break;
  }
}

// --- Clients ---

std::string SplitCluster::new_id() {
  std::string id(16, '\0');
  for (char& c : id) c = static_cast<char>(choices_.below(256));
  return id;
}

std::vector<GroupId> SplitCluster::all_groups() const {
  std::vector<GroupId> groups;
  for (GroupId group = 0; group <= last_group_; ++group) groups.push_back(group);
  return groups;
}

template <class Value, class Ask>
task<SplitCluster::Decided<Value>> SplitCluster::ask_until(std::vector<GroupId> groups, Ask ask) {
  std::size_t which = 0;
  for (std::size_t i = choices_.below(kMachines); !over_; ++i) {
    const auto life = machines_[i % kMachines]->life();
    const std::vector<GroupId> candidates = groups.empty() ? all_groups() : groups;
    LocalGroup* const group = life ? life->metadata->find(candidates[which % candidates.size()]) : nullptr;
    if (group == nullptr || !life->work.enter()) {
      co_await world_.clock().sleep(std::chrono::milliseconds(1 + choices_.below(20)));
      continue;
    }
    Context ctx;
    ctx.deadline = world_.clock().now() + kAttempt;
    Result<Value> answer = co_await ask(*group, ctx);
    life->work.leave();
    if (life->dead) continue;
    if (answer) co_return std::pair(group->id(), *std::move(answer));
    if (answer.error().code == Errc::moved) {
      if (++which % candidates.size() == 0) co_await world_.clock().sleep(10ms);
    } else if (!passing(answer.error().code)) {
      broken(fmt::format("an answer that cannot be: {}", answer.error().message));
    } else {
      co_await world_.clock().sleep(std::chrono::milliseconds(choices_.below(10)));
    }
  }
  co_return std::nullopt;
}

task<SplitCluster::Decided<CommandResult>> SplitCluster::commit(std::vector<GroupId> groups, Command command) {
  return ask_until<CommandResult>(std::move(groups), [command = std::move(command)](LocalGroup& to, Context ctx) {
    return to.commit(ctx, command);
  });
}

task<void> SplitCluster::client(int number) {
  while (writing_) {
    const std::string key = fmt::format("{}{}-{}", static_cast<char>('a' + choices_.below(26)), number, ++keys_);
    const bool written = co_await write(key);
    if (!written) break;
    written_[key] = true;
    co_await read_back(choices_.below(2) == 0 ? key : std::next(written_.begin(), choices_.below(written_.size()))->first);
    co_await world_.clock().sleep(std::chrono::milliseconds(choices_.below(20)));
  }
  --clients_;
}

task<bool> SplitCluster::write(std::string key) {
  for (;;) {
    Command command = put(bucket_, key, "value of " + key);
    command.set_id(new_id());
    command.mutable_put_object()->mutable_conditions()->set_if_none_match_any(true);
    const auto result = co_await commit({}, std::move(command));
    if (!result) co_return false;
    if (result->second.outcome() == APPLIED) co_return true;
    if (result->second.outcome() != NO_SUCH_BUCKET || result->first == kRootGroup) {
      broken(fmt::format("{}: {}", key, Outcome_Name(result->second.outcome())));
      co_return false;
    }
    co_await open_bucket(result->first);
  }
}

task<void> SplitCluster::open_bucket(GroupId group) {
  Command raise;
  raise.mutable_raise_bucket()->set_bucket(bucket_);
  std::vector<GroupId> root{kRootGroup};
  const auto raised = co_await commit(std::move(root), std::move(raise));
  if (!raised) co_return;
  Command open;
  open.mutable_open_bucket()->set_bucket(bucket_);
  open.mutable_open_bucket()->set_generation(raised->second.bucket().generation());
  std::vector<GroupId> one{group};
  co_await commit(std::move(one), std::move(open));
}

task<void> SplitCluster::read_back(std::string key) {
  const auto found = co_await ask_until<Object>({}, [bucket = bucket_, key](LocalGroup& from, Context ctx) {
    return from.object(ctx, bucket, key, Metadata::With::version);
  });
  if (found) ++reads_;
  if (found && found->second.version.etag() != etag_bytes("value of " + key)) broken(key + " has another value");
}

// --- Dividing ---

task<void> SplitCluster::divide_all(std::vector<std::string> places) {
  dividing_ = true;
  for (const std::string& place : places) {
    co_await world_.clock().sleep(std::chrono::milliseconds(200 + choices_.below(1500)));
    starts_[++last_group_] = row(bucket_, place);
    const bool done = co_await divide(starts_[last_group_], last_group_);
    if (!done) break;
    ++splits_;
    for (const GroupId group : all_groups()) co_await trim(group);
  }
  dividing_ = false;
}

// As the cluster's leader does it: again and again, until the child answers. One of the groups has the place.
task<bool> SplitCluster::divide(std::string place, GroupId child) {
  for (GroupId parent = 0; parent < child; ++parent) {
    Command command;
    command.mutable_split_range()->set_at(place);
    command.mutable_split_range()->set_child(child);
    std::vector<GroupId> one{parent};
    const auto result = co_await commit(std::move(one), std::move(command));
    if (!result) co_return false;
    if (result->second.outcome() != APPLIED) continue;
    std::vector<GroupId> born{child};
    const auto answer = co_await ask_until<std::vector<ManifestId>>(std::move(born), [](LocalGroup& to, Context ctx) {
      return to.live_manifests(ctx, to.id(), {1});
    });
    co_return answer.has_value();
  }
  broken("no group can be divided there");
  co_return false;
}

task<void> SplitCluster::trim(GroupId group) {
  for (bool more = true; more;) {
    Command command;
    command.mutable_trim_range()->set_limit(20);
    std::vector<GroupId> one{group};
    const auto result = co_await commit(std::move(one), std::move(command));
    if (!result) co_return;
    more = result->second.more();
  }
}

// --- The end ---

bool SplitCluster::settled() {
  for (const GroupId group : all_groups()) {
    std::uint64_t last = 0;
    for (auto& machine : machines_) {
      const auto life = machine->life();
      LocalGroup* const here = life ? life->metadata->find(group) : nullptr;
      if (here == nullptr) return false;
      if (here->raft().status().leads) last = here->raft().status().last_index;
    }
    for (auto& machine : machines_) {
      if (last == 0 || machine->life()->metadata->find(group)->raft().status().applied != last) return false;
    }
  }
  return true;
}

bool SplitCluster::equal() {
  for (const GroupId group : all_groups()) {
    const std::string first = machines_.front()->dump(group);
    for (auto& machine : machines_) {
      if (machine->dump(group) == first && !first.empty()) continue;
      broken(fmt::format("{} has another state of group {}", to_string(machine->id()), group));
      return false;
    }
  }
  return true;
}

task<void> SplitCluster::check_all() {
  std::map<std::string, int> puts;
  for (const GroupId group : all_groups()) {
    std::vector<GroupId> one{group};
    const auto entries = co_await ask_until<std::vector<JournalEntry>>(
        std::move(one),
        [bucket = bucket_](LocalGroup& from, Context ctx) { return from.journal(ctx, from.id(), bucket, 0, 1'000'000); });
    if (!entries) co_return;
    for (const JournalEntry& entry : entries->second) ++puts[entry.key()];
  }
  for (const auto& [key, done] : written_) {
    if (puts[key] != 1) broken(fmt::format("{} was written {} times", key, puts[key]));
    co_await read_back(key);
  }
  checked_ = true;
}

bool SplitCluster::live(std::vector<std::string> places, Duration lasts) {
  for (auto& machine : machines_) start_machine(*machine);
  const auto found = [](SplitCluster& cluster) -> task<void> {
    std::vector<GroupId> root{kRootGroup};
    const auto made = co_await cluster.commit(std::move(root), create_bucket("b"));
    if (made) cluster.bucket_ = made->second.bucket().id();
  };
  spawn_task(found(*this));
  if (!run_until([this] { return bucket_ != 0; }, kConvergence)) broken("nothing is decided at the beginning" + describe());
  for (clients_ = 0; clients_ < kClients; ++clients_) spawn_task(client(clients_));
  spawn_task(divide_all(std::move(places)));
  const std::uint64_t end = world_.now_ns() + static_cast<std::uint64_t>(lasts.count());
  while (world_.now_ns() < end && failure_.empty()) {
    run_until([] { return false; }, std::chrono::milliseconds(20 + choices_.below(400)));
    strike();
  }
  heal();
  const auto calm = [this] {
    for (auto& machine : machines_) start_machine(*machine);
    return !dividing_;
  };
  if (!run_until(calm, kConvergence)) broken("the keys are not divided" + describe());
  writing_ = false;
  if (!run_until([&] { return calm() && clients_ == 0; }, kConvergence)) broken("a client waits for ever" + describe());
  if (!run_until([&] { return calm() && settled(); }, kConvergence)) broken("the members do not become equal" + describe());
  if (failure_.empty() && equal()) {
    spawn_task(check_all());
    if (!run_until([this] { return checked_; }, kConvergence)) broken("what was written cannot be read" + describe());
  }
  over_ = true;
  bool closed = false;
  const auto close = [](SplitCluster& cluster, bool& done) -> task<void> {
    co_await cluster.gate_.close();
    for (auto& machine : cluster.machines_) {
      if (!machine->life()) continue;
      machine->life()->stopping = true;
      co_await run_on(machine->processor().executor(), machine->stop());
    }
    done = true;
  };
  spawn(world_.executor(), closing_, "the end", close(*this, closed));
  for (std::uint64_t until = world_.now_ns() + 120'000'000'000; !closed && world_.now_ns() < until && world_.step();) {
    for (auto& machine : machines_) {
      if (machine->power_lost()) cut_machine(*machine);
    }
  }
  world_.run_for(1ms);  // what only remains to be let go
  return closed;
}

}  // namespace gabion::metadata::test
