#include "tests/sim/raft/machine.h"

namespace gabion::metadata::raft::test {

Machine::Machine(NodeId id, sim::SimWorld& world, sim::SimNetwork& network, Oracle& oracle, Rng& choices,
                 const MachineOptions& options)
    : id_(id), world_(world), network_(network), oracle_(oracle),
      options_(options), rng_(choices.next()), processor_(world), clock_(world.clock()) {
  for (std::size_t i = 0; i < options_.drives; ++i) {
    threads_.push_back(std::make_unique<sim::SimThread>(world));
    disks_.push_back(std::make_unique<sim::SimDisk>(rng_));
    drive_ids_.push_back(DriveId::random(rng_));
  }
}

bool Machine::power_lost() const {
  return life_ != nullptr && !life_->dead &&
         std::any_of(disks_.begin(), disks_.end(), [](const auto& disk) { return !disk->powered(); });
}

task<Result<void>> Machine::start(std::vector<Member> founders) {
  GABION_CHECK(off(), "a machine is started twice");
  whole_ = false;
  life_ = std::make_shared<Life>();
  const auto life = life_;
  life->work.enter();
  auto up = co_await run_on(processor_.executor(), come_up(life, std::move(founders)));
  if (!up && !life->dead) {
    co_await run_on(processor_.executor(), go_down(life));
    network_.disconnect(id_);
    co_await network_.drained(id_);
  }
  const bool dead = life->dead;
  if (!up && !dead) {
    life->dead = true;
    life_.reset();
  }
  life->work.leave();
  if (dead) co_return Result<void>();  // whoever cut the power buries it
  co_return up;
}

task<Result<void>> Machine::come_up(std::shared_ptr<Life> life, std::vector<Member> founders) {
  LogOptions log;
  for (std::size_t i = 0; i < disks_.size(); ++i)
    log.drives.emplace_back(drive_ids_[i], disks_[i].get(), threads_[i]->executor());
  log.allow_new = new_;
  log.segment_bytes = options_.log_segment_bytes;
  CO_TRY(life->log, co_await MirroredLog::open(std::move(log), rng_));
  life->state = std::make_unique<KvState>(id_, durable_, network_.peers(id_), world_.clock(), rng_, oracle_, options_.flaw);
  RaftNodeOptions options;
  options.self = id_;
  options.executor = processor_.executor();
  options.clock = &clock_;
  options.rng = &rng_;
  options.log = life->log.get();
  options.transport = &network_.transport(id_);
  options.metrics = &life->metrics;
  options.timing = options_.timing;
  options.checkpoint_log_bytes = options_.checkpoint_log_bytes;
  options.entry_memory_bytes = options_.entry_memory_bytes;
  CO_TRY(life->node, co_await RaftNode::open(std::move(options)));
  if (life->dead) co_return Error(Errc::unavailable, "the machine is off");
  const auto receive = [node = life->node.get()](NodeId from, GroupId group, std::string message) {
    node->receive(from, group, std::move(message));
  };
  network_.attach(id_, processor_.executor(), receive, life->state.get());
  CO_TRY(RaftGroup * group, co_await life->node->open_group(0, *life->state, std::move(founders)));
  new_ = false;
  life->group = group;
  co_return Result<void>();
}

task<void> Machine::go_down(std::shared_ptr<Life> life) {
  if (life->ended) co_return;
  life->ended = true;
  if (life->node) co_await life->node->stop();
  if (life->log && !life->dead) co_await life->log->close();
}

task<void> Machine::stop() {
  const auto life = life_;
  GABION_CHECK(life && !life->dead && life->group != nullptr, "only a running process can be stopped");
  life->work.enter();
  // What the process says while it stops still counts.
  co_await run_on(processor_.executor(), go_down(life));
  network_.disconnect(id_);
  co_await network_.drained(id_);
  const bool dead = life->dead;
  if (!dead) {
    whole_ = true;
    for (std::size_t i = 0; i < disks_.size(); ++i) whole_ = whole_ && life->log->healthy(i);
    life->dead = true;
    life->state->die();
    life_.reset();
  }
  life->work.leave();
}

void Machine::cut() {
  if (!life_ || life_->dead) return;
  life_->dead = true;
  if (life_->state) life_->state->die();
  network_.disconnect(id_);
  for (auto& disk : disks_) {
    disk->cut_power_after(0);
    static_cast<void>(disk->sync_dir(""));  // the operation that the power cut hits
  }
}

task<void> Machine::bury(sim::Crash how) {
  const auto life = life_;
  GABION_CHECK(life && life->dead, "only the dead are buried");
  co_await life->work.close();
  co_await run_on(processor_.executor(), go_down(life));
  co_await network_.drained(id_);
  for (auto& disk : disks_) {
    disk->set_capacity(1ull << 40);
    disk->crash(how);
  }
  life_.reset();
}

void Machine::wipe() {
  GABION_CHECK(off(), "a running machine is wiped");
  for (auto& disk : disks_) disk->wipe();
  durable_ = KvImage();
  new_ = true;
}

}  // namespace gabion::metadata::raft::test
