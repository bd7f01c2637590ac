#include "tests/sim/raft/nemesis.h"

#include <fmt/format.h>

namespace gabion::metadata::raft::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSecond = 1'000'000'000;

sim::Crash any_crash(Rng& choices) { return sim::kCrashes[choices.below(std::size(sim::kCrashes))]; }

task<void> change(std::shared_ptr<Life> life, int what, NodeId node, Duration allowed, Clock& clock) {
  Context ctx;
  ctx.deadline = clock.now() + allowed;
  Result<void> ignored;
  if (what == 0) ignored = co_await life->group->add(ctx, node);
  if (what == 1) ignored = co_await life->group->promote(ctx, node);
  if (what == 2) ignored = co_await life->group->remove(ctx, node);
  if (what == 3) ignored = co_await life->group->transfer(ctx, node);
}

}  // namespace

Troubles Troubles::none() {
  Troubles troubles;
  for (bool* each : troubles.all()) *each = false;
  return troubles;
}

std::vector<bool*> Troubles::all() {
  return {&messages, &partitions, &crashes, &restarts, &pauses, &slow_drives, &full_drives, &failed_syncs, &damage,
          &transfers, &membership, &contests, &clocks};
}

Troubles Nemesis::some(Rng& choices) {
  Troubles troubles;
  for (bool* each : troubles.all()) *each = choices.below(2) == 0;
  return troubles;
}

std::string Nemesis::list() const {
  std::string out;
  const auto name = [&out](bool armed, const char* what) {
    if (armed) out += fmt::format("{}{}", out.empty() ? "" : ", ", what);
  };
  name(troubles_.messages, "messages");
  name(troubles_.partitions, "partitions");
  name(troubles_.crashes, "crashes");
  name(troubles_.restarts, "restarts");
  name(troubles_.pauses, "pauses");
  name(troubles_.slow_drives, "slow drives");
  name(troubles_.full_drives, "full drives");
  name(troubles_.failed_syncs, "failed syncs");
  name(troubles_.damage, "damage");
  name(troubles_.transfers, "transfers");
  name(troubles_.membership, "membership");
  name(troubles_.contests, "contests");
  name(troubles_.clocks, "clocks");
  return out;
}

void Nemesis::disturb_messages() {
  sim::LinkFaults faults;
  if (choose(3) != 0) {
    faults.lost = static_cast<std::uint32_t>(choose(2) == 0 ? choose(300) : 0);
    faults.doubled = static_cast<std::uint32_t>(choose(2) == 0 ? choose(300) : 0);
    faults.late = static_cast<std::uint32_t>(choose(2) == 0 ? choose(300) : 0);
    if (choose(3) == 0) faults.latency_max = std::chrono::milliseconds(1 + choose(80));
  }
  cluster_.network().set_faults(faults);
  if (choose(3) == 0) cluster_.network().clog(any(), any(), std::chrono::milliseconds(choose(3000)));
}

void Nemesis::partition() {
  sim::SimNetwork& network = cluster_.network();
  switch (choose(8)) {
    case 0: network.isolate(any()); break;
    case 1: network.cut(any(), any()); break;
    case 2: {
      std::set<NodeId> side;
      for (std::size_t i = 0; i < cluster_.size(); ++i) {
        if (choose(2) == 0) side.insert(cluster_.machine(i).id());
      }
      network.split(side);
      break;
    }
    case 3:
    case 4:
    case 5:
      if (const auto leader = cluster_.leader()) {
        if (choose(4) == 0) network.cut(any(), *leader);
        else network.isolate(*leader);
      }
      // Often just long enough for another one to be elected, and not for the old one to give up.
      if (choose(3) != 0) after(cluster_.election() + share(cluster_.election() * 2), [&network] { network.heal(); });
      break;
    default: network.heal(); break;
  }
}

void Nemesis::crash() {
  if (choose(12) == 0) {
    for (std::size_t i = 0; i < cluster_.size(); ++i) cluster_.cut(cluster_.machine(i).id(), any_crash(cluster_.choices()));
    return;
  }
  NodeId victim = any();
  if (choose(3) == 0) victim = cluster_.leader().value_or(victim);
  Machine& machine = cluster_.machine(victim);
  if (!machine.alive()) return;
  // Either now, or in the middle of what it is going to write.
  if (choose(2) == 0) cluster_.cut(victim, any_crash(cluster_.choices()));
  else machine.disk(choose(machine.drives())).cut_power_after(choose(60));
}

// Messages are slow, so that there are several candidates, writes are slow, and whoever may have voted just now loses power
// and is back at once.
void Nemesis::contest() {
  const Duration election = cluster_.election();
  sim::LinkFaults faults;
  faults.latency_max = election / 6;
  faults.late = 300;
  faults.late_by = election;
  cluster_.network().set_faults(faults);
  const auto leader = cluster_.leader();
  if (leader && choose(2) == 0) cluster_.cut(*leader, any_crash(cluster_.choices()));
  else if (leader) cluster_.network().isolate(*leader);
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    Machine& machine = cluster_.machine(i);
    for (std::size_t drive = 0; drive < machine.drives(); ++drive)
      machine.drive_thread(drive).set_cost(choose(2) == 0 ? share(election / 4) : Duration(0));
    const NodeId node = machine.id();
    if (node == leader || choose(3) == 0) continue;
    const Duration when = election * 3 / 4 + share(election * 2);
    after(when, [this, node] {
      cluster_.cut(node, sim::Crash::drop_all);
      for (std::size_t drive = 0; drive < cluster_.machine(node).drives(); ++drive)
        cluster_.machine(node).drive_thread(drive).set_cost(Duration(0));
    });
    for (int part = 1; part <= 4; ++part) after(when + election * part / 8, [this, node] { cluster_.start(node); });
  }
  after(election * 3, [this] { cluster_.network().heal(); });
}

void Nemesis::after(Duration duration, std::function<void()> what) {
  cluster_.world().at(cluster_.world().now_ns() + static_cast<std::uint64_t>(duration.count()), [this, what = std::move(what)] {
    if (raging_) what();
  });
}

// Only what a healthy replica can make good: what is damaged on one drive is good on another, which then must not fail.
std::size_t Nemesis::weak_drive(const Machine& machine) const {
  return static_cast<std::size_t>(machine.id()) % machine.drives();
}

void Nemesis::damage_and_start(NodeId node) {
  Machine& machine = cluster_.machine(node);
  sim::SimDisk& disk = machine.disk(weak_drive(machine));
  const auto files = disk.files();
  for (std::size_t n = choose(4); n > 0 && !files.empty(); --n) {
    const std::string& path = files[choose(files.size())];
    if (const std::uint64_t size = disk.file_size(path); size != 0)
      disk.flip_bit(path, choose(size), static_cast<unsigned>(choose(8)));
  }
  cluster_.start(node);
}

void Nemesis::change_members() {
  const auto leader = cluster_.leader();
  if (!leader) return;
  const auto life = cluster_.machine(*leader).life();
  const GroupStatus status = life->group->status();
  std::size_t voters = 0;
  for (const Member& member : status.members) voters += member.role == MemberRole::voter ? 1 : 0;
  const NodeId node = any();
  const auto member = std::find_if(status.members.begin(), status.members.end(), [&](const Member& m) { return m.node == node; });
  int what = 0;
  if (member != status.members.end()) {
    if (member->role != MemberRole::voter && choose(3) != 0) what = 1;
    else if (member->role != MemberRole::voter || voters > 3) what = 2;
    else return;
  } else if (cluster_.off(node) && choose(2) == 0) {
    cluster_.wipe(node);
  }
  cluster_.spawn_task(change(life, what, node, std::chrono::seconds(1 + choose(10)), cluster_.world().clock()));
}

void Nemesis::transfer() {
  const auto leader = cluster_.leader();
  if (!leader) return;
  const auto life = cluster_.machine(*leader).life();
  cluster_.spawn_task(change(life, 3, any(), std::chrono::seconds(1 + choose(3)), cluster_.world().clock()));
}

// One of the troubles that are armed; false when the dice shows another one.
bool Nemesis::strike() {
  const NodeId node = any();
  Machine& machine = cluster_.machine(node);
  const std::size_t drive = choose(machine.drives());
  switch (choose(17)) {
    case 16:
      if (!troubles_.clocks) return false;
      machine.clock().set_rate(choose(3) == 0 ? 1 : choose(2) == 0 ? 0.25 : 0.5 + 0.1 * static_cast<double>(choose(15)));
      return true;
    case 0:
    case 1:
      if (!troubles_.messages) return false;
      disturb_messages();
      return true;
    case 2:
    case 3:
    case 4:
      if (!troubles_.partitions) return false;
      partition();
      return true;
    case 5:
    case 6:
      if (!troubles_.crashes) return false;
      crash();
      return true;
    case 7:
      if (!troubles_.restarts) return false;
      cluster_.stop(node);
      return true;
    case 8:
      if (!troubles_.pauses) return false;
      machine.processor().pause_for(std::chrono::milliseconds(choose(choose(2) == 0 ? 200 : 3000)));
      return true;
    case 9:
      if (!troubles_.slow_drives) return false;
      machine.drive_thread(drive).set_cost(std::chrono::microseconds(choose(3) == 0 ? choose(40'000) : 0));
      return true;
    case 10:
      if (!troubles_.full_drives) return false;
      machine.disk(drive).set_capacity(choose(2) == 0 ? choose(60'000) : 1ull << 40);
      return true;
    case 11:
      if (!troubles_.failed_syncs) return false;
      machine.disk(troubles_.damage ? weak_drive(machine) : drive).fail_sync_after(choose(20));
      return true;
    case 12:
      if (!troubles_.transfers) return false;
      transfer();
      return true;
    case 13:
    case 14:
      if (!troubles_.membership) return false;
      change_members();
      return true;
    default:
      if (!troubles_.contests) return false;
      contest();
      return true;
  }
}

void Nemesis::tend() {
  const std::uint64_t now = cluster_.world().now_ns();
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    Machine& machine = cluster_.machine(i);
    const auto life = machine.life();
    if (life && life->node->failure() && choose(4) == 0) cluster_.stop(machine.id());
    if (!machine.off()) {
      off_until_.erase(machine.id());
      continue;
    }
    const auto [at, first] = off_until_.emplace(machine.id(), now + choose(choose(3) == 0 ? 4 * kSecond : kSecond));
    if (now < at->second) continue;
    if (troubles_.damage && choose(3) == 0 && machine.stopped_whole()) damage_and_start(machine.id());
    else cluster_.start(machine.id());
  }
}

void Nemesis::rage(Duration duration) {
  raging_ = true;
  const std::uint64_t end = cluster_.world().now_ns() + static_cast<std::uint64_t>(duration.count());
  while (cluster_.world().now_ns() < end && !cluster_.oracle().failure()) {
    for (int tries = 0; tries < 10 && !strike(); ++tries) {
    }
    tend();
    cluster_.run_for(std::chrono::milliseconds(choose(choose(3) == 0 ? 1000 : 150)));
  }
  raging_ = false;
}

}  // namespace gabion::metadata::raft::test
