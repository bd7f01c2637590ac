#include "tests/sim/raft/cluster.h"

#include <fmt/format.h>

namespace gabion::metadata::raft::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPutKeys = 3;
// A register with swaps is searched, which takes long for long histories, so there is a new one after some operations.
constexpr std::uint64_t kSwapKeyOperations = 60;
constexpr Duration kConvergence = 60s;

}  // namespace

Cluster::Cluster(const ClusterOptions& options)
    : options_(options),
      world_(options.seed),
      choices_(options.seed * 7919 + 13),
      client_choices_(options.seed * 104729 + 17),
      network_(world_),
      wiped_(options.founders + options.spares) {
  for (std::size_t i = 0; i < options_.founders + options_.spares; ++i) {
    machines_.push_back(std::make_unique<Machine>(NodeId(static_cast<std::uint32_t>(i + 1)), world_, network_, oracle_,
                                                  choices_, options_.machine));
  }
}

Cluster::~Cluster() = default;

std::vector<Member> Cluster::founders() const {
  std::vector<Member> members;
  for (std::size_t i = 0; i < options_.founders; ++i)
    members.push_back({NodeId(static_cast<std::uint32_t>(i + 1)), MemberRole::voter});
  return members;
}

// --- Machines ---

task<void> Cluster::do_start(NodeId node) {
  const std::size_t i = static_cast<std::size_t>(node) - 1;
  for (std::size_t drive = 0; drive < machines_[i]->drives(); ++drive) {
    machines_[i]->disk(drive).set_capacity(1ull << 40);
    machines_[i]->disk(drive).fail_sync_after(UINT64_MAX);
  }
  std::vector<Member> members;
  if (i < options_.founders && !wiped_[i]) members = founders();
  auto started = co_await machines_[i]->start(std::move(members));
  if (!started) oracle_.broken(fmt::format("{} does not start: {}", to_string(node), started.error().message));
  busy_.erase(node);
}

task<void> Cluster::do_stop(NodeId node) {
  co_await machine(node).stop();
  busy_.erase(node);
}

void Cluster::start(NodeId node) {
  if (!machine(node).off() || !busy_.insert(node).second) return;
  spawn(world_.executor(), gate_, "start", do_start(node));
}

void Cluster::start_all() {
  for (auto& each : machines_) start(each->id());
}

void Cluster::stop(NodeId node) {
  if (!machine(node).life() || !busy_.insert(node).second) return;
  spawn(world_.executor(), gate_, "stop", do_stop(node));
}

task<void> Cluster::bury(NodeId node, sim::Crash how) { co_await machine(node).bury(how); }

void Cluster::cut(NodeId node, sim::Crash how) {
  if (!machine(node).alive()) return;
  machine(node).cut();
  spawn(world_.executor(), gate_, "bury", bury(node, how));
}

void Cluster::wipe(NodeId node) {
  machine(node).wipe();
  wiped_[static_cast<std::size_t>(node) - 1] = true;
}

std::optional<NodeId> Cluster::leader() {
  std::optional<NodeId> best;
  std::uint64_t term = 0;
  for (auto& each : machines_) {
    const auto life = each->life();
    if (!life) continue;
    const GroupStatus status = life->group->status();
    if (status.leads && status.term > term) {
      term = status.term;
      best = each->id();
    }
  }
  return best;
}

// --- Clients ---

KvCommand Cluster::put(const std::string& key) {
  KvCommand command;
  command.number = ++numbers_;
  command.key = key;
  command.value = command.number;
  return command;
}

task<Result<std::string>> Cluster::propose(NodeId node, KvCommand command, Duration allowed) {
  const auto life = machine(node).life();
  if (!life) co_return Error(Errc::not_leader, "the machine is off");
  Context ctx;
  ctx.deadline = machine(node).clock().now() + allowed;
  auto result = co_await life->group->propose(ctx, command.text(), Purpose::takes_space);
  // The client of a machine that lost power hears nothing.
  if (life->dead) co_return Error(Errc::unknown_outcome, "the connection broke");
  if (result) {
    oracle_.acknowledged(command.number);
    co_return result;
  }
  switch (result.error().code) {
    case Errc::unknown_outcome: break;
    case Errc::not_leader:
    case Errc::deadline:
    case Errc::exhausted:
    case Errc::cancelled:
    case Errc::unavailable: oracle_.refused(command.number); break;
    default: oracle_.broken(fmt::format("a proposal ends with {}", result.error().message));
  }
  co_return result;
}

task<Result<std::uint64_t>> Cluster::read(NodeId node, std::string key, Duration allowed) {
  const auto life = machine(node).life();
  if (!life) co_return Error(Errc::not_leader, "the machine is off");
  Context ctx;
  ctx.deadline = machine(node).clock().now() + allowed;
  CO_CHECK(co_await life->group->read_barrier(ctx));
  if (life->dead) co_return Error(Errc::unavailable, "the connection broke");
  co_return life->state->value(key);
}

NodeId Cluster::client_choice() {
  if (client_choices_.below(10) < 7) {
    if (const auto leads = leader()) return *leads;
  }
  // Also one that does not lead, or believes it does and is wrong.
  for (auto& each : machines_) {
    const auto life = each->life();
    if (life && life->group->status().leads && client_choices_.below(2) == 0) return each->id();
  }
  return NodeId(static_cast<std::uint32_t>(client_choices_.below(machines_.size()) + 1));
}

task<void> Cluster::client_put(NodeId node, std::string key) {
  KvCommand command = put(key);
  linear::Operation operation{linear::Kind::put, world_.now_ns(), linear::kUnknown, command.value, 0};
  const auto result = co_await propose(node, command, patience());
  if (!result && result.error().code != Errc::unknown_outcome) co_return;
  if (result) operation.returned = world_.now_ns();
  oracle_.note(key, operation);
}

task<void> Cluster::client_swap(NodeId node, std::string key) {
  KvCommand command = put(key);
  const std::uint64_t dice = client_choices_.below(8);
  command.kind = dice == 0 ? KvCommand::Kind::remove : KvCommand::Kind::swap;
  command.expected = dice == 1 ? linear::kAbsent : seen_[key];
  linear::Operation operation{linear::Kind::swap, world_.now_ns(), linear::kUnknown, command.value, command.expected};
  if (command.kind == KvCommand::Kind::remove) operation = {linear::Kind::remove, world_.now_ns(), linear::kUnknown, 0, 0};
  const auto result = co_await propose(node, command, patience());
  if (!result && result.error().code != Errc::unknown_outcome) co_return;
  if (result) {
    operation.returned = world_.now_ns();
    const std::uint64_t before = std::stoull(*result);
    if (command.kind == KvCommand::Kind::swap && before != command.expected) {
      operation.kind = linear::Kind::get;  // what a swap that does not happen tells is what is there
      operation.value = before;
    }
    seen_[key] = operation.kind == linear::Kind::remove ? linear::kAbsent : operation.value;
  }
  oracle_.note(key, operation);
}

task<void> Cluster::client_get(NodeId node, std::string key) {
  linear::Operation operation{linear::Kind::get, world_.now_ns(), linear::kUnknown, 0, 0};
  const auto value = co_await read(node, key, patience());
  if (!value) co_return;
  operation.value = *value;
  operation.returned = world_.now_ns();
  seen_[key] = *value;
  oracle_.note(key, operation);
}

std::string Cluster::registers_key() { return fmt::format("swap{}", ++swap_operations_ / kSwapKeyOperations); }

task<void> Cluster::client(std::size_t) {
  while (!clients_stop_) {
    const NodeId node = client_choice();
    const std::uint64_t dice = client_choices_.below(100);
    const std::string key = fmt::format("put{}", client_choices_.below(kPutKeys));
    if (dice < 40) co_await client_put(node, key);
    else if (dice < 70) co_await client_get(node, key);
    else if (dice < 88) co_await client_swap(node, registers_key());
    else co_await client_get(node, registers_key());
    co_await world_.clock().sleep(Duration(client_choices_.below(static_cast<std::uint64_t>(options_.think.count()) + 1)));
  }
}

void Cluster::start_clients(std::size_t n) {
  clients_stop_ = false;
  for (std::size_t i = 0; i < n; ++i) spawn(world_.executor(), gate_, "client", client(i));
}

void Cluster::stop_clients() { clients_stop_ = true; }

// Some wait long for an answer, and some are soon off to somebody else.
Duration Cluster::patience() {
  constexpr Duration kAllowed[] = {50ms, 200ms, 2s};
  return kAllowed[client_choices_.below(std::size(kAllowed))];
}

// --- Time ---

bool Cluster::step() {
  if (oracle_.failure() || !world_.step()) return false;
  ++steps_;
  for (auto& each : machines_) {
    if (each->power_lost()) cut(each->id(), sim::kCrashes[choices_.below(std::size(sim::kCrashes))]);
    if (steps_ % 16 != 0) continue;
    if (const auto life = each->life()) oracle_.status(each->id(), life->group->status());
  }
  return true;
}

void Cluster::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

bool Cluster::run(task<void> work, Duration limit) {
  auto done = std::make_shared<bool>(false);
  asio::co_spawn(world_.executor(), std::move(work), [done](std::exception_ptr exception) {
    if (exception) escaped_exception("scenario", exception);
    *done = true;
  });
  return run_until([done] { return *done; }, limit) && *done;
}

// --- The end ---

// All members that the leader knows, and they have what it has.
bool Cluster::equal() {
  const auto leads = leader();
  if (!leads) return false;
  const auto life = machine(*leads).life();
  const GroupStatus status = life->group->status();
  if (status.committed != status.last_index) return false;
  for (const Member& member : status.members) {
    if (member.role == MemberRole::spare) continue;
    const auto other = machine(member.node).life();
    if (!other || other->state->applied() != life->state->applied()) return false;
    if (other->group->status().term != status.term) return false;
  }
  return true;
}

task<void> Cluster::probe() {
  if (const auto leads = leader(); leads && co_await propose(*leads, put("probe"), 1s)) served_ = true;
}

std::string Cluster::describe() {
  std::string members;
  for (auto& each : machines_) {
    const auto life = each->life();
    if (!life) {
      members += fmt::format(" {} off;", to_string(each->id()));
      continue;
    }
    const GroupStatus status = life->group->status();
    members += fmt::format(" {} term {} leads {} last {} committed {} applied {} members {};", to_string(each->id()), status.term,
                           status.leads, status.last_index, status.committed, life->state->applied(), status.members.size());
    if (const auto failure = life->node->failure()) members += " failed: " + failure->message + ";";
  }
  return members;
}

void Cluster::converge() {
  network_.set_faults(sim::LinkFaults());
  network_.set_raft_filter(nullptr);
  network_.heal();
  for (auto& each : machines_) {
    each->clock().set_rate(1);
    for (std::size_t i = 0; i < each->drives(); ++i) {
      each->disk(i).set_capacity(1ull << 40);
      each->disk(i).fail_sync_after(UINT64_MAX);
      each->drive_thread(i).set_cost(Duration(0));
    }
  }
  stop_clients();
  served_ = false;
  std::uint64_t next_try = 0;
  const auto serves = [&] {
    if (world_.now_ns() < next_try) return false;
    next_try = world_.now_ns() + 200'000'000;
    for (auto& each : machines_) {
      start(each->id());
      // One that gave up its membership while there were faults is started again, as its supervisor would.
      if (const auto life = each->life(); life && life->node->failure()) stop(each->id());
    }
    if (served_) return equal();
    spawn(world_.executor(), gate_, "probe", probe());
    return false;
  };
  if (run_until(serves, kConvergence) || oracle_.failure()) return;
  oracle_.broken(fmt::format("the group does not come to {} within a minute after the last fault:{}",
                             served_ ? "be equal" : "serve", describe()));
}

task<void> Cluster::do_close() {
  for (auto& each : machines_) {
    while (!each->off() || busy_.contains(each->id())) {
      stop(each->id());
      co_await world_.clock().sleep(50ms);
    }
  }
  co_await gate_.close();
}

bool Cluster::close() {
  stop_clients();
  if (!oracle_.failure()) {
    std::map<NodeId, std::pair<std::uint64_t, std::uint64_t>> states;
    if (const auto leads = leader()) {
      for (const Member& member : machine(*leads).life()->group->status().members) {
        if (const auto life = machine(member.node).life(); life && member.role != MemberRole::spare)
          states[member.node] = {life->state->current().applied, life->state->current().hash};
      }
    }
    oracle_.finish(states);
  }
  bool done = false;
  asio::co_spawn(world_.executor(), do_close(), [&done](std::exception_ptr exception) {
    if (exception) escaped_exception("close", exception);
    done = true;
  });
  const std::uint64_t end = world_.now_ns() + 200'000'000'000;
  while (!done && world_.now_ns() < end && world_.step()) {
    for (auto& each : machines_) {
      if (each->power_lost()) cut(each->id(), sim::Crash::keep_all);
    }
  }
  return done;
}

}  // namespace gabion::metadata::raft::test
